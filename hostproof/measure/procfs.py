"""What Linux says of its processors, memory and processes: pure parsers, and readers that open the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class CoreTime:
    """Ticks since boot of one core."""

    busy: int
    total: int


def parse_stat(text: str) -> dict[int, CoreTime]:
    """/proc/stat: core number → ticks. Idle and I/O wait are not busy; guest time is within user time."""
    cores = {}
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(field) for field in fields[:8]]
            total = sum(ticks)
            cores[int(name.removeprefix("cpu"))] = CoreTime(total - ticks[3] - ticks[4], total)
    return cores


def utilisation(before: Mapping[int, CoreTime], after: Mapping[int, CoreTime]) -> dict[int, float]:
    """Busy share 0..1 of each core that was there both times and whose clock moved."""
    return {
        core: min(1.0, max(0.0, (late.busy - before[core].busy) / (late.total - before[core].total)))
        for core, late in sorted(after.items())
        if core in before and late.total > before[core].total
    }


def read_cores(proc: Path = PROC) -> dict[int, CoreTime]:
    return parse_stat((proc / "stat").read_text(encoding="ascii"))


def kilobytes(text: str, key: str) -> int | None:
    """`key: N kB` of smaps_rollup, status or meminfo, in bytes."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return None


def proportional_bytes(pids: Iterable[int], proc: Path = PROC) -> int | None:
    """Sum of the processes' memory, a page shared by n counted as 1/n. None if none can be read."""
    found = []
    for pid in pids:
        try:
            text = (proc / str(pid) / "smaps_rollup").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is not ours to look at
        value = kilobytes(text, "Pss")
        found += [] if value is None else [value]
    return sum(found) if found else None


def descendants(root: int, parents: Mapping[int, int]) -> list[int]:
    """`root` and all below it; `parents` is child → parent."""
    found = [root]
    for pid in found:  # grows while we walk
        found += sorted(child for child, parent in parents.items() if parent == pid)
    return found


def read_parents(proc: Path = PROC) -> dict[int, int]:
    found = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(folder.name)] = int(
                text.rpartition(")")[2].split()[1]
            )  # a name may hold blanks and brackets
    return found


def cpu_model(cpuinfo: str) -> str:
    """The first `model name` of /proc/cpuinfo; empty where the architecture has none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""


def mean_per_core(samples: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Mean utilisation of each core over several runs."""
    cores = sorted({core for sample in samples for core in sample})
    by_core = {core: [sample[core] for sample in samples if core in sample] for core in cores}
    return {core: sum(values) / len(values) for core, values in by_core.items()}
