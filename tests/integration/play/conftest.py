"""A small checkout with playbooks of its own: real Ansible, and for tests marked `lab` a real host over real ssh."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hostproof.play.checkout import Checkout
from lab import hosts, inventory
from lab.records import Record

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Site:
    """A checkout under test, with what it writes to."""

    checkout: Checkout
    host_folder: Path
    """Stands for the host's own disk."""
    temporary: Path
    """Where its runs keep their private folders; found in the command lines of what they start."""

    def playbook(self, name: str, *tasks: dict[str, object]) -> None:
        play = {"name": "Work on the host", "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        path = self.checkout.playbook(name)
        path.write_text(yaml.safe_dump([play], sort_keys=False))

    def inventory(self, **hosts: dict[str, object]) -> None:
        path = self.checkout.root / "inventory" / "hosts.yml"
        path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("ANSIBLE_INVENTORY", raising=False)
    root = tmp_path / "checkout"
    for folder in ("playbooks", "inventory", "roles"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "ansible.cfg", root)
    (tmp_path / "host").mkdir()
    # Short, since ssh's control sockets lie in it and a socket's path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="hp-test-", dir="/tmp") as temporary:
        monkeypatch.setenv("TMPDIR", temporary)
        monkeypatch.setattr(tempfile, "tempdir", None)
        made = Site(Checkout(root), tmp_path / "host", Path(temporary))
        made.inventory(h1={"ansible_connection": "local"})
        yield made


@dataclass(frozen=True)
class Far:
    """A lab host: a real sshd, another disk, and a user without sudo beside the usual one."""

    record: Record
    folder: Path
    """Keys and lists of known hosts, right and wrong ones."""

    def host(self, **other: object) -> dict[str, object]:
        """Inventory variables."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.record.port,
            "ansible_user": "lab",
            "ansible_ssh_private_key_file": self.record.key,
            "ansible_ssh_common_args": self.ssh_args(self.record.known_hosts),
            **other,
        }

    def ssh_args(self, known_hosts: object) -> str:
        return f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={known_hosts}"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        argv = inventory.ssh_argv(self.record, command)
        # ssh would leave a shared stdin non-blocking, which Ansible refuses.
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )

    def read(self, path: Path) -> str | None:
        """A file on its disk; None without one."""
        done = self.run("cat", str(path))
        return done.stdout if done.returncode == 0 else None


NO_SUDO = """
set -eu
useradd --create-home --password '*' nosudo
install -d -m 0700 -o nosudo -g nosudo /home/nosudo/.ssh
install -m 0600 -o nosudo -g nosudo /home/lab/.ssh/authorized_keys /home/nosudo/.ssh/
"""


@pytest.fixture(scope="session")
def lab_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """Only for tests marked `lab`."""
    root = tmp_path_factory.mktemp("lab")
    try:
        far = Far(hosts.up("far", checkout=root)[0], root)
        done = far.run("sudo", "sh", "-c", NO_SUDO)
        assert done.returncode == 0, done.stderr
        _strangers(far)
        yield far
    finally:
        hosts.down(checkout=root)


def _strangers(far: Far) -> None:
    """A key that nobody knows, and a list that knows the host by it."""
    key = far.folder / "stranger"
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", key], check=True, timeout=30)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    (far.folder / "stale_hosts").write_text(f"[127.0.0.1]:{far.record.port} {public}\n")


@pytest.fixture
def far(lab_host: Far, site: Site) -> Far:
    """With the folder that stands for the host's disk on its real one."""
    done = lab_host.run("mkdir", "-p", "-m", "0777", str(site.host_folder))
    assert done.returncode == 0, done.stderr
    return lab_host
