"""A host in a folder: files of the kernel that behave like the kernel's, GRUB, and a witness at every deed.

Never the machine's own kernel: every path lies below `root`.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from hostproof.shared.families import FAMILIES
from hostproof.shared.host import CommandError, Host

Made = TypeVar("Made")
BOOTS = ("11111111-2222-3333-4444-555555555555", "22222222-3333-4444-5555-666666666666")
CPUFREQ = "/sys/devices/system/cpu/cpufreq"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
NODE = "/sys/devices/system/node"
POOL_2M = "hugepages/hugepages-2048kB/nr_hugepages"
VALUES = {
    "/proc/sys/vm/swappiness": "60",
    "/proc/sys/vm/zone_reclaim_mode": "0",
    "/proc/sys/vm/dirty_ratio": "20",
    "/proc/sys/vm/dirty_bytes": "0",
    "/proc/sys/vm/compact_memory": "",
    "/proc/sys/kernel/numa_balancing": "2",
    "/proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456",
    "/proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro quiet",
    THP: "always [madvise] never",
    **{f"{CPUFREQ}/policy{n}/scaling_governor": "powersave" for n in (0, 1, 2, 10)},
    **{f"{CPUFREQ}/policy{n}/energy_performance_preference": "balance_performance" for n in (0, 1, 2, 10)},
    **{f"{NODE}/node{n}/{POOL_2M}": "0" for n in (0, 1)},
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "0",
    "/sys/module/nvidia/parameters/NVreg_EnableGpuFirmware": "N",
}
TEXTS = {
    "/etc/default/grub": 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n',
    "/etc/sysctl.d/10-magic.conf": "# of the distribution\nkernel.sysrq = 176\n",
    "/etc/systemd/system.conf": "[Manager]\n#DefaultLimitMEMLOCK=8M\n",
    "/usr/sbin/update-grub": "",
    "/usr/bin/systemctl": "",
}


class KilledError(BaseException):
    """The process ends here."""


class FakeHost(Host):
    """`at_deed` is called before and after each deed with its number; it may raise."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.deeds: list[str] = []
        self.watch: Callable[[int, str], None] = lambda number, moment: None
        self.commands: list[tuple[str, ...]] = []
        self.pages_free: dict[str, int] = {}
        self.refuses: dict[str, int] = {}
        self.clock = 0

    # The witness

    def act(self, what: str, target: str, deed: Callable[[], Made]) -> Made:
        self.deeds.append(f"{what} {target}")
        number = len(self.deeds)
        self.watch(number, "before")
        made = deed()
        self.watch(number, "after")
        return made

    def now(self) -> str:
        self.clock += 1
        return f"2026-11-25T00:{self.clock // 60 % 60:02}:{self.clock % 60:02}.000Z"

    def sleep(self, seconds: float) -> None:
        self.deeds.append(f"sleep {seconds}")

    # The kernel

    def set(self, path: str, value: str) -> None:
        self.act("set", path, lambda: self._kernel(path, value))

    def _kernel(self, path: str, value: str) -> None:
        if path in self.refuses:
            raise OSError(self.refuses[path], os.strerror(self.refuses[path]))
        file = self.at(path)
        if not file.exists():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        before = file.read_text()
        if path.endswith("nr_hugepages"):
            value = str(min(int(value), self.pages_free.get(path, 10**9)))
        elif path == THP:
            words = before.replace("[", "").replace("]", "").split()
            if value not in words:
                raise OSError(errno.EINVAL, "Invalid argument")
            value = " ".join(f"[{word}]" if word == value else word for word in words)
        elif path.endswith("energy_performance_preference"):
            governor = file.with_name("scaling_governor").read_text().strip()
            if governor == "performance" and value != "performance":
                raise OSError(errno.EBUSY, "Device or resource busy")
        elif path in ("/proc/sys/vm/dirty_bytes", "/proc/sys/vm/dirty_ratio"):
            other = {"bytes": "ratio", "ratio": "bytes"}[path.rpartition("_")[2]]
            if path.endswith("bytes") and int(value) < 8192:
                raise OSError(errno.EINVAL, "Invalid argument")
            file.with_name(f"dirty_{other}").write_text("0\n")
        file.write_text(f"{value}\n")

    # Programs

    def command(self, argv: Sequence[str], seconds: float = 0, *, lines: int = 3) -> str:
        self.commands.append(tuple(argv))
        if argv[0] == "update-grub":
            write_menu(self)
        elif argv[0] != "systemctl":
            raise CommandError(f"{argv[0]} could not be started")
        return ""


