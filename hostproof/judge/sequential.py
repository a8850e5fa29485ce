"""Runs that grow until a verdict is settled: when to look, where the limits lie, how often that errs, what it would take. Pure.

The test is the sign test, repeated (Armitage, McPherson and Rowe 1969): at each look the limits are the ordered runs of the 95 %
interval of the median. What the looks together spend of the error (Lan and DeMets 1983) is added up here exactly, for a median
that lies on the bound itself; anywhere else it is less. It holds for every distribution, if runs do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hostproof.judge.direction import better
from hostproof.judge.model import Threshold
from hostproof.judge.statistics import LOOKS, median_ranks

POWER = 0.8
MOST_RUNS = 400
"""More runs than anybody would make."""


@dataclass(frozen=True)
class Spent:
    """Up to this look, the chance that a median on the bound itself was declared good (or, as likely, bad)."""

    look: int
    ranks: tuple[int, int]
    chance: float


@cache
def spending(looks: tuple[int, ...] = LOOKS) -> tuple[Spent, ...]:
    """Exact, by recursion over the number of runs below the bound."""
    from scipy.special import comb  # noqa: PLC0415 — no other task has to wait for it

    going: dict[int, float] = {0: 1.0}
    spent, before, told = 0.0, 0, []
    for look in looks:
        ranks, more = median_ranks(look), look - before
        assert ranks is not None  # a look has an interval
        grown: dict[int, float] = {}
        for below, chance in going.items():
            for new in range(more + 1):
                share = float(comb(more, new, exact=True)) * 0.5**more
                grown[below + new] = grown.get(below + new, 0.0) + chance * share
        spent += sum(chance for below, chance in grown.items() if below < ranks[0])
        going = {below: chance for below, chance in grown.items() if ranks[0] <= below <= look - ranks[0]}
        told.append(Spent(look, ranks, spent))
        before = look
    return tuple(told)


def error() -> float:
    """The promise: a false pass, and a false failure, at most so often. 4.95 %."""
    return spending()[-1].chance


def rule(thresholds: Iterable[Threshold], ceiling: float, seconds: float) -> Mapping[str, Any]:
    """What the instrument is told: `looks`, `ranks` and `bounds`, by which it goes on or stops. It decides nothing else.

    `ceiling` in tok/s, 0 if not known; `seconds` that runs beyond the workload's own may take.
    """
    bounds = [
        {
            "cell": each.cell,
            "metric": each.metric,
            "low": low,
            "high": each.high,
            "good": better(each.metric),
        }
        for each in thresholds
        if each.statistic == "median"
        and not each.goal
        and ((low := _low(each, ceiling)) is not None or each.high is not None)
    ]
    ranks = {str(runs): list(found) for runs in range(LOOKS[-1] + 1) if (found := median_ranks(runs))}
    return {"looks": list(LOOKS), "ranks": ranks, "bounds": bounds, "seconds": seconds}


def _low(threshold: Threshold, ceiling: float) -> float | None:
    if threshold.fraction is not None:
        return threshold.fraction * ceiling if ceiling else None
    return threshold.low


def runs_to_settle(samples: Sequence[float], bound: float) -> int | None:
    """Runs that would settle it in four cases of five, if they go on like these; None: more than 400, or nobody can say.

    Of a new look at that many runs alone; what the runs so far have shown is the share of them on each side of the bound.
    """
    from scipy.special import bdtr  # noqa: PLC0415 — no other task has to wait for it

    n = len(samples)
    below = sum(value < bound for value in samples)
    # Half a run on each side: from all of 9 runs on one side it does not follow that all are.
    minority = (min(below, n - below) + 0.5) / (n + 1)
    for runs in range(max(LOOKS[0], n + 1), MOST_RUNS + 1):
        ranks = median_ranks(runs)
        if ranks and float(bdtr(ranks[0] - 1, runs, minority)) >= POWER:
            return runs
    return None
