"""Throughputs beside what the hardware allows: a bar each, drawn to the limit. Pure; judge.roofline works the limits out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hostproof.judge.roofline import points
from hostproof.judge.statistics import median_interval
from hostproof.judge.units import label, shown
from hostproof.judge.viability import decoding
from hostproof.report.material import Material
from hostproof.report.roofline_tables import limited
from hostproof.report.svg import add, done, line, pc, picture, text

BAR, HEAD = 40, 18
RIGHT = 96.0
"""Percent of the width at which the limit lies."""


@dataclass(frozen=True)
class Bar:
    """`measured` and `most` in the metric's unit; `low` and `high` are the shares that the intervals allow."""

    name: str
    metric: str
    measured: float
    most: float
    low: float
    high: float
    why: str

    @property
    def share(self) -> float:
        return self.measured / self.most


def limits(material: Material) -> Iterator[Bar]:
    """From the host's roofline; without one from the ceiling that the setup's endpoint names, if it names one."""
    told = {(part.verdict.host, part.verdict.setup) for part, _, _ in limited(material)}
    for part, result, roof in limited(material):
        for point in points(result, roof):
            most, name = point.limit.tokens_per_second, f"{part.title}, {point.cell}"
            yield Bar(name, point.metric, point.measured, most, point.low, point.high, point.limit.why)
    for part, result in material.measured:
        speed, most = decoding(result), result.setup.ceiling
        if speed is not None and most and (part.verdict.host, part.verdict.setup) not in told:
            found = median_interval(speed.samples)
            low, high = found.low or found.value, found.high or found.value
            name = f"{part.title}, {speed.cell}"
            yield Bar(
                name, speed.metric, found.value, most, low / most, high / most, result.setup.ceiling_why
            )


def bars(found: Sequence[Bar]) -> Markup | None:
    """None where no limit is known. A bar that passes its limit is drawn beyond it: then the limit is wrong, and that is seen."""
    if not found:
        return None
    right = max(1.0, *(max(each.share, each.high) for each in found))
    seen = "; ".join(f"{each.name}, {label(each.metric)}: {each.share:.0%} of the limit" for each in found)
    svg = picture(HEAD + BAR * len(found), "throughputs as shares of their limits", f"{seen}.")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = share / right * RIGHT
        line(svg, "bound" if share == 1 else "grid", x=(at, at), y=(HEAD - 4, HEAD + BAR * len(found)))
        text(svg, at, 11, f"{share:.0%}", anchor="start" if share == 0 else "middle")
    for number, each in enumerate(found):
        y = HEAD + number * BAR
        words = f"{label(each.metric)} {shown(each.measured, each.metric)} of {shown(each.most, each.metric)}"
        text(svg, 0.4, y + 14, f"{each.name}: {words}, {each.share:.0%}", "named")
        wide = pc(each.share / right * RIGHT)
        add(svg, "rect", "bar", each.why, x="0", y=f"{y + 20}", width=wide, height="10", rx="2")
        ends = (each.low / right * RIGHT, each.high / right * RIGHT)
        line(svg, "median", x=ends, y=(y + 25, y + 25), told=f"{each.low:.0%} to {each.high:.0%}")
    return done(svg)