def write_menu(host: Host) -> None:
    """What grub-mkconfig makes of the defaults, as far as it matters here."""
    values = {"GRUB_CMDLINE_LINUX_DEFAULT": "", "GRUB_CMDLINE_LINUX": ""}
    folder = "/etc/default/grub.d"
    paths = [
        "/etc/default/grub",
        *(f"{folder}/{n}" for n in host.listing(folder) if n.endswith(".cfg") and n[0] != "."),
    ]
    for path in paths:
        for line in host.read(path).splitlines():
            name, _, value = line.partition("=")
            if name in values:
                values[name] = shlex.split(value)[0].replace(f"${name}", values[name])
    words = f"{values['GRUB_CMDLINE_LINUX']} {values['GRUB_CMDLINE_LINUX_DEFAULT']}"
    menu = host.at("/boot/grub/grub.cfg")
    menu.parent.mkdir(parents=True, exist_ok=True)
    menu.write_text(
        f"menuentry 'Linux' {{\n\tlinux\t/vmlinuz root=/dev/vda1 ro {words}\n}}\n"
        "menuentry 'Linux (recovery)' {\n\tlinux /vmlinuz root=/dev/vda1 ro single\n}\n"
    )


def make(root: Path, leave_out: tuple[str, ...] = ()) -> FakeHost:
    """`leave_out`: words in paths that a test does without."""
    host = FakeHost(root)
    for path, text in {**{p: f"{v}\n" for p, v in VALUES.items()}, **TEXTS}.items():
        if not any(word in path for word in leave_out):
            put(host, path, text)
    put(host, "/proc/sys/kernel/random/boot_id", f"{BOOTS[0]}\n")
    write_menu(host)
    return host


def put(host: Host, path: str, text: str) -> None:
    host.at(path).parent.mkdir(parents=True, exist_ok=True)
    host.at(path).write_text(text)


def value(host: Host, path: str) -> str:
    return host.read(path).strip()


def reboot(host: FakeHost) -> None:
    """Another boot: the kernel's values start anew, then sysctl.d, tmpfiles.d and the menu have their say."""
    for path, text in VALUES.items():
        if host.exists(path):
            put(host, path, f"{text}\n")
    put(host, "/proc/sys/kernel/random/boot_id", f"{BOOTS[1]}\n")
    words = host.read("/boot/grub/grub.cfg").splitlines()[1].split()[2:]
    put(host, "/proc/cmdline", f"BOOT_IMAGE=/vmlinuz {' '.join(words)}\n")
    for folder in ("/etc/sysctl.d", "/etc/tmpfiles.d"):
        for name in host.listing(folder):
            for line in host.read(f"{folder}/{name}").splitlines():
                if line.startswith("w "):
                    pattern, wanted = line.split()[1], line.split()[-1]
                    for path in host.expand(pattern):
                        host._kernel(path, wanted)
                elif "=" in line and not line.startswith("#"):
                    key, _, wanted = line.partition(" = ")
                    path = f"/proc/sys/{key.replace('.', '/')}"
                    if host.exists(path):
                        host._kernel(path, wanted)


def everything(host: Host) -> dict[str, tuple[object, ...]]:
    """Every file and folder but the journal's own: kind, content, mode, owner."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(host.root.rglob("*")):
        name = f"/{path.relative_to(host.root)}"
        if name.startswith("/var"):
            continue
        about = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        found[name] = (content, oct(about.st_mode), about.st_uid, about.st_gid)
    return found


def ours(host: Host) -> list[str]:
    return [family.path for family in FAMILIES if host.exists(family.path)]
