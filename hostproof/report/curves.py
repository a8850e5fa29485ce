"""Seconds by length of prompt or answer, and how gaps between tokens are distributed. Pure: plain data in, markup out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.etree.ElementTree import Element

from markupsafe import Markup

from hostproof.judge.model import Threshold
from hostproof.judge.statistics import median_interval, percentile
from hostproof.judge.units import shown, wanted
from hostproof.measure.result import Measurement
from hostproof.report.scale import LogScale, Scale, around, around_log
from hostproof.report.svg import add, done, line, path, pc, picture, text
from hostproof.report.svg import field as inner

HEIGHT = 250
HEAD, FOOT = 12, 26
SERIES = 4
"""Colours and dashes that the page knows."""
APART = 9.0
"""Percent between two labels of an axis."""
MIDDLE, TAIL = 120, 60
"""Points of a distribution that are drawn: evenly over all of it, and each of the largest."""


@dataclass(frozen=True)
class Line:
    """One cell or one kind of cells of one setup."""

    name: str
    points: Mapping[int, Measurement]
    """Tokens → seconds, one sample a run."""


@dataclass(frozen=True)
class Theirs:
    """Printed by somebody else, shown beside ours: tokens → seconds from, to."""

    name: str
    points: Mapping[int, tuple[float, float]] = field(default_factory=dict)


def tone(index: int) -> str:
    return f"series-{index % SERIES}"


def by_length(
    name: str,
    lines: Sequence[Line],
    bounds: Sequence[tuple[int, Threshold]],
    theirs: Theirs | None = None,
) -> Markup:
    """Seconds by tokens: a dot a run, a line through the medians, a bar at each bound, a bracket for what others printed."""
    found = [(tokens, value) for each in lines for tokens, m in each.points.items() for value in m.samples]
    other = theirs.points if theirs else {}
    lengths = sorted({*(tokens for tokens, _ in found), *other})
    ends = [end for _, bound in bounds for end in (bound.low, bound.high) if end is not None]
    across = around(lengths, zero=True)
    up = around(
        [*(value for _, value in found), *ends, *(e for pair in other.values() for e in pair)], zero=True
    )
    svg = picture(HEIGHT, name, _told(lines))
    for value in up.ticks():
        line(svg, "grid", x=(0, 100), y=(_y(up, value),) * 2)
        text(svg, 0, _y(up, value) - 3, f"{value:,.6g} s")
    for tokens in _spaced(lengths, across):
        text(svg, across.place(tokens), HEIGHT - 6, f"{tokens:,} tokens", anchor="middle")
    for tokens, pair in other.items():
        _bracket(svg, across.place(tokens), pair, up, f"{theirs.name if theirs else ''}: {tokens} tokens")
    for tokens, bound in bounds:
        _bound(svg, across.place(tokens), bound, up)
    for index, each in enumerate(lines):
        _line(svg, each, tone(index), across, up)
    return done(svg)


def _told(lines: Sequence[Line]) -> str:
    """The medians in words."""
    told = [
        f"{each.name}: "
        + ", ".join(
            f"{tokens} tokens {shown(median_interval(m.samples).value, m.metric)}"
            for tokens, m in sorted(each.points.items())
        )
        for each in lines
    ]
    return f"Medians. {'; '.join(told)}."


def _y(up: Scale | LogScale, value: float) -> float:
    """The scale's percentages turned into pixels above the foot."""
    return round((HEIGHT - FOOT) - (up.place(value) / 100) * (HEIGHT - FOOT - HEAD), 1)


def _spaced(values: Iterable[float], across: Scale | LogScale) -> Iterator[float]:
    """Those that have room for a label, the largest among them."""
    last = 100 + APART
    for value in sorted(values, reverse=True):
        if last - across.place(value) >= APART:
            last = across.place(value)
            yield value


