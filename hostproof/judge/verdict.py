"""Results + thresholds → Verdict. Pure.

Asks "is the whole interval on the good side?", never "is it not bad?".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hostproof.judge import contended, sequential, statistics, suspects
from hostproof.judge.direction import better
from hostproof.judge.findings import findings
from hostproof.judge.model import SEVERITY, Judged, Outcome, SetupVerdict, Threshold, Verdict
from hostproof.judge.proof import DeviceProof
from hostproof.judge.roofline import Roofline, points
from hostproof.judge.statistics import Interval
from hostproof.judge.thresholds import ThresholdsFile, compare
from hostproof.judge.units import shown, span, wanted
from hostproof.measure import settling
from hostproof.measure.result import Measurement, Result
from hostproof.measure.workload import Workload, parse

FEWEST_RUNS = statistics.LOOKS[0]
_SIDES = {"good": Outcome.PROVEN, "bad": Outcome.BELOW, "across": Outcome.INCONCLUSIVE}
_SLOW = "more runs may show it to be chance; else take away what changes slowly, a warm-up or a neighbour"
_SHARES = {
    "p95": (statistics.P95, statistics.P95_RUNS),
    "p99": (statistics.P99, statistics.P99_RUNS),
}
"""Statistic → the quantile, and the fewest runs that have a limit above it."""


def judge_setup(
    result: Result,
    thresholds: ThresholdsFile,
    proof: DeviceProof | None = None,
    roof: Roofline | None = None,
) -> SetupVerdict:
    """One setup. `proof`: what its host told of the server's device and kernels; `roof`: what limits it there.

    Raises HostproofError or ConfigError if thresholds and workload do not belong together.
    """
    workload = parse(result.workload)
    compare(thresholds, workload)
    busy = contended.reasons(result)
    every = tuple(
        contended.excuse(_judge(resolved(threshold, result), result, workload), busy)
        for threshold in thresholds.thresholds
    )
    judged = tuple(each for each in every if not each.threshold.goal)
    failed = tuple(f"{check.name}: {check.detail}" for check in result.checks if not check.passed)
    return SetupVerdict(
        host=result.host,
        setup=result.setup.name,
        outcome=_outcome(judged, result, proof),
        judged=judged,
        goals=tuple(each for each in every if each.threshold.goal),
        failed_checks=failed,
        findings=(
            *_limited(result, proof, roof),
            *findings(result, roof),
            *_not_judged(thresholds),
            *(proof.notes if proof else ()),
        ),
        proof=proof,
    )


def _limited(result: Result, proof: DeviceProof | None, roof: Roofline | None) -> Iterator[str]:
    """How far from its limits it is, and who is suspected."""
    if roof is not None:
        found = points(result, roof)
        yield from suspects.findings(roof, found, suspects.suspects(result, roof, proof, found))


def missing(host: str, setup: str, why: str) -> SetupVerdict:
    """A setup that was to be judged and has no Result: never left out of the verdict."""
    return SetupVerdict(host, setup, Outcome.UNMEASURED, (), findings=(why,))


def _outcome(judged: Sequence[Judged], result: Result, proof: DeviceProof | None) -> Outcome:
    """The worst. A failed check and a wrong device are on the bad side; nothing judged or nothing checked is nothing proven."""
    found = {each.outcome for each in judged}
    if proof and proof.outcome:
        found.add(proof.outcome)
    if not judged or not result.checks or result.unfinished:
        found.add(Outcome.UNMEASURED)
    if any(not check.passed for check in result.checks):
        found.add(Outcome.BELOW)
    return next(outcome for outcome in SEVERITY if outcome in found)


def _not_judged(thresholds: ThresholdsFile) -> Iterator[str]:
    for cell, why in thresholds.not_judged.items():
        yield f"cell {cell} is measured but not judged: {why}"


def resolved(threshold: Threshold, result: Result) -> Threshold:
    """With a lower bound in the metric's unit, if it is a share of a ceiling that this Result knows."""
    ceiling = result.setup.ceiling
    if threshold.fraction is None or not ceiling:
        return threshold
    return replace(threshold, low=threshold.fraction * ceiling)


