"""Does a setting help? From speeds measured in turn under A (as it stood first), B (as wanted) and A once more. Pure.

The sample is the round: in each, B is compared with both A's of that round, and the A's with each other. The second ratio is
what this machine makes of no difference at all: its noise floor. The method and its error rates: docs/ab.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil, exp, log
from statistics import median

from hostproof.exits import ExitStatus
from hostproof.judge.statistics import LOOKS, median_interval
from hostproof.measure.result import Result

LEAST_ROUNDS = LOOKS[0]
"""Fewer rounds give no 95 % interval."""
MOST_ROUNDS = 200
"""More rounds than anybody would run: then it is said what can be said instead."""
CONTENDED_SHARE = 0.1
"""Of the visits: one neighbour's burst in ten moves no interval, more do."""
QUIET_CPUS = 0.5
"""CPUs that others may use on average, or a twentieth of the cores if that is more: as `findings` has it for load."""
STALLED = 0.05
"""Share of the time in which something waited for memory or a drive, or the server for a CPU while others had one."""
BESIDE_CPUS = 0.25
"""CPUs of others that make a wait for a CPU theirs, and not the server's own crowding."""
METRICS = ("prompt_throughput", "generation_throughput")


class Word(StrEnum):
    """What a setting does here."""

    HELPS = "helps"
    HURTS = "hurts"
    CANNOT_TELL = "cannot tell"
    CONTENDED = "contended"
    """Others were at work: nothing is judged."""

    @property
    def exit_status(self) -> ExitStatus:
        return _EXIT[self]


_EXIT = {
    Word.HELPS: ExitStatus.YES,
    Word.HURTS: ExitStatus.NO,
    Word.CANNOT_TELL: ExitStatus.INCONCLUSIVE,
    Word.CONTENDED: ExitStatus.INCONCLUSIVE,
}


@dataclass(frozen=True)
class Visit:
    """One measurement under one arm."""

    round: int
    arm: str
    """`a1`, `b` or `a2`."""
    speeds: Mapping[str, float]
    """Metric → the median of the visit's runs, tok/s; a metric that was not measured is not in it."""
    others: float = 0.0
    """CPUs that neither the server nor the instrument used, on average."""
    stalled: Mapping[str, float] = field(default_factory=dict)
    """Shares of the time, by `cpu some`; of the server's own control group where that is counted, else of the host."""
    cores: int = 0

    @property
    def contended(self) -> str:
        """By whom or by what; empty if the server had the host to itself."""
        told = []
        if self.others > max(QUIET_CPUS, self.cores / 20):
            told.append(f"others used {self.others:.1f} CPUs")
        waits = self.stalled.get("cpu some", 0.0)
        if waits > STALLED and self.others > BESIDE_CPUS:
            told.append(f"something waited for a CPU {waits:.0%} of the time")
        for what in ("memory", "io"):
            waits = self.stalled.get(f"{what} some", 0.0)
            if waits > STALLED:
                told.append(f"something waited for {what} {waits:.0%} of the time")
        return ", ".join(told)


@dataclass(frozen=True)
class Ratio:
    """A median over rounds with its 95 % interval; None: too few rounds for one."""

    value: float
    low: float | None
    high: float | None

    @property
    def off(self) -> float:
        """How far from 1 the interval reaches, as a factor of at least 1; 1 if there is none."""
        return max(exp(abs(log(end))) for end in (self.low or 1.0, self.high or 1.0))


@dataclass(frozen=True)
class Effect:
    """What became of one metric."""

    metric: str
    word: Word
    rounds: int
    a: float
    b: float
    """Medians, tok/s."""
    ratio: Ratio
    """B over A."""
    floor: Ratio
    """A over A."""
    why: str
    """One sentence with the numbers in it."""
    rounds_needed: int = 0
    """How many rounds would tell, if the next are like these; 0: told already, or more than MOST_ROUNDS."""


@dataclass(frozen=True)
class Answer:
    """Over both metrics."""

    word: Word
    effects: tuple[Effect, ...]
    why: str
    contended: tuple[str, ...] = ()
    """Visits that were, each with how."""


def speeds(result: Result) -> dict[str, float]:
    """Prompt throughput of the longest cold prompt, generation throughput of the longest answer: medians of the runs."""
    cells = list(result.workload["cells"])
    prompt = max(cells, key=lambda c: (c["cache"] == "cold", c["prompt_tokens"]))["name"]
    answer = max(cells, key=lambda c: (c["output_tokens"], c["cache"] == "cold"))["name"]
    found = {}
    for metric, cell in zip(METRICS, (prompt, answer), strict=True):
        measured = result.find(cell, metric)
        if measured and measured.samples:
            found[metric] = median(measured.samples)
    return found


