"""From ticks to what a reader wants to know of each run: load, clocks, pressure, energy, and whether a neighbour took part. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hostproof.measure.ticks import TICKS_PER_SECOND, Tick

NEIGHBOUR_SHARE = 0.05
"""Of the machine's processors: the rest of a quiet host takes less than a fifth of it (seen: below 1 %)."""
WAITED_SHARE = 0.10
"""Of the run: nobody is slowed down by a neighbour as long as nobody waits for a processor."""
MEMORY_WAITED_SHARE = 0.05
UNDER_LOAD = 0.5
"""A core busier than this shows the clock under load; an idle one shows nothing."""
MOST_POINTS = 240
"""Of a series in a Result: as many as a plot has room for."""

THROTTLES: Mapping[int, str] = {
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clock",
}
"""nvml.h, nvmlClocksEventReason*; 0x1, idle, says nothing under load."""

Window = tuple[float, float]


@dataclass(frozen=True)
class Seen:
    """Between two looks. Cores: processor seconds a second. None: this host does not tell."""

    seconds: float
    busy_cores: float
    cores: int
    server_cores: float | None = None
    others_cores: float | None = None
    """Everything but the server and the instrument, and what a hypervisor gave to somebody else."""
    steal_cores: float = 0.0
    waited: Mapping[str, float] = field(default_factory=dict)
    """`cpu`, `memory`, `io`: share of the time in which somebody waited for it (PSI, `some`)."""
    mhz: float | None = None
    """Mean over cores that were busy."""
    swapped_in: int = 0
    """Pages."""
    cpu_joules: float | None = None
    gpu_joules: float | None = None
    gpu_mhz: float | None = None
    """The slowest GPU's mean."""
    celsius: float | None = None
    throttles: tuple[str, ...] = ()

    @property
    def joules(self) -> float | None:
        known = [value for value in (self.cpu_joules, self.gpu_joules) if value is not None]
        return sum(known) if known else None

    @property
    def contended(self) -> str:
        """Why the figures of this time are a busy machine's; empty if they are the server's own."""
        if self.waited.get("memory", 0.0) > MEMORY_WAITED_SHARE:
            return f"memory was short: somebody waited for it {self.waited['memory']:.0%} of the time"
        others = self.others_cores
        if others is None or others <= NEIGHBOUR_SHARE * self.cores:
            return ""
        waited = self.waited.get("cpu")
        if waited is None:  # then a full machine is the only sign
            waited = 1.0 if self.busy_cores > (1 - NEIGHBOUR_SHARE) * self.cores else 0.0
        if waited <= WAITED_SHARE:
            return ""
        stolen = (
            f", {self.steal_cores:.2f} of them stolen by the hypervisor" if self.steal_cores >= 0.01 else ""
        )
        return (
            f"others took {others:.2f} of {self.cores} cores{stolen}, "
            f"and somebody waited for a core {waited:.0%} of the time"
        )


def during(ticks: Sequence[Tick], window: Window) -> Seen | None:
    """What was seen from the last look before `window` to the first after it; None if nobody looked then."""
    times = [tick.at for tick in ticks]
    first = max(0, bisect_right(times, window[0]) - 1)
    last = min(len(ticks) - 1, bisect_left(times, window[1]))
    return between(ticks[first : last + 1]) if last > first else None


def between(ticks: Sequence[Tick]) -> Seen:
    """Over two or more looks."""
    before, after = ticks[0], ticks[-1]
    seconds = after.at - before.at
    cores = len(after.busy)
    busy = _cores(sum(after.busy) - sum(before.busy), seconds)
    steal = _cores(after.steal - before.steal, seconds)
    server = (
        None
        if after.server is None or before.server is None
        else _cores(after.server - before.server, seconds)
    )
    ours = _cores(after.instrument - before.instrument, seconds)
    return Seen(
        seconds=seconds,
        busy_cores=busy,
        cores=cores,
        server_cores=server,
        others_cores=None if server is None else max(0.0, busy - server - ours),
        steal_cores=steal,
        waited={
            name: min(1.0, (value - before.psi[name]) / 1e6 / seconds)
            for name, value in after.psi.items()
            if name in before.psi
        },
        mhz=_clock(ticks),
        swapped_in=after.swapped_in - before.swapped_in,
        cpu_joules=None if after.rapl is None or before.rapl is None else after.rapl - before.rapl,
        **_gpus(ticks),
    )


def _cores(ticks: int, seconds: float) -> float:
    return ticks / TICKS_PER_SECOND / seconds


def _clock(ticks: Sequence[Tick]) -> float | None:
    readings = [
        mhz
        for before, after in pairwise(ticks)
        for core, mhz in enumerate(after.mhz)
        if core < len(after.busy) and _share(before, after, core) > UNDER_LOAD
    ]
    return sum(readings) / len(readings) if readings else None


