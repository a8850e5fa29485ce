"""The drop-in files that hold what must outlive a boot: one a family, wholly ours, read by what the OS has.

Pure: where each file lies, what stands in it for given lines, what must run after it changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HEADER: Final = (
    "Written by hostproof (module knobs). Do not edit: a change by hand is reported as foreign and kept.",
    "Why each value is here: ./inv plan --host HOST. Taken back by: ./inv undo --host HOST",
    "By hand: remove this file{then}. What stood here before: /var/lib/hostproof/journal.jsonl",
)


@dataclass(frozen=True)
class Family:
    """One drop-in file."""

    name: str
    path: str
    folders: tuple[str, ...]
    """Where its reader looks, the folder that wins first: a file hides those of its name further down."""
    suffix: str
    section: str = ""
    """systemd: the section that the lines stand in."""
    activate: tuple[str, ...] = ()
    """What must run after a change; it may run any number of times."""
    optional: bool = False
    """Whether a host without that program has nothing to run."""
    needs: str = ""
    """What a change waits for, beyond `activate`."""

    def render(self, lines: Iterable[str]) -> bytes:
        """The file's bytes. The same lines give the same bytes."""
        then = f", then run {' '.join(self.activate)}" if self.activate else ""
        head = [f"# {line.format(then=then)}" for line in HEADER]
        section = [f"[{self.section}]"] if self.section else []
        return "\n".join([*head, *section, *lines, ""]).encode()


def _systemd(name: str) -> tuple[str, ...]:
    return tuple(f"{folder}/systemd/{name}.conf.d" for folder in _ROOTS)


_ROOTS = ("/etc", "/run", "/usr/local/lib", "/usr/lib")

SYSCTL: Final = Family(
    "sysctl",
    "/etc/sysctl.d/99-hostproof.conf",
    tuple(f"{folder}/sysctl.d" for folder in (*_ROOTS, "/lib")),
    ".conf",
)
TMPFILES: Final = Family(
    "tmpfiles", "/etc/tmpfiles.d/hostproof.conf", tuple(f"{folder}/tmpfiles.d" for folder in _ROOTS), ".conf"
)
GRUB: Final = Family(
    "grub",
    "/etc/default/grub.d/99-hostproof.cfg",
    ("/etc/default/grub.d",),
    ".cfg",
    activate=("update-grub",),
    needs="a reboot",
)
MODPROBE: Final = Family(
    "modprobe",
    "/etc/modprobe.d/hostproof.conf",
    tuple(f"{folder}/modprobe.d" for folder in (*_ROOTS, "/lib")),
    ".conf",
    # The initial RAM disk has a copy of modprobe.d of its own.
    activate=("update-initramfs", "-u"),
    optional=True,
    needs="loading the module anew, or a reboot",
)
SYSTEM: Final = Family(
    "system",
    "/etc/systemd/system.conf.d/99-hostproof.conf",
    _systemd("system"),
    ".conf",
    section="Manager",
    activate=("systemctl", "daemon-reexec"),
    optional=True,
    needs="a restart of the services that are to have it",
)
USER: Final = Family(
    "user",
    "/etc/systemd/user.conf.d/99-hostproof.conf",
    _systemd("user"),
    ".conf",
    section="Manager",
    needs="a new login of the user",
)
LIMITS: Final = Family(
    "limits",
    "/etc/security/limits.d/99-hostproof.conf",
    ("/etc/security/limits.d",),
    ".conf",
    needs="a new login of the user",
)
_RELOAD = ("systemctl", "daemon-reload")
DRIVER_SOURCE: Final = Family(
    "driver-source",
    "/etc/apt/sources.list.d/hostproof-nvidia.sources",
    ("/etc/apt/sources.list.d",),
    ".sources",
)
DRIVER_PINS: Final = Family(
    "driver-pins", "/etc/apt/preferences.d/hostproof-nvidia", ("/etc/apt/preferences.d",), ""
)
UNATTENDED: Final = Family(
    "unattended", "/etc/apt/apt.conf.d/52hostproof-nvidia", ("/etc/apt/apt.conf.d",), ""
)
PERSISTENCED: Final = Family(
    "persistenced",
    "/etc/systemd/system/nvidia-persistenced.service.d/50-hostproof.conf",
    tuple(f"{folder}/systemd/system/nvidia-persistenced.service.d" for folder in _ROOTS),
    ".conf",
    activate=_RELOAD,
    optional=True,
)
BOOT_UNITS: Final = Family(
    "boot-units",
    "/etc/systemd/system/multi-user.target.d/50-hostproof.conf",
    tuple(f"{folder}/systemd/system/multi-user.target.d" for folder in _ROOTS),
    ".conf",
    section="Unit",
    activate=_RELOAD,
    optional=True,
)
GPU_UNIT: Final = Family(
    "gpu-unit",
    "/etc/systemd/system/hostproof-gpu@.service",
    ("/etc/systemd/system",),
    ".service",
    activate=_RELOAD,
    optional=True,
)
IRQBALANCE: Final = Family(
    "irqbalance",
    "/etc/systemd/system/irqbalance.service.d/50-hostproof.conf",
    tuple(f"{folder}/systemd/system/irqbalance.service.d" for folder in _ROOTS),
    ".conf",
    section="Service",
    # Restarted, so that it goes by the new list at once; one that stands still stays so.
    activate=(
        *("sh", "-c"),
        "systemctl daemon-reload && { ! systemctl --quiet is-active irqbalance.service || systemctl restart irqbalance.service; }",
    ),
    optional=True,
)
GPU_SETTINGS: Final = Family("gpu-settings", "/etc/hostproof/gpu.conf", ("/etc/hostproof",), ".conf")
FAMILIES: Final[Sequence[Family]] = (
    *(SYSCTL, TMPFILES, GRUB, MODPROBE, SYSTEM, USER, LIMITS, IRQBALANCE),
    *(DRIVER_SOURCE, DRIVER_PINS, UNATTENDED, PERSISTENCED, BOOT_UNITS, GPU_UNIT, GPU_SETTINGS),
)


def by_path(path: str) -> Family:
    """The family whose file this is. Raises KeyError."""
    return {family.path: family for family in FAMILIES}[path]
