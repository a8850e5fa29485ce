"""Which processes belong to a systemd unit, by its control group."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")


def processes(group: str, root: Path = ROOT) -> frozenset[int]:
    """Of the group and everything below it. `group`: systemd's ControlGroup; empty, or gone: no processes.

    A group may vanish while it is read: then what was read counts.
    """
    if not group.strip("/"):
        return frozenset()
    found: set[int] = set()
    for path in sorted((root / group.strip("/")).rglob("cgroup.procs")):
        try:
            found |= {int(pid) for pid in path.read_text(encoding="utf-8").split()}
        except FileNotFoundError:
            continue
    return frozenset(found)
