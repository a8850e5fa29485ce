"""What one look at a host tells while a server is under load: counters since boot, and readings of the moment.

`parse_*` are pure; `Looker` opens the files. A counter that a host does not have is left out, and `missing` says so once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hostproof.measure import gpu, procfs
from hostproof.measure.procfs import PROC
from hostproof.measure.unit import Unit

SYS = Path("/sys")
TICKS_PER_SECOND = 100
"""USER_HZ, the same on every Linux that people run: the unit of /proc/stat."""
PIDS_SECONDS = 2.0
"""How often the unit is asked for its processes: a server has its own from its start on."""
PSI = ("cpu", "memory", "io")
MEMORY = {
    "available": "MemAvailable",
    "swap_free": "SwapFree",
    "anon_huge": "AnonHugePages",
    "huge_free": "HugePages_Free",
}
"""Name here → line of /proc/meminfo; bytes, but pages for `huge_free`."""


@dataclass(frozen=True)
class Tick:
    """One look. Counters: ticks (USER_HZ) of cores and processes, microseconds (`psi`), joules, pages swapped in."""

    at: float
    """time.monotonic(), the clock that requests are timed by."""
    busy: tuple[int, ...]
    """Of each core, in the order of /proc/stat; stolen time is busy: somebody else had the core."""
    total: tuple[int, ...]
    steal: int
    """All cores together."""
    server: int | None
    """The unit's processes; None if they are not known."""
    instrument: int
    """The process that measures, and the one that looks."""
    psi: Mapping[str, int] = field(default_factory=dict)
    mhz: tuple[int, ...] = ()
    """Of each core; empty where the kernel does not tell."""
    memory: Mapping[str, int] = field(default_factory=dict)
    swapped_in: int = 0
    rapl: float | None = None
    """Joules of all packages since the first look."""
    gpus: tuple[Mapping[str, float], ...] = ()


def to_json(tick: Tick) -> dict[str, Any]:
    return asdict(tick)


def from_json(raw: Mapping[str, Any]) -> Tick:
    lists = {key: tuple(raw[key]) for key in ("busy", "total", "mhz", "gpus")}
    return Tick(**{**raw, **lists})


def parse_steal(stat: str) -> int:
    """Ticks that a hypervisor gave to somebody else, of all cores; 0 on bare metal."""
    fields = next((line.split() for line in stat.splitlines() if line.startswith("cpu ")), [])
    return int(fields[8]) if len(fields) > 8 else 0


