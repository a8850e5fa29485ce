"""Hosts that were measured alike, side by side: their order, as far as the intervals tell it, and which of them is unlike the others. Pure.

A host is an outlier if it lies further from the median of all hosts than chance would put any of them. Distances are in units of the
median absolute deviation (MAD, × 1.4826: a normal distribution's standard deviation), which one bad host cannot widen. The usual limit of
3.5 (Iglewicz and Hoaglin 1993) is for large samples: of 5 hosts that are alike it blames one in 21 of 100 fleets. `LIMITS` are from a
simulation instead (docs/reports.md): of hosts that are alike, one is blamed in 1 of 100 fleets. The unit is never smaller than what the
hosts' own intervals leave open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from hostproof.judge import contended
from hostproof.judge.comparison import unlike
from hostproof.judge.direction import better
from hostproof.judge.statistics import Interval, median_interval
from hostproof.judge.viability import decoding, waiting
from hostproof.measure.result import Measurement, Result

FEWEST_HOSTS = 4
"""Of three, two that happen to agree would blame the third whatever it does: its limit would be 114."""
LIMITS: Mapping[int, float] = {
    4: 16.3, 5: 18.8, 6: 10.2, 7: 10.8, 8: 7.9, 9: 8.2, 10: 7.1, 12: 6.3, 14: 6.0, 16: 5.6, 20: 5.2, 25: 5.0, 30: 4.8, 40: 4.5, 60: 4.4,
}  # fmt: skip
"""Hosts → distance in MADs that the furthest of so many alike ones passes once in 100 fleets; between two rows the earlier one holds."""
NORMAL = 1.4826
HALF_WIDTHS = 1.96
"""Standard errors from the middle of a 95 % interval to its end."""


@dataclass(frozen=True)
class Place:
    """One host. `first` and `last`: its ranks, as far as the intervals tell them (1 is the best); None: it has no interval."""

    host: str
    metric: str
    cell: str
    found: Interval
    first: int | None = None
    last: int | None = None
    contended: bool = False


@dataclass(frozen=True)
class Outlier:
    """`distance` from the median of all hosts in MADs, where `limit` is what chance gives."""

    host: str
    metric: str
    value: float
    middle: float
    distance: float
    limit: float

    @property
    def good(self) -> bool:
        return (self.value > self.middle) == (better(self.metric) == "higher")


@dataclass(frozen=True)
class Group:
    """The hosts on which one setup, model and workload was measured."""

    setup: str
    model: str
    workload: str
    speed: tuple[Place, ...]
    """By TG, the best first."""
    wait: tuple[Place, ...]
    """By TTFT, the best first."""
    outliers: tuple[Outlier, ...]
    too_few: str = ""
    """Why nobody can be called an outlier; empty: one could."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Hosts that were measured otherwise, and how."""


def groups(results: Iterable[Result]) -> Iterator[Group]:
    """Only where at least two hosts have a Result of one kind."""
    kinds: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        workload = f"{result.workload.get('name')}/{result.workload.get('version')}"
        kinds.setdefault((result.setup.name, result.setup.model, workload), []).append(result)
    for (setup, model, workload), found in kinds.items():
        others = [(result, list(unlike(found[0], result))) for result in found]
        alike = [result for result, why in others if not why]
        if len(found) > 1:
            speed, wait = (_order(alike, of) for of in (decoding, waiting))
            outliers = (*_outliers(speed), *_outliers(wait))
            left_out = tuple((result.host, "; ".join(why)) for result, why in others if why)
            yield Group(setup, model, workload, speed, wait, outliers, _too_few(speed, wait), left_out)


def _too_few(*orders: Sequence[Place]) -> str:
    """Hosts beside a neighbour do not count."""
    hosts = max(sum(not place.contended for place in order) for order in orders)
    if hosts >= FEWEST_HOSTS:
        return ""
    every = max(len(order) for order in orders)
    quiet = f" that ran undisturbed, of {every}" if hosts < every else ""
    return f"{hosts} hosts{quiet}: with fewer than {FEWEST_HOSTS} nobody can say which of them is the odd one"


def _order(results: Sequence[Result], of: Callable[[Result], Measurement | None]) -> tuple[Place, ...]:
    found: list[Place] = []
    for result in results:
        measured = of(result)
        if measured is not None:
            interval = median_interval(measured.samples)
            busy = measured.cell in contended.reasons(result)
            found.append(Place(result.host, measured.metric, measured.cell, interval, contended=busy))
    return ranked(found)


def ranked(places: Sequence[Place]) -> tuple[Place, ...]:
    """The best median first. A host is surely behind another only if its whole interval is."""
    if not places:
        return ()
    sign = -1.0 if better(places[0].metric) == "higher" else 1.0
    ordered = sorted(places, key=lambda place: (sign * place.found.value, place.host))
    return tuple(_with_ranks(place, ordered, sign) for place in ordered)


def _with_ranks(place: Place, every: Sequence[Place], sign: float) -> Place:
    mine = _ends(place.found, sign)
    others = [_ends(each.found, sign) for each in every if each is not place]
    if mine is None or None in others:
        return place
    ahead = sum(other[1] < mine[0] for other in others if other)
    behind = sum(other[0] > mine[1] for other in others if other)
    return replace(place, first=ahead + 1, last=len(every) - behind)


def _ends(found: Interval, sign: float) -> tuple[float, float] | None:
    """The better end first."""
    if found.low is None or found.high is None:
        return None
    low, high = sorted((sign * found.low, sign * found.high))
    return low, high


def _outliers(places: Sequence[Place]) -> Iterator[Outlier]:
    """Runs beside a neighbour say nothing of a host, so it neither counts nor is blamed."""
    counted = [place for place in places if not place.contended]
    if len(counted) < FEWEST_HOSTS:
        return
    values = [place.found.value for place in counted]
    middle = median(values)
    unit = max(NORMAL * median(abs(value - middle) for value in values), _left_open(counted))
    limit = LIMITS[max(hosts for hosts in LIMITS if hosts <= len(counted))]
    for place in counted:
        distance = abs(place.found.value - middle) / unit if unit else 0.0
        if distance > limit:
            yield Outlier(place.host, place.metric, place.found.value, middle, distance, limit)


def _left_open(places: Sequence[Place]) -> float:
    """The standard error that a host's own runs leave, of the middle host."""
    errors = [
        (place.found.high - place.found.low) / 2 / HALF_WIDTHS
        for place in places
        if place.found.low is not None and place.found.high is not None
    ]
    return median(errors) if errors else 0.0
