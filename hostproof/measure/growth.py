"""Runs beyond the workload's own, until a figure's interval lies on one side of a bound: a rule that comes with the configuration.

The instrument decides nothing: which runs make an interval at which number of runs is in the rule, the verdict is the judge's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hostproof.measure import settling
from hostproof.measure.errors import ConfigError
from hostproof.measure.result import Measurement, ResultError, unit_of
from hostproof.measure.workload import mapping, only


@dataclass(frozen=True)
class Bound:
    cell: str
    metric: str
    bound: settling.Bound


@dataclass(frozen=True)
class Rule:
    looks: tuple[int, ...]
    """Numbers of runs at which it is looked whether they settle it."""
    ranks: Mapping[int, tuple[int, int]]
    """Number of runs → 1-based ranks of the ordered runs that make the interval; the runs may count as fewer than they are."""
    bounds: tuple[Bound, ...]
    seconds: float
    """That runs beyond the workload's own may take, in the whole measurement."""

    def most(self, cell: str) -> int:
        """Runs that a cell may grow to; 0 if nothing of it is bound."""
        bound = any(each.cell == cell for each in self.bounds)
        return max(self.looks, default=0) if bound else 0

    def settled(self, cell: str, measured: Iterable[Measurement]) -> bool:
        """Whether each bound of the cell lies outside its interval. What no look or sample tells of cannot be waited for."""
        found = {each.metric: each.samples for each in measured}
        return all(self._clear(each, found.get(each.metric, ())) for each in self.bounds if each.cell == cell)

    def _clear(self, bound: Bound, samples: Sequence[float]) -> bool:
        if len(samples) not in self.looks:
            return True
        return settling.settle(samples, bound.bound, self.ranks.get).side != "across"


NONE = Rule((), {}, (), 0.0)
"""No run beyond the workload's own."""


def parse(raw: object, path: str) -> Rule:
    """None of it: the workload's own runs alone. Raises ConfigError."""
    if raw is None:
        return NONE
    rule = mapping(raw, path)
    only(rule, ("looks", "ranks", "bounds", "seconds"), path)
    ranks = mapping(rule.get("ranks"), f"{path}.ranks")
    looks, bounds = (_list(rule, key, path) for key in ("looks", "bounds"))
    known = dict(_ranks(key, value, f"{path}.ranks.{key}") for key, value in ranks.items())
    if any(look not in known for look in looks):
        raise ConfigError(f"{path}.looks", f"must be numbers of runs that have ranks, not {looks!r}")
    return Rule(
        looks=tuple(looks),
        ranks=known,
        bounds=tuple(_bound(each, f"{path}.bounds[{i}]") for i, each in enumerate(bounds)),
        seconds=_number(rule.get("seconds"), f"{path}.seconds"),
    )


def _list(rule: Mapping[str, Any], key: str, path: str) -> Sequence[Any]:
    value = rule.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(f"{path}.{key}", f"must be a list, not {value!r}")
    return value


def _ranks(key: object, value: object, path: str) -> tuple[int, tuple[int, int]]:
    runs = int(key) if isinstance(key, str) and key.isdecimal() else 0
    ranks = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    whole = all(isinstance(rank, int) and not isinstance(rank, bool) for rank in ranks)
    if len(ranks) != 2 or not whole or not 1 <= ranks[0] <= ranks[1] <= runs:
        raise ConfigError(path, f"must be a number of runs with two ranks among them, not {value!r}")
    return runs, (ranks[0], ranks[1])


def _bound(raw: object, path: str) -> Bound:
    bound = mapping(raw, path)
    only(bound, ("cell", "metric", "low", "high", "good"), path)
    cell, metric = bound.get("cell"), bound.get("metric")
    if not isinstance(cell, str) or not isinstance(metric, str):
        raise ConfigError(path, "needs a cell and a metric")
    try:
        unit_of(metric)
    except ResultError as error:
        raise ConfigError(f"{path}.metric", str(error)) from error
    low, high = (_end(bound, end, path) for end in ("low", "high"))
    if low is None and high is None:
        raise ConfigError(path, "bounds nothing")
    good = bound.get("good")
    if good not in ("higher", "lower", None):
        raise ConfigError(f"{path}.good", f"must be higher, lower or null, not {good!r}")
    return Bound(cell, metric, settling.Bound(low, high, cast("settling.Better | None", good)))


def _end(bound: Mapping[str, Any], end: str, path: str) -> float | None:
    value = bound.get(end)
    return None if value is None else _number(value, f"{path}.{end}")


def _number(value: object, path: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ConfigError(path, f"must be a number of 0 or more, not {value!r}")
    return float(value)