def _judge(threshold: Threshold, result: Result, workload: Workload) -> Judged:
    measured = result.find(threshold.cell, threshold.metric)
    if measured is None or measured.problem:
        why = measured.problem if measured else "the Result has no such measurement"
        return Judged(threshold, Outcome.UNMEASURED, None, None, None, 0, f"not measured: {why}")
    if threshold.low is None and threshold.high is None:
        why = "not measured: the roofline of this model on this hardware is not known"
        return Judged(threshold, Outcome.UNMEASURED, None, None, None, 0, why)
    if threshold.statistic == "max":
        return _judge_max(threshold, measured, workload)
    return _judge_interval(threshold, measured)


def _judge_interval(threshold: Threshold, measured: Measurement) -> Judged:
    if measured.over == "tokens":
        middle = statistics.median_interval(measured.samples).value
        why = "gaps between tokens depend on each other: there is no interval to judge by"
        return Judged(threshold, Outcome.INCONCLUSIVE, middle, None, None, len(measured.samples), why)
    samples = measured.samples
    if threshold.statistic in _SHARES:
        found = statistics.quantile_interval(samples, _SHARES[threshold.statistic][0])
        outcome = place(threshold, found)
        return _judged(threshold, outcome, found, samples, len(samples))
    bound = settling.Bound(threshold.low, threshold.high, better(measured.metric))
    settled = settling.settle(samples, bound, statistics.median_ranks)
    kept = samples[settled.cold :]
    middle = statistics.median_interval(kept).value
    found = Interval(middle, settled.low, settled.high)
    judged = _judged(threshold, _SIDES[settled.side], found, kept, settled.worth)
    return replace(judged, why=judged.why + _left_out(settled.cold))


def _judged(
    threshold: Threshold, outcome: Outcome, found: Interval, samples: Sequence[float], worth: int
) -> Judged:
    why = _why(threshold, found, outcome, samples, worth)
    return Judged(threshold, outcome, found.value, found.low, found.high, len(samples), why)


def _left_out(cold: int) -> str:
    if not cold:
        return ""
    which = "first run was" if cold == 1 else f"first {cold} runs were"
    return f"; the {which} still warming up and left out"


def place(threshold: Threshold, found: Interval) -> Outcome:
    """The rule. Touching a bound counts as good. Without any bound nothing is proven."""
    if threshold.low is None and threshold.high is None:
        return Outcome.UNMEASURED
    return _SIDES[settling.side(found.low, found.high, settling.Bound(threshold.low, threshold.high))]


def _why(
    threshold: Threshold, found: Interval, outcome: Outcome, samples: Sequence[float], worth: int
) -> str:
    metric, want, runs = threshold.metric, wanted(threshold), len(samples)
    if outcome is Outcome.INCONCLUSIVE:
        return _inconclusive(threshold, found, samples, worth)
    if found.low is not None and found.high is not None:
        interval = f"the interval {span(found.low, found.high, metric)} of {runs} runs"
    else:
        limit = found.low if found.low is not None else found.high
        assert limit is not None  # without a limit nothing is decided
        interval = f"the limit {shown(limit, metric)} of {runs} runs"
    word = "meets" if outcome is Outcome.PROVEN else "misses"
    return f"{interval} {word} {want} as a whole"


def _inconclusive(threshold: Threshold, found: Interval, samples: Sequence[float], worth: int) -> str:
    """With what would settle it."""
    metric, runs, statistic = threshold.metric, len(samples), threshold.statistic
    if statistic in _SHARES:
        more = _SHARES[statistic][1]
        if runs < more:
            return f"{statistic} has no upper limit with {runs} runs: it takes {more} (or judge max)"
        return (
            f"the limit of {statistic} with {runs} runs lies across {wanted(threshold)}: more runs narrow it"
        )
    if worth < runs and runs >= FEWEST_RUNS:
        where = "too few for an interval"
        if found.low is not None and found.high is not None:
            where = (
                f"and {wanted(threshold)} lies inside their interval {span(found.low, found.high, metric)}"
            )
        return f"each run resembles the one before, so {runs} runs count as {worth}, {where}: {_SLOW}"
    if found.low is None or found.high is None:
        return f"a median has no 95 % interval with {_count(runs)}: it takes {FEWEST_RUNS}"
    across = (
        f"{wanted(threshold)} lies inside the interval {span(found.low, found.high, metric)} of {runs} runs"
    )
    return f"{across}: {_what_it_takes(threshold, found, samples)}"