def _bracket(svg: Element, at: float, pair: tuple[float, float], up: Scale, who: str) -> None:
    low, high = (_y(up, value) for value in pair)
    seconds = f"{pair[0]:g} s" if pair[0] == pair[1] else f"{pair[0]:g}–{pair[1]:g} s"
    box = {
        "x": pc(at - 1),
        "y": f"{high - 2:.1f}",
        "width": "2%",
        "height": f"{low - high + 4:.1f}",
        "rx": "2",
    }
    add(svg, "rect", "theirs", f"{who} in {seconds}", **box)
    text(svg, at + 1.6, high + 4, seconds, "theirs-text")


def _bound(svg: Element, at: float, bound: Threshold, up: Scale) -> None:
    ends = [end for end in (bound.low, bound.high) if end is not None]
    for end in ends:
        line(svg, "bound", x=(at - 3, at + 3), y=(_y(up, end),) * 2, told=wanted(bound))
    if ends:
        text(
            svg,
            at,
            _y(up, ends[-1]) - 5,
            wanted(bound).removeprefix("median "),
            "bound-text",
            anchor="middle",
        )


def _line(svg: Element, each: Line, look: str, across: Scale, up: Scale) -> None:
    medians = [
        (across.place(n), _y(up, median_interval(m.samples).value)) for n, m in sorted(each.points.items())
    ]
    for (x1, y1), (x2, y2) in pairwise(medians):
        line(svg, f"through {look}", x=(x1, x2), y=(y1, y2))
    for tokens, measured in each.points.items():
        for index, value in enumerate(measured.samples):
            told = f"{each.name}, run {index + 1}: {tokens} tokens, {shown(value, measured.metric)}"
            add(
                svg,
                "circle",
                f"run {look}",
                told,
                cx=pc(across.place(tokens)),
                cy=f"{_y(up, value)}",
                r="3.2",
            )


def distribution(name: str, measured: Sequence[tuple[str, Measurement]]) -> Markup:
    """Which share of the gaps is at most so long: every token counts once, the axis is logarithmic."""
    across = around_log(value for _, m in measured for value in m.samples)
    svg = picture(HEIGHT, name, _percentiles(measured))
    for share in (0.0, 0.25, 0.5, 0.75, 0.95, 1.0):
        line(svg, "grid", x=(0, 100), y=(_share(share),) * 2)
        end = share == 0.95  # beside 100 %, so at the other side
        text(svg, 100 if end else 0, _share(share) - 3, f"{share:.0%}", anchor="end" if end else "start")
    for value in _spaced(across.ticks(), across):
        line(svg, "axis", x=(across.place(value),) * 2, y=(HEIGHT - FOOT, HEIGHT - FOOT + 4))
        text(svg, across.place(value), HEIGHT - 6, shown(value, "inter_token_latency"), anchor="middle")
    curves = inner(svg, 0, HEIGHT)
    for index, (_, m) in enumerate(measured):
        add(curves, "path", f"curve {tone(index)}", d=path(_steps(m.samples, across)))
    return done(svg)


def _share(share: float) -> float:
    return HEIGHT - FOOT - share * (HEIGHT - FOOT - HEAD)


def _steps(samples: Sequence[float], across: LogScale) -> Iterator[tuple[float, float]]:
    """Of thousands of gaps what a page can show; of the longest ones each."""
    ordered, last = sorted(samples), len(samples) - 1
    middle = {round(step * last / MIDDLE) for step in range(MIDDLE + 1)}
    before = 0.0
    for index in sorted(middle | set(range(max(0, last - TAIL), last + 1))):
        place = across.place(ordered[index])
        yield place, _share(before)
        before = (index + 1) / len(ordered)
        yield place, _share(before)


def _percentiles(measured: Sequence[tuple[str, Measurement]]) -> str:
    told = [
        f"{name}: "
        + ", ".join(f"p{p} {shown(percentile(m.samples, p), m.metric)}" for p in (50, 95, 99))
        + f", longest {shown(max(m.samples), m.metric)}, of {len(m.samples)}"
        for name, m in measured
    ]
    return f"Over tokens. {'; '.join(told)}."
