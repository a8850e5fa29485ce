"""Dense against mixture of experts, and which setup for which work, with the article's rows beside ours. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hostproof.judge.lanes import Candidate, Choice, candidate, choose
from hostproof.judge.statistics import median_interval
from hostproof.judge.units import figure, shown
from hostproof.judge.viability import decoding, viability
from hostproof.measure.result import Result
from hostproof.report import reference
from hostproof.report.material import Material, Part
from hostproof.report.table import NOTHING, Row, Table, left, right


def candidates(material: Material) -> tuple[Candidate, ...]:
    return tuple(candidate(part.title, part.verdict, result) for part, result in material.measured)


def dense_and_experts(material: Material) -> Iterator[Table]:
    """What each computes for a token, and how fast."""
    measured = material.measured
    rows = [
        _kind(part, result, each)
        for (part, result), each in zip(measured, candidates(material), strict=True)
        if each.parameters_billion
    ]
    if not rows:
        return
    rows += [
        Row(
            (f"{reference.SOURCE}, {r.name}", r.kind, r.token, r.cache, r.speed, NOTHING, r.viability),
            muted=True,
        )
        for r in reference.KINDS
    ]
    columns = (
        *left("Config", "Kind", "Computed for a token", "L3 cache"),
        *right("TG", "tok/s per active B"),
        *left("Viability"),
    )
    note = (
        "A dense model computes all of its parameters for every token, a mixture of experts its active ones. "
        "Whether experts stay in the L3 cache is the article's statement; it is not measured here."
    )
    yield Table("dense-and-experts", "Dense against mixture of experts", columns, tuple(rows), note)


def _kind(part: Part, result: Result, each: Candidate) -> Row:
    kind = "dense" if each.dense else "mixture of experts"
    share = each.active_billion / each.parameters_billion
    token = f"{each.active_billion:.4g}B" if each.dense else f"{each.active_billion:.4g}B, {share:.0%} of all"
    speed = decoding(result)
    if speed is None:
        figures = ("not measured", NOTHING)
    else:
        middle = median_interval(speed.samples).value
        figures = (shown(middle, speed.metric), figure(middle / each.active_billion))
    word = viability(result, part.verdict.outcome).word
    return Row((part.title, kind, token, NOTHING, *figures, word))


def lanes(material: Material) -> Iterator[Table]:
    """A lane a row, with who fits and why the others do not."""
    if not material.measured:
        return
    rows = [row for choice in choose(candidates(material)) for row in _lane(choice)]
    rows += [
        Row((f"{reference.SOURCE}: {name}", NOTHING, setup, because), muted=True)
        for name, setup, because in reference.LANES
    ]
    note = (
        "From intervals of the median: TG and TTFT of the cold cells with the longest answer and the longest prompt must lie inside "
        "the limits as a whole, and no check of behaviour may have failed. Of those that fit, the largest model is recommended "
        "(on the CPU by all parameters, else by those that compute): the quality of answers is not measured."
    )
    yield Table("lanes", "Lanes", left("Lane", "Limits", "Recommended", "Because"), tuple(rows), note)


def _lane(choice: Choice) -> Iterator[Row]:
    lane = choice.lane
    where = f", on the {lane.device.upper()}" if lane.device else ""
    limits = f"TG ≥ {lane.speed:g} tok/s, TTFT ≤ {lane.wait:g} s, {lane.least:g}B or more{where}"
    if choice.chosen:
        yield Row((lane.name, limits, choice.chosen.title, f"{choice.chosen.fits()}; {lane.why}"))
    else:
        yield Row((lane.name, limits, "none that was measured", lane.why))
    yield from (Row(("", "", f"also: {each.title}", f"{each.fits()}")) for each in choice.others)
    yield from (Row(("", "", f"not: {each.title}", why)) for each, why in choice.missed)