def _share(before: Tick, after: Tick, core: int) -> float:
    total = after.total[core] - before.total[core]
    return min(1.0, max(0.0, (after.busy[core] - before.busy[core]) / total)) if total > 0 else 0.0


def _gpus(ticks: Sequence[Tick]) -> dict[str, Any]:
    before, after = ticks[0].gpus, ticks[-1].gpus
    if not after:
        return {}
    joules = [
        late["energy_joules"] - early["energy_joules"]
        for early, late in zip(before, after, strict=False)
        if "energy_joules" in early and "energy_joules" in late
    ]
    clocks = [
        [tick.gpus[number]["graphics_mhz"] for tick in ticks if _told(tick, number, "graphics_mhz")]
        for number in range(len(after))
    ]
    heat = [told["celsius"] for tick in ticks for told in tick.gpus if "celsius" in told]
    mask = 0
    for tick in ticks:
        for told in tick.gpus:
            mask |= int(told.get("throttle", 0))
    return {
        "gpu_joules": sum(joules) if joules else None,
        "gpu_mhz": min((sum(told) / len(told) for told in clocks if told), default=None),
        "celsius": max(heat, default=None),
        "throttles": tuple(name for bit, name in THROTTLES.items() if mask & bit),
    }


def _told(tick: Tick, number: int, name: str) -> bool:
    return number < len(tick.gpus) and name in tick.gpus[number]


def summary(seen: Seen, window: Window, origin: float) -> dict[str, Any]:
    """Of one run, for a Result: what this host tells, with the unit in the name."""
    told = {
        "begun_seconds": window[0] - origin,
        "seconds": window[1] - window[0],
        "busy_cores": seen.busy_cores,
        "server_cores": seen.server_cores,
        "others_cores": seen.others_cores,
        "steal_cores": seen.steal_cores,
        **{f"waited_{name}": share for name, share in seen.waited.items()},
        "mhz": seen.mhz,
        "swapped_in_pages": seen.swapped_in,
        "cpu_joules": seen.cpu_joules,
        "gpu_joules": seen.gpu_joules,
        "gpu_mhz": seen.gpu_mhz,
        "celsius": seen.celsius,
    }
    rounded = {name: round(value, 4) for name, value in told.items() if value is not None}
    return rounded | {"throttles": list(seen.throttles), "contended": seen.contended}


def series(ticks: Sequence[Tick], origin: float, most: int = MOST_POINTS) -> dict[str, list[float | None]]:
    """For plots: `seconds` since `origin` at the end of each piece, and what was seen in it."""
    pieces = list(_pieces(ticks, most))
    seen = [between(piece) for piece in pieces]
    rows: dict[str, list[float | None]] = {
        "seconds": [round(piece[-1].at - origin, 2) for piece in pieces],
        "busy_cores": [round(one.busy_cores, 3) for one in seen],
        "server_cores": [_rounded(one.server_cores, 3) for one in seen],
        "others_cores": [_rounded(one.others_cores, 3) for one in seen],
        "waited_cpu": [_rounded(one.waited.get("cpu"), 4) for one in seen],
        "mhz": [_rounded(one.mhz, 0) for one in seen],
        "available_bytes": [piece[-1].memory.get("available") for piece in pieces],
        "cpu_watts": [_rounded(_watts(one.cpu_joules, one), 1) for one in seen],
        "gpu_watts": [_rounded(_watts(one.gpu_joules, one), 1) for one in seen],
        "gpu_mhz": [_rounded(one.gpu_mhz, 0) for one in seen],
        "celsius": [_rounded(one.celsius, 0) for one in seen],
    }
    return {name: row for name, row in rows.items() if any(value is not None for value in row)}


def heat(ticks: Sequence[Tick], most: int = MOST_POINTS) -> list[list[int]]:
    """For each core, in the order of /proc/stat, its load in percent in each piece of `series`."""
    pieces = list(_pieces(ticks, most))
    cores = range(len(ticks[-1].busy)) if pieces else range(0)
    return [[round(100 * _share(piece[0], piece[-1], core)) for piece in pieces] for core in cores]


def _pieces(ticks: Sequence[Tick], most: int) -> Iterator[Sequence[Tick]]:
    steps = len(ticks) - 1
    if steps < 1:
        return
    count = min(most, steps)
    edges = [round(number * steps / count) for number in range(count + 1)]
    for first, last in pairwise(edges):
        yield ticks[first : last + 1]


def _watts(joules: float | None, seen: Seen) -> float | None:
    return None if joules is None else joules / seen.seconds


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
