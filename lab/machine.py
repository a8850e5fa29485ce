"""What this machine offers to a lab host: looked at, never assumed."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hostproof.errors import HostproofError

CAP_SYS_RESOURCE: Final = 24
ENOUGH_FILES: Final = 1_048_576
ENOUGH_PROCESSES: Final = 20_000
"""Plenty for one host. conmon, which podman starts containers with, lowers its own to 32768."""


@dataclass(frozen=True)
class Limits:
    """What a host gets where hard limits cannot be raised; podman asks for more unless told otherwise."""

    nofile: int
    nproc: int

    def ulimits(self) -> tuple[str, ...]:
        return (f"nofile={self.nofile}:{self.nofile}", f"nproc={self.nproc}:{self.nproc}")


@dataclass(frozen=True)
class Machine:
    """`unified` is where the cgroup v2 tree is mounted; `limits` is None where podman may raise them."""

    root: bool
    cgroups: Literal["v2", "hybrid"]
    unified: str
    limits: Limits | None

    @property
    def as_root(self) -> tuple[str, ...]:
        """What goes before a command that must run as root."""
        return () if self.root else ("sudo", "-n")

    @property
    def runtime(self) -> str:
        """crun refuses hybrid cgroups and limits that it cannot raise; empty: podman's own choice."""
        return "runc" if self.cgroups == "hybrid" or self.limits else ""


def look() -> Machine:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    root = os.geteuid() == 0
    cgroups, unified = parse_cgroups(mounts)
    hard = Limits(
        nofile=_at_most(ENOUGH_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        nproc=_at_most(ENOUGH_PROCESSES, resource.getrlimit(resource.RLIMIT_NPROC)[1]),
    )
    return Machine(root, cgroups, unified, None if can_raise_limits(status, root=root) else hard)


def parse_cgroups(mounts: str) -> tuple[Literal["v2", "hybrid"], str]:
    """From /proc/self/mounts. With v1 alone, systemd 256 and newer does not start at all."""
    rows = [line.split() for line in mounts.splitlines()]
    trees = [row[1] for row in rows if len(row) > 2 and row[2] == "cgroup2"]
    if not trees:
        raise HostproofError(
            "no cgroup v2 tree is mounted; a lab host's systemd needs one",
            where="/proc/self/mounts",
            mend="Boot with systemd.unified_cgroup_hierarchy=1, or mount one: "
            "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified",
        )
    if any(row[2] == "cgroup" for row in rows if len(row) > 2):
        return "hybrid", trees[0]
    return "v2", trees[0]


def can_raise_limits(status: str, *, root: bool) -> bool:
    """From /proc/self/status: root has its effective capabilities, sudo gives the bounding set."""
    wanted = "CapEff:" if root else "CapBnd:"
    found = next(line.split()[1] for line in status.splitlines() if line.startswith(wanted))
    return bool(int(found, 16) >> CAP_SYS_RESOURCE & 1)


def _at_most(enough: int, limit: int) -> int:
    return enough if limit == resource.RLIM_INFINITY else min(enough, limit)