def judge(visits: Sequence[Visit]) -> Answer:
    """Contended visits beyond CONTENDED_SHARE: nothing is judged, though the figures are shown."""
    effects = tuple(_effect(metric, visits) for metric in METRICS)
    told = tuple(
        f"round {v.round}, {v.arm}: {v.contended}"
        for v in sorted(visits, key=lambda v: v.round)
        if v.contended
    )
    if len(told) > CONTENDED_SHARE * len(visits):
        why = f"{len(told)} of {len(visits)} measurements were disturbed ({told[0]}), so nothing is judged"
        return Answer(Word.CONTENDED, tuple(_unjudged(e) for e in effects), why, told)
    return Answer(*_together(effects), told)


def _together(effects: Sequence[Effect]) -> tuple[Word, tuple[Effect, ...], str]:
    """Whatever hurts is said first: a gain that costs something else is for a person to weigh."""
    why = "; ".join(effect.why for effect in effects)
    words = {effect.word for effect in effects}
    word = next((w for w in (Word.HURTS, Word.HELPS) if w in words), Word.CANNOT_TELL)
    return word, tuple(effects), why


def _unjudged(effect: Effect) -> Effect:
    return replace(effect, word=Word.CONTENDED, why="not judged: others were at work", rounds_needed=0)


def _effect(metric: str, visits: Sequence[Visit]) -> Effect:
    rounds = list(_rounds(metric, visits))
    if not rounds:
        nothing = Ratio(1.0, None, None)
        return Effect(
            metric, Word.CANNOT_TELL, 0, 0.0, 0.0, nothing, nothing, f"{_name(metric)} was not measured"
        )
    b_over_a = [log(b) - (log(a1) + log(a2)) / 2 for a1, b, a2 in rounds]
    a_over_a = [log(a2) - log(a1) for a1, _, a2 in rounds]
    ratio, floor = _ratio(b_over_a), _ratio(a_over_a)
    word = _word(ratio, floor)
    effect = Effect(
        *(metric, word, len(rounds)),
        a=median([a for a1, _, a2 in rounds for a in (a1, a2)]),
        b=median([b for _, b, _ in rounds]),
        ratio=ratio,
        floor=floor,
        why="",
        rounds_needed=_needed(len(rounds), ratio, floor) if word is Word.CANNOT_TELL else 0,
    )
    return replace(effect, why=_why(effect))


def _rounds(metric: str, visits: Iterable[Visit]) -> Iterable[tuple[float, float, float]]:
    """Rounds in which all three were measured."""
    by_round: dict[int, dict[str, float]] = {}
    for visit in visits:
        if visit.speeds.get(metric, 0.0) > 0:
            by_round.setdefault(visit.round, {})[visit.arm] = visit.speeds[metric]
    for _, found in sorted(by_round.items()):
        if {"a1", "b", "a2"} <= set(found):
            yield found["a1"], found["b"], found["a2"]


def _ratio(logs: Sequence[float]) -> Ratio:
    found = median_interval(logs)
    ends = (found.low, found.high)
    low, high = (None if end is None else exp(end) for end in ends)
    return Ratio(exp(found.value), low, high)


def _word(ratio: Ratio, floor: Ratio) -> Word:
    """The whole interval on one side, and beyond what two equal arms differ by."""
    if ratio.low is None or ratio.high is None or floor.low is None:
        return Word.CANNOT_TELL
    if ratio.low > floor.off:
        return Word.HELPS
    if ratio.high < 1 / floor.off:
        return Word.HURTS
    return Word.CANNOT_TELL


def _needed(rounds: int, ratio: Ratio, floor: Ratio) -> int:
    """Intervals of a median shrink with the root of the rounds; 0 if that would never do."""
    seen = abs(log(ratio.value))
    if ratio.low is None or ratio.high is None:
        return LEAST_ROUNDS
    if not seen:
        return 0
    half = (log(ratio.high) - log(ratio.low)) / 2
    needed = max(rounds + 1, ceil(rounds * ((half + log(floor.off)) / seen) ** 2))
    return needed if needed <= MOST_ROUNDS else 0


def _why(effect: Effect) -> str:
    name, ratio = _name(effect.metric), effect.ratio
    if ratio.low is None or ratio.high is None:
        return f"{name}: {effect.rounds} rounds give no interval, {LEAST_ROUNDS} do"
    span = f"×{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}), and equal arms differ by up to ×{effect.floor.off:.3f}"
    if effect.word is not Word.CANNOT_TELL:
        return f"{effect.word} {name}: {span}"
    if effect.rounds_needed:
        return f"cannot tell for {name}: {span}; if it goes on like this, about {effect.rounds_needed} rounds would tell"
    return f"cannot tell for {name}: {span}; no reasonable number of rounds would tell, so whatever it does lies within that"


def _name(metric: str) -> str:
    return metric.replace("_", " ")
