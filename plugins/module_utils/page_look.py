"""Looks at servers and pools for `page_evidence`: smaps_rollup, numa_maps and status of each server's largest process, free pages of pools.

Reads only. A second for tens of gigabytes in small pages (docs/tuning.md has what was measured), nothing where no server runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import page_evidence
from .kinds import pool as pools
from .page_evidence import Expected, Finding, Pool, Seen

SLICES: Final = ("sys/fs/cgroup/system.slice", "sys/fs/cgroup/unified/system.slice")
"""The second: where the version 2 tree lies beside version 1."""


@dataclass(frozen=True)
class Looked:
    """What servers do with what was set for them."""

    seen: Mapping[str, Seen]
    """By server; one that does not run is left out."""
    findings: tuple[Finding, ...]

    @property
    def evidence(self) -> Mapping[str, str]:
        """`kind:key` of knobs that nobody uses, with the proof."""
        return {knob: finding.text for finding in self.findings for knob in finding.knobs}

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for a person, without a full stop where they end with a question mark."""
        return tuple(f"{finding}.".replace("?.", "?") for finding in self.findings)


def look(
    root: Path,
    placements: Mapping[str, Mapping[str, Any]],
    servers: Iterable[Mapping[str, Any]],
    pool_keys: Iterable[str],
) -> Looked:
    """`servers` are entries of `tuning_servers`, of which name and memory_bytes count; `pool_keys` such as `node0/2048kB`."""
    sizes = {str(one.get("name", "")): int(one.get("memory_bytes") or 0) for one in servers}
    wanted = [
        page_evidence.expected(name, placement, sizes.get(name, 0)) for name, placement in placements.items()
    ]
    there = [_pool(root, key) for key in pool_keys]
    seen = {one.server: found for one in wanted if (found := _server(root, one))}
    findings = page_evidence.idle(there)
    for one in wanted:
        if one.server in seen:
            findings += page_evidence.judge(one, seen[one.server], [pool.name for pool in there])
    return Looked(seen, tuple(findings))


def _server(root: Path, wanted: Expected) -> Seen | None:
    """The largest process of the unit; None if it has none."""
    found = [(page_evidence.rollup(text), folder) for folder, text in _processes(root, wanted.unit)]
    if not found:
        return None
    (resident, transparent, pooled), folder = max(found, key=lambda one: one[0][0] + one[0][2])
    # numa_maps counts every page anew, so only where it says something.
    maps = _read(folder / "numa_maps") if wanted.policy else ""
    cpus = page_evidence.allowed(_read(folder / "status"))
    return Seen(resident, transparent, pooled, cpus, page_evidence.by_node(maps))


def _processes(root: Path, unit: str) -> Iterator[tuple[Path, str]]:
    """Of the unit's control group and all below it: the folder in /proc, and its smaps_rollup."""
    for slices in SLICES:
        for file in sorted((root / slices / unit).glob("**/cgroup.procs")):
            for pid in _read(file).split():
                folder = root / "proc" / pid
                if text := _read(folder / "smaps_rollup"):
                    yield folder, text


def _pool(root: Path, key: str) -> Pool:
    folder = (root / pools.path_of(key).lstrip("/")).parent
    # A node's folder has no resv_hugepages: a reservation is not tied to a node.
    counts = {name: int(_read(folder / f"{name}_hugepages") or 0) for name in ("nr", "free", "resv")}
    return Pool(f"pool:{key}", counts["nr"], counts["free"], counts["resv"])


def _read(path: Path) -> str:
    """Empty for what is not there: processes come and go."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return ""
