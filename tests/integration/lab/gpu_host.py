"""A lab host with a GPU that is not there, and roles played on it as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lab import hosts, inventory
from lab.gpu import driver_packages
from lab.records import Record

ROOT = Path(__file__).parents[3]
GPU = "rtx-pro-6000-max-q"
OLDER, NEWER = driver_packages.OLDER, driver_packages.NEWER
KERNEL = os.uname().release
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o APT::Default-Release= "
INSTALL = f"{APT}install --yes --no-install-recommends --allow-downgrades "
SET = ("nvidia-headless-no-dkms-580-server-open", "libnvidia-compute-580-server", "libnvidia-cfg1-580-server")
SET += ("nvidia-compute-utils-580-server", "nvidia-kernel-common-580-server", "nvidia-utils-580-server")
SET += ("nvidia-kernel-source-580-server-open",)
SNAPSHOT = (
    "find /etc /opt /usr/bin /usr/lib/systemd /lib/systemd /var/lib/hostproof /var/run/cdi /var/tmp /root /home -xdev "
    "\\( -path '*/.ansible*' -o -path '*/__pycache__*' -o -path '*systemd-private*' -o -name ld.so.cache \\) -prune -o "
    "-type f -exec sha256sum {} + 2>/dev/null | sort -k2; dpkg-query --show --showformat='${Package} ${Version} ${db:Status-Status}\\n'"
)


class GpuHost:
    def __init__(self, name: str, checkout: Path) -> None:
        self.name, self.checkout = name, checkout
        (self.record,) = self.up()

    def up(self) -> list[Record]:
        return hosts.up(self.name, say=lambda _: None, gpu=GPU, checkout=self.checkout)

    def boot(self) -> None:
        podman = hosts.open_lab(print, self.checkout).root
        podman.run(["podman", "stop", "--time=5", self.record.container], mend="See podman.", seconds=60)
        (self.record,) = self.up()

    def down(self) -> None:
        hosts.down(if_there=True, say=lambda _: None, checkout=self.checkout)

    def sh(self, line: str) -> tuple[int, str]:
        """As root on the host: exit status, and what it said."""
        argv = inventory.ssh_argv(self.record, ["sudo", "sh", "-c", line])
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
        )
        return done.returncode, done.stdout + done.stderr

    def ok(self, line: str) -> str:
        status, said = self.sh(line)
        assert status == 0, f"{line}\n{said}"
        return said

    def put(self, file: Path, target: str) -> None:
        argv = inventory.ssh_argv(self.record, [f"cat > {target}"])
        with file.open("rb") as stream:
            subprocess.run(argv, check=True, timeout=60, stdin=stream)

    def driver(self, version: driver_packages.Driver = OLDER, *, load: bool = True) -> None:
        """As the role nvidia_driver leaves it, by apt alone."""
        packages = " ".join(f"{name}={version.version}" for name in SET)
        self.ok(f"{INSTALL}{packages} 'linux-modules-nvidia-580-server-open-{KERNEL}=*+{version.upstream}'")
        if load:
            self.ok("lab-gpu unload; modprobe nvidia && nvidia-smi -L")

    def play(self, role: str, *words: str, **extra: Any) -> tuple[int, str]:
        """One role: Ansible's exit status, and what it said."""
        book = self.checkout / f"{role}.yml"
        book.write_text(yaml.safe_dump([{"hosts": self.name, "gather_facts": False, "roles": [role]}]))
        done = subprocess.run(
            [
                *[str(Path(sys.executable).with_name("ansible-playbook")), str(book), "--diff", *words],
                *["-i", str(ROOT / "inventory"), "-i", self.record.inventory, "-e", json.dumps(extra)],
            ],
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def task(self, module: str, **arguments: Any) -> dict[str, Any]:
        """One module as root, with what it returned, also if it failed."""
        done = subprocess.run(
            [
                *[str(Path(sys.executable).with_name("ansible")), self.name, "--become", "-i", self.record.inventory],
                *["-m", f"hostproof.core.{module}", *(["-a", json.dumps(arguments)] if arguments else [])],
            ],
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        )  # fmt: skip
        assert "=>" in done.stdout, done.stdout + done.stderr
        return dict(json.loads(done.stdout.partition("=>")[2]))

    def plays(self, role: str, *words: str, **extra: Any) -> int:
        """How many tasks changed something; it must succeed."""
        status, said = self.play(role, *words, **extra)
        assert status == 0, said
        return int(said.rpartition("changed=")[2].split()[0])

    def refused(self, role: str, *words: str, **extra: Any) -> str:
        """What was said; it must fail."""
        status, said = self.play(role, *words, **extra)
        assert status == 2, said
        return said
