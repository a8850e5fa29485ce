"""Two Results of one setup: what got better, what got worse, what cannot be told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hostproof.exits import ExitStatus
from hostproof.judge import contended, statistics
from hostproof.judge.direction import better
from hostproof.judge.two_samples import Shift, outer_rank, shift
from hostproof.measure.result import Measurement, Result

PRIMARY = ("ttft", "generation_throughput")
"""Their intervals hold together. Most other metrics are made of the same time stamps, and follow them."""
CONFIDENCE = 0.95
_FREE = ("description", "runs", "warmups")
"""Keys of a workload and its cells that change how often, never what is measured."""
CHANGING = ("prompt_seed", "load_before", "uptime")
"""Circumstances that differ between any two measurements."""


class Word(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    MORE = "more"
    """Neither side is the good one: cache use, CPU use, memory."""
    LESS = "less"
    SAME = "the same"
    """To the last digit, in every run."""
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Row:
    """One metric in one cell. `before` and `after` are medians in the metric's unit."""

    cell: str
    metric: str
    before: float
    after: float
    runs: tuple[int, int]
    shift: Shift
    word: Word

    @property
    def primary(self) -> bool:
        return self.metric in PRIMARY


@dataclass(frozen=True)
class Comparison:
    before: Result
    after: Result
    rows: tuple[Row, ...]
    confidence: float
    """Of each interval, so that all primary ones hold together with 95 % (Bonferroni)."""
    unlike: tuple[str, ...]
    """Why they should not be compared; empty: they may."""
    circumstances: tuple[tuple[str, str, str], ...]
    """What differs around them: name, before, after."""
    remarks: tuple[str, ...]

    @property
    def words(self) -> frozenset[Word]:
        return frozenset(row.word for row in self.rows if row.primary)


def exit_status(compared: Sequence[Comparison]) -> ExitStatus:
    """No: something primary got worse. Yes: something got better, and nothing worse. Else nothing can be told."""
    words = {word for each in compared for word in each.words}
    if Word.WORSE in words:
        return ExitStatus.NO
    return ExitStatus.YES if Word.BETTER in words else ExitStatus.INCONCLUSIVE


def compare(before: Result, after: Result) -> Comparison:
    both = [
        (one, other)
        for one in before.measurements
        if (other := after.find(one.cell, one.metric)) and _comparable(one) and _comparable(other)
    ]
    primary = sum(one.metric in PRIMARY and _enough(one, other) for one, other in both)
    confidence = 1 - (1 - CONFIDENCE) / max(1, primary)
    return Comparison(
        before,
        after,
        tuple(_row(one, other, confidence) for one, other in both),
        confidence,
        tuple(unlike(before, after)),
        tuple(circumstances(before, after)),
        tuple(_remarks(before, "the first")) + tuple(_remarks(after, "the second")),
    )


def _enough(one: Measurement, other: Measurement) -> bool:
    """For an interval at all."""
    return outer_rank(len(one.samples), len(other.samples), CONFIDENCE) is not None


def _comparable(measured: Measurement) -> bool:
    """Over tokens there is no interval: tokens of one run depend on each other."""
    return bool(measured.samples) and measured.over == "runs"


def _row(one: Measurement, other: Measurement, confidence: float) -> Row:
    moved = shift(one.samples, other.samples, confidence)
    return Row(
        one.cell,
        one.metric,
        statistics.median_interval(one.samples).value,
        statistics.median_interval(other.samples).value,
        (len(one.samples), len(other.samples)),
        moved,
        _word(one.metric, moved),
    )


def _word(metric: str, moved: Shift) -> Word:
    if moved.interval.low == moved.interval.high == moved.same:
        return Word.SAME
    if moved.side == "cannot tell":
        return Word.CANNOT_TELL
    good = better(metric)
    if good is None:
        return Word(moved.side)
    return Word.BETTER if (moved.side == "more") == (good == "higher") else Word.WORSE


def unlike(before: Result, after: Result) -> Iterator[str]:
    """What makes figures of two Results no figures of one thing."""
    if before.setup.model != after.setup.model:
        yield f"the models differ: {before.setup.model} and {after.setup.model}"
    names = [f"{each.workload.get('name')}/{each.workload.get('version')}" for each in (before, after)]
    if names[0] != names[1]:
        yield f"the workloads differ: {names[0]} and {names[1]}"
    elif _essence(before.workload) != _essence(after.workload):
        yield f"both workloads are called {names[0]}, but their cells differ"


def _essence(workload: object) -> object:
    if isinstance(workload, Mapping):
        return {key: _essence(value) for key, value in workload.items() if key not in _FREE}
    return [_essence(each) for each in workload] if isinstance(workload, list | tuple) else workload


def circumstances(before: Result, after: Result) -> Iterator[tuple[str, str, str]]:
    one, other = _told(before), _told(after)
    for name in dict.fromkeys((*one, *other)):
        if one.get(name, "–") != other.get(name, "–"):
            yield name, str(one.get(name, "–")), str(other.get(name, "–"))


def _told(result: Result) -> dict[str, Any]:
    known = {key: value for key, value in result.environment.items() if key not in CHANGING}
    about = {"host": result.host, "hardware": result.hardware, "server": result.setup.server}
    return {**about, **known, **result.setup.flags}


def _remarks(result: Result, which: str) -> Iterator[str]:
    if result.unfinished:
        yield f"{which} was not run to its end: {result.unfinished}"
    failed = [check.name for check in result.checks if not check.passed]
    if failed:
        yield f"{which} failed {', '.join(failed)}: its speed is that of a server that misbehaves"
    for cell, (why, count, runs) in contended.reasons(result).items():
        yield f"{which} is contended: in {cell} {count} of {runs} runs ran beside others ({why})"
    for measured in result.measurements:
        if measured.metric in PRIMARY and statistics.depends_on_the_run_before(measured.samples):
            yield f"{which}: runs of {measured.metric} in {measured.cell} resemble the one before, so its interval is too narrow"