def parse_pressure(text: str) -> int | None:
    """Microseconds in which at least one task waited (`some`, `total=`)."""
    found = re.search(r"^some .*\btotal=(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None


def parse_process(text: str) -> int:
    """/proc/PID/stat: ticks in user and system mode, of all its threads."""
    fields = text.rpartition(")")[2].split()  # a name may hold blanks and brackets
    return int(fields[11]) + int(fields[12])


def parse_mhz(cpuinfo: str) -> tuple[int, ...]:
    return tuple(round(float(value)) for value in re.findall(r"^cpu MHz\s*: ([\d.]+)", cpuinfo, re.MULTILINE))


def parse_memory(meminfo: str) -> dict[str, int]:
    found = {}
    for name, key in MEMORY.items():
        value = re.search(rf"^{key}:\s+(\d+)( kB)?", meminfo, re.MULTILINE)
        if value:
            found[name] = int(value[1]) * (1024 if value[2] else 1)
    return found


def parse_swapped_in(vmstat: str) -> int:
    found = re.search(r"^pswpin (\d+)", vmstat, re.MULTILINE)
    return int(found[1]) if found else 0


class Energy:
    """Counters that start again at zero, added up. Raises OSError at the start if one cannot be read."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._ranges = {file: int((file.parent / "max_energy_range_uj").read_text()) for file in files}
        self._last = {file: int(file.read_text()) for file in self._ranges}
        self._joules = 0.0

    def read(self) -> float:
        """Joules since the start."""
        for file, limit in self._ranges.items():
            value = int(file.read_text())
            self._joules += ((value - self._last[file]) % (limit + 1)) / 1e6
            self._last[file] = value
        return self._joules


def energy(sys: Path = SYS) -> Energy | None:
    """RAPL's packages (AMD's too have the name intel-rapl), None where there are none. Raises OSError if not root."""
    files = [f / "energy_uj" for f in sorted((sys / "class/powercap").glob("intel-rapl:*")) if _is_package(f)]
    return Energy(files) if files else None


def _is_package(folder: Path) -> bool:
    return (folder / "name").is_file() and (folder / "name").read_text().startswith("package")


class Processes:
    """CPU time of processes that come and go: what one used before it ended stays counted."""

    def __init__(self, pids: Callable[[], Iterable[int]], proc: Path = PROC) -> None:
        self._pids = pids
        self._proc = proc
        self._known: tuple[int, ...] = ()
        self._asked = float("-inf")
        self._last: dict[int, int] = {}
        self._sum = 0

    def read(self, now: float) -> int:
        """Ticks since the first look."""
        if now - self._asked >= PIDS_SECONDS:
            self._known, self._asked = tuple(self._pids()), now
        for pid in self._known:
            try:
                ticks = parse_process((self._proc / str(pid) / "stat").read_text(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended; what it used is counted
            self._sum += ticks - self._last.get(pid, ticks)
            self._last[pid] = ticks
        return self._sum


class Looker:
    """Reads everything there is, and finds out once what there is not."""

    def __init__(self, unit: Unit, instrument: Iterable[int], proc: Path = PROC, sys: Path = SYS) -> None:
        self._proc = proc
        self.missing: list[str] = []
        mine = tuple(instrument)
        self._server = None if unit.problem else Processes(unit.pids, proc)
        self._instrument = Processes(lambda: mine, proc)
        if unit.problem:
            self.missing.append(f"the server's own CPU time: {unit.problem}")
        self._psi = [name for name in PSI if self._has_pressure(name)]
        self._mhz = sorted(
            (sys / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"),
            key=lambda file: int(file.parts[-3].removeprefix("cpu")),
        )
        self._rapl = self._energy(sys)
        self._gpus = gpu.find(self._proc / "driver/nvidia/version")
        if self._gpus.problem:
            self.missing.append(self._gpus.problem)

    def _has_pressure(self, name: str) -> bool:
        try:
            told = parse_pressure((self._proc / "pressure" / name).read_text()) is not None
        except OSError:
            told = False
        if not told:
            self.missing.append(f"/proc/pressure/{name}: this kernel does not count it")
        return told

    def _energy(self, sys: Path) -> Energy | None:
        try:
            found = energy(sys)
        except OSError as error:
            self.missing.append(f"the CPU's energy: {error.filename}: {error.strerror}")
            return None
        if found is None:
            self.missing.append("the CPU's energy: no RAPL in /sys/class/powercap")
        return found

    def look(self) -> Tick:
        """Raises OSError if /proc itself cannot be read."""
        now = time.monotonic()
        stat = (self._proc / "stat").read_text(encoding="ascii")
        cores = procfs.parse_stat(stat)
        return Tick(
            at=now,
            busy=tuple(core.busy for core in cores.values()),
            total=tuple(core.total for core in cores.values()),
            steal=parse_steal(stat),
            server=self._server.read(now) if self._server else None,
            instrument=self._instrument.read(now),
            psi={name: self._pressure(name) for name in self._psi},
            mhz=self._clocks(),
            memory=parse_memory((self._proc / "meminfo").read_text(encoding="ascii")),
            swapped_in=parse_swapped_in((self._proc / "vmstat").read_text(encoding="ascii")),
            rapl=self._rapl.read() if self._rapl else None,
            gpus=self._gpus.readings(),
        )

    def _pressure(self, name: str) -> int:
        return parse_pressure((self._proc / "pressure" / name).read_text()) or 0

    def _clocks(self) -> tuple[int, ...]:
        if self._mhz:
            return tuple(int(file.read_text()) // 1000 for file in self._mhz)
        return parse_mhz((self._proc / "cpuinfo").read_text(encoding="utf-8", errors="replace"))