def _what_it_takes(threshold: Threshold, found: Interval, samples: Sequence[float]) -> str:
    inside = [
        bound
        for bound in (threshold.low, threshold.high)
        if bound is not None and (found.low or 0.0) <= bound <= (found.high or 0.0)
    ]
    needed = [sequential.runs_to_settle(samples, bound) for bound in inside]
    counts = [count for count in needed if count is not None]
    if len(counts) < len(needed) or not counts:
        return "it lies so near the middle that only a quieter host or another bound settles it"
    return f"about {max(counts)} runs like these would settle it, fewer on a quieter host"


def _judge_max(threshold: Threshold, measured: Measurement, workload: Workload) -> Judged:
    """A statement about these runs and no others, so it needs no interval; but all of them must be there."""
    worst, runs = max(measured.samples), len(measured.samples)
    planned = next(cell.runs for cell in workload.cells if cell.name == threshold.cell)
    found = _largest(measured, worst)
    assert threshold.high is not None  # a maximum goes with an upper bound alone
    if worst > threshold.high:
        outcome, why = Outcome.BELOW, f"{found}: misses {wanted(threshold)}"
    elif measured.over == "runs" and runs < planned:
        outcome = Outcome.INCONCLUSIVE
        why = f"{found}, but {planned} runs were planned: make the missing ones"
    else:
        outcome, why = Outcome.PROVEN, f"{found}: meets {wanted(threshold)}"
    return Judged(threshold, outcome, worst, worst, worst, runs, why)


def _largest(measured: Measurement, worst: float) -> str:
    runs = len(measured.samples)
    if measured.metric == "failed_requests":
        return f"{sum(measured.samples):.0f} of {runs} requests failed"
    what = f"{runs} gaps" if measured.over == "tokens" else _count(runs)
    return f"the largest of {what} is {shown(worst, measured.metric)}"


def _count(runs: int) -> str:
    return f"{runs} run" if runs == 1 else f"{runs} runs"


def line(verdict: Verdict) -> str:
    """The one sentence above everything else."""
    judged = [each for setup in verdict.setups for each in setup.judged]
    counts = {outcome: sum(each.outcome is outcome for each in judged) for outcome in SEVERITY}
    checks = sum(len(setup.failed_checks) for setup in verdict.setups)
    proofs = [setup.proof for setup in verdict.setups if setup.proof and setup.proof.outcome]
    empty = [f"{setup.host}/{setup.setup}" for setup in verdict.setups if not setup.judged]
    parts = [f"{counts[o]} {o.value}" for o in reversed(SEVERITY) if counts[o]]
    parts += [f"{checks} failed check{'s' * (checks > 1)}"] if checks else []
    goals = [each.outcome for setup in verdict.setups for each in setup.goals]
    parts += [f"{goals.count(Outcome.PROVEN)} of {len(goals)} goals reached"] if goals else []
    parts += [
        f"{each.verdict} where {' or '.join(each.wanted)} is wanted"
        for each in proofs
        if each.outcome is not Outcome.PROVEN
    ]
    parts += [f"no result of {', '.join(empty)}"] if empty else []
    about = ", ".join(parts) or "nothing was judged"
    if judged:
        about = f"{_thresholds(len(judged))}: {about}"
    head = _WORDS[verdict.outcome]
    if verdict.outcome is Outcome.BELOW and not counts[Outcome.BELOW]:
        elsewhere = any(each.outcome is Outcome.BELOW for each in proofs)
        head = "NOT PROVEN, another device or kernel" if elsewhere else "NOT PROVEN, a check failed"
    return f"{head} — {about}."


def _thresholds(count: int) -> str:
    return f"{count} threshold" if count == 1 else f"{count} thresholds"


_WORDS = {
    Outcome.PROVEN: "PROVEN",
    Outcome.BELOW: "NOT PROVEN, below threshold",
    Outcome.INCONCLUSIVE: "NOT PROVEN, inconclusive",
    Outcome.UNMEASURED: "NOT PROVEN, not measured",
}
