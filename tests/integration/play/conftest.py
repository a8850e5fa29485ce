"""A small checkout with playbooks of its own, and an sshd on a loopback port: real Ansible, real ssh."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hostproof.play.checkout import Checkout

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
class Sshd:
    """A running sshd that lets one key in."""

    port: int
    folder: Path

    def host(self, **other: object) -> dict[str, object]:
        """Inventory variables of a host behind it."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.folder / "user"),
            "ansible_ssh_common_args": self.ssh_args("known_hosts"),
            **other,
        }

    def ssh_args(self, known_hosts: str) -> str:
        return f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={self.folder / known_hosts}"


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if not program:
        pytest.skip("sshd is not installed (apt-get install openssh-server)")
    folder = tmp_path_factory.mktemp("sshd")
    port = _free_port()
    _keys(folder, port)
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\n"
    )
    with subprocess.Popen([program, "-D", "-f", folder / "config", "-E", folder / "log"]) as daemon:
        try:
            _wait_for(port, folder / "log")
            yield Sshd(port, folder)
        finally:
            daemon.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _keys(folder: Path, port: int) -> None:
    for name in ("host", "user", "stranger"):
        subprocess.run(
            ["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=30
        )
    for file, key in (("known_hosts", "host"), ("stale_hosts", "stranger")):
        public = " ".join((folder / f"{key}.pub").read_text().split()[:2])
        (folder / file).write_text(f"[127.0.0.1]:{port} {public}\n")


def _wait_for(port: int, log: Path) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"sshd did not come up: {log.read_text() if log.exists() else 'no log'}")
