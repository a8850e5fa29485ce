"""The bound of a threshold: five kinds, each of which says what it compares with. What proves nothing is refused, with its line."""

from __future__ import annotations

from dataclasses import dataclass

from hostproof.judge.direction import better
from hostproof.judge.marked import Entry, Fields
from hostproof.judge.model import Kind
from hostproof.measure.result import unit_of

KINDS: tuple[Kind, ...] = ("min", "max", "within", "min_fraction_of_roofline", "no_worse_than")
ROOFLINED = ("generation_throughput",)
"""Metrics whose limit a Result can know (`Setup.ceiling`)."""
LEAST_ABOVE_ZERO = ("s", "tok/s", "bytes", "tok/s/B", "J/tok", "tok/s/W")
"""Units in which nothing real is 0, so that an upper bound of 0 is met by nothing."""


@dataclass(frozen=True)
class Bounds:
    """As in `Threshold`."""

    kind: Kind
    low: float | None = None
    high: float | None = None
    fraction: float | None = None
    baseline: float | None = None
    margin: float | None = None


def read_bounds(item: Entry, fields: Fields, metric: str) -> Bounds:
    """Exactly one kind, in the metric's own unit. Raises HostproofError."""
    given = [kind for kind in KINDS if fields.get(kind)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise item.error(
            f"needs one bound, and has {found}",
            f"One of {', '.join(KINDS)}; a band is `within: [low, high]`.",
        )
    kind = given[0]
    _unit(item, fields, metric, kind)
    return _OF[kind](fields[kind], metric)


def _unit(item: Entry, fields: Fields, metric: str, kind: Kind) -> None:
    """Written out in the file, so that 600 ms are never judged as 600 seconds."""
    entry, wanted = fields.get("unit"), unit_of(metric)
    if kind == "min_fraction_of_roofline":
        if entry:
            raise entry.error("a share of the roofline has no unit", "Take the key out.")
        return
    if entry is None:
        raise item.error("the key 'unit' is missing", f"{metric} is in {wanted}: write `unit: {wanted}`.")
    if entry.text() != wanted:
        raise entry.error(
            f"{metric} is in {wanted}, not in {entry.text()}", "Convert the bound, and write its unit."
        )


def _lower(entry: Entry, metric: str) -> Bounds:
    return Bounds("min", low=_least(entry, metric))


def _upper(entry: Entry, metric: str) -> Bounds:
    return Bounds("max", high=_most(entry, metric))


def _within(entry: Entry, metric: str) -> Bounds:
    ends = entry.items()
    if len(ends) != 2:
        raise entry.error(f"needs two ends, not {len(ends)}", "Write `within: [low, high]`.")
    low, high = _least(ends[0], metric), _most(ends[1], metric, allow_all=True)
    if low >= high:
        raise entry.error(f"nothing lies between {low:g} and {high:g}", "Write the lower end first.")
    return Bounds("within", low=low, high=high)


def _roofline(entry: Entry, metric: str) -> Bounds:
    if metric not in ROOFLINED:
        raise entry.error(f"no roofline is known for {metric}", f"Known for: {', '.join(ROOFLINED)}.")
    return Bounds("min_fraction_of_roofline", fraction=_share(entry, "a share of the roofline"))


def _no_worse(entry: Entry, metric: str) -> Bounds:
    side = better(metric)
    if side is None:
        raise entry.error(
            f"neither more nor less of {metric} is worse by itself", "Write min, max or within."
        )
    fields = entry.fields(("baseline", "margin"), ("baseline", "margin"))
    baseline = fields["baseline"].number()
    if baseline <= 0:
        raise fields["baseline"].error(
            f"a baseline of {baseline:g} cannot be got worse by a share of it", "Write min or max."
        )
    margin = _share(fields["margin"], "a margin")
    if side == "higher":
        low = _ratio_reached(fields["baseline"], metric, baseline) * (1 - margin)
        return Bounds("no_worse_than", low=low, baseline=baseline, margin=margin)
    return Bounds("no_worse_than", high=baseline * (1 + margin), baseline=baseline, margin=margin)


_OF = {
    "min": _lower,
    "max": _upper,
    "within": _within,
    "min_fraction_of_roofline": _roofline,
    "no_worse_than": _no_worse,
}


def _least(entry: Entry, metric: str) -> float:
    bound = entry.number()
    if bound <= 0:
        raise entry.error(f"a lower bound of {bound:g} is met by everything", "Write the least that is good.")
    return _ratio_reached(entry, metric, bound)


def _ratio_reached(entry: Entry, metric: str, bound: float) -> float:
    if unit_of(metric) == "ratio" and bound > 1:
        raise entry.error(f"no ratio reaches {bound:g}", "Ratios are 0..1: 20 % is 0.2.")
    return bound


def _most(entry: Entry, metric: str, *, allow_all: bool = False) -> float:
    """`allow_all`: as the upper end of a band, 1 of a ratio leaves the lower end to judge by."""
    bound, unit = entry.number(), unit_of(metric)
    if bound < 0:
        raise entry.error(f"nothing can be below {bound:g}", "An upper bound is 0 or more.")
    if bound == 0 and unit in LEAST_ABOVE_ZERO:
        raise entry.error(f"no {metric} is 0 {unit}", "Write the most that is good.")
    if unit == "ratio" and (bound > 1 or (bound == 1 and not allow_all)):
        raise entry.error(
            f"an upper bound of {bound:g} on a ratio is met by everything", "Ratios are 0..1: 12 % is 0.12."
        )
    return bound


def _share(entry: Entry, what: str) -> float:
    """Between 0 and 1, neither of them."""
    share = entry.number()
    if not 0 < share < 1:
        raise entry.error(f"{what} lies between 0 and 1, not at {share:g}", "5 % is 0.05.")
    return share
