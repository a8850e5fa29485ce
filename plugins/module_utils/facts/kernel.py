"""The kernel, what it was started with, what GRUB will start it with, its clock and its IOMMU."""

from __future__ import annotations

import re
from collections import Counter

from .model import Grub, Iommu, Kernel
from .tree import Tree

CLOCK = "/sys/devices/system/clocksource/clocksource0"
GRUB = "/etc/default/grub"
EFI = "/sys/firmware/efi"
SECURE_BOOT = f"{EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
"""UEFI 2.x: four bytes of attributes, then 0 or 1."""
SYSCTLS = (
    *("kernel.numa_balancing", "kernel.nmi_watchdog", "kernel.sched_autogroup_enabled"),
    *("vm.zone_reclaim_mode", "vm.swappiness", "vm.overcommit_memory", "vm.max_map_count"),
    *("vm.min_free_kbytes", "vm.nr_hugepages", "vm.nr_overcommit_hugepages", "vm.compaction_proactiveness"),
)
VULNERABILITIES = "/sys/devices/system/cpu/vulnerabilities"
ASSIGNMENT = re.compile(r"\s*(?:export\s+)?(GRUB_[A-Z0-9_]+)(\+?=)(.*)")
SECRET = re.compile(
    # Short ids of file systems, names of disks and their serial numbers, what is named a secret: the value after the name.
    r"((?:UUID|LABEL|\w*(?:password|passwd|token|secret|[_-]key|cryptkey))=|by-id/)[^\s\"']+"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # UUID
    r"|(?<![0-9a-f])(?:[0-9a-f]{2}[:-]){5,7}[0-9a-f]{2}(?![0-9a-f])",  # hardware address; PXE puts its type before it
    re.IGNORECASE,
)
HIDDEN = "[hidden]"


def read(tree: Tree) -> Kernel:
    ksm = tree.number("/sys/kernel/mm/ksm/run")
    efi = tree.exists(EFI)
    return Kernel(
        release=tree.text("/proc/sys/kernel/osrelease", needed=True),
        cmdline=tree.text("/proc/cmdline", needed=True, distil=scrub),
        clocksource=tree.text(f"{CLOCK}/current_clocksource"),
        clocksources_available=tuple(tree.text(f"{CLOCK}/available_clocksource").split()),
        sysctls={name: value for name in SYSCTLS if (value := tree.text(_sysctl_path(name)))},
        vulnerabilities={
            name: tree.text(f"{VULNERABILITIES}/{name}")
            for name in tree.names(VULNERABILITIES, r"[a-z0-9_]{1,40}")
        },
        grub=read_grub(tree),
        efi=efi,
        secure_boot=read_secure_boot(tree),
        ksm=None if ksm is None else ksm == 1,
        pressure=bool(tree.text("/proc/pressure/cpu")),
    )


def scrub(raw: bytes) -> bytes:
    """Without UUIDs, hardware addresses, serial numbers and what is named a secret."""
    # Latin-1 keeps every byte as it is.
    hidden = SECRET.sub(lambda match: f"{match[1] or ''}{HIDDEN}", raw.decode("latin-1"))
    return hidden.encode("latin-1")


def _sysctl_path(name: str) -> str:
    return f"/proc/sys/{name.replace('.', '/')}"


def read_grub(tree: Tree) -> Grub:
    """In the order in which update-grub reads them: the main file, then the drop-ins by name."""
    drop_ins = tree.names(f"{GRUB}.d", r".*\.cfg")
    files = [GRUB, *(f"{GRUB}.d/{name}" for name in sorted(drop_ins))]
    assignments = [
        (file, match[1], match[3].strip() if match[2] == "=" else f"+={match[3].strip()}")
        for file in files
        for line in tree.text(file, distil=distil_grub).splitlines()
        if (match := ASSIGNMENT.fullmatch(line))
    ]
    return Grub(tuple(assignments), tuple(sorted(drop_ins)))


def distil_grub(raw: bytes) -> bytes:
    """The assignments alone: a superuser's password hash, if someone put one here, stays out."""
    lines = raw.decode("latin-1").split("\n")
    kept = [line.strip() for line in lines if ASSIGNMENT.fullmatch(line)]
    return scrub("\n".join(kept).encode("latin-1"))


def read_secure_boot(tree: Tree) -> bool | None:
    """None where there is no EFI, or it cannot be told."""
    if not tree.exists(EFI):
        return None
    raw = tree.data(SECURE_BOOT, needed=True)
    if raw and (len(raw) != 5 or raw[4] > 1):
        tree.note(SECURE_BOOT, f"{len(raw)} bytes instead of 5, or neither 0 nor 1")
        return None
    return bool(raw[4]) if raw else None


def read_iommu(tree: Tree) -> Iommu:
    groups = tree.names("/sys/kernel/iommu_groups", r"[0-9]{1,6}")
    types = Counter(tree.text(f"/sys/kernel/iommu_groups/{group}/type") for group in groups)
    return Iommu(
        units=tree.names("/sys/class/iommu", r"[\w.:-]{1,40}"),
        groups=len(groups),
        types={kind: count for kind, count in sorted(types.items()) if kind},
    )
