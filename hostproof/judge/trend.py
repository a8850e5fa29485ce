"""A host over its runs: each speed as a series, and the runs where it changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hostproof.exits import ExitStatus
from hostproof.judge import statistics
from hostproof.judge.changes import Change, changes, fewest
from hostproof.judge.comparison import PRIMARY, circumstances
from hostproof.judge.direction import better
from hostproof.judge.statistics import Interval
from hostproof.measure.result import Result

LEVEL = 0.05
"""Chance that a host which never changed is said to have, over all its series together."""


@dataclass(frozen=True)
class Point:
    """One run's median in the metric's unit, with its 95 % interval."""

    run: str
    started: str
    interval: Interval
    runs: int


@dataclass(frozen=True)
class Series:
    """One metric of one cell of one setup; only Results of one model and one workload are in it."""

    setup: str
    model: str
    workload: str
    cell: str
    metric: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]
    around: tuple[tuple[tuple[str, str, str], ...], ...]
    """For each change, what differs between the run before it and the run at it."""

    def is_worse(self, change: Change) -> bool:
        return (change.after > change.before) != (better(self.metric) == "higher")


def series(found: Sequence[tuple[str, Result]]) -> tuple[Series, ...]:
    """`found`: run id and Result, oldest first."""
    keyed: dict[tuple[str, ...], list[tuple[str, Result]]] = {}
    for run, result in found:
        workload = f"{result.workload.get('name')}/{result.workload.get('version')}"
        for measured in result.measurements:
            if measured.metric in PRIMARY and measured.samples and measured.over == "runs":
                key = (result.setup.name, result.setup.model, workload, measured.cell, measured.metric)
                keyed.setdefault(key, []).append((run, result))
    level = LEVEL / max(1, len(keyed))
    return tuple(_series(key, members, level) for key, members in keyed.items())


def fewest_runs(found: Sequence[Series]) -> int:
    """From which on a change can show, as the chance of a false alarm is shared among so many series."""
    return fewest(LEVEL / max(1, len(found)))


def _series(key: tuple[str, ...], members: Sequence[tuple[str, Result]], level: float) -> Series:
    setup, model, workload, cell, metric = key
    points = tuple(_points(members, cell, metric))
    steps = changes([point.interval.value for point in points], level)
    around = tuple(tuple(circumstances(members[step.index - 1][1], members[step.index][1])) for step in steps)
    return Series(setup, model, workload, cell, metric, points, steps, around)


def _points(members: Sequence[tuple[str, Result]], cell: str, metric: str) -> Iterator[Point]:
    for run, result in members:
        measured = result.find(cell, metric)
        assert measured is not None  # or it would not be a member
        interval = statistics.median_interval(measured.samples)
        yield Point(run, result.started, interval, len(measured.samples))


def exit_status(found: Sequence[Series]) -> ExitStatus:
    """No: the last change of some series was for the worse. Inconclusive: no series is long enough to search."""
    if any(each.changes and each.is_worse(each.changes[-1]) for each in found):
        return ExitStatus.NO
    enough = any(len(each.points) >= fewest_runs(found) for each in found)
    return ExitStatus.YES if enough else ExitStatus.INCONCLUSIVE
