"""Plots as inline SVG. Places are percentages, texts keep their size: a plot fits a phone and a wall.

Colours are the page's CSS variables: one drawing serves light and dark. Every mark has a title for the
pointer and for screen readers. Pure: plain data in, markup out (ElementTree escapes every name).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log1p
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from hostproof.judge.model import Judged, Threshold
from hostproof.judge.statistics import median_interval, percentile
from hostproof.judge.units import scaled, shown, unit, wanted
from hostproof.measure.result import Measurement
from hostproof.report.scale import Scale, around

STRIP = 74
BINS = 60
LATENCY = 230


@dataclass(frozen=True)
class Line:
    """Latency by output length of one cell of one setup."""

    name: str
    points: Mapping[int, Measurement]


def strip(measured: Measurement, judged: Judged | None) -> Markup:
    """Every run as a dot, later runs lower; below them the interval; the good side of the bound tinted."""
    samples = measured.samples
    bounds = _ends(judged.threshold) if judged else []
    scale = around([*samples, *bounds])
    svg = _svg(STRIP, f"{measured.metric} in {measured.cell}: {len(samples)} runs")
    if judged:
        _good_side(svg, judged.threshold, scale)
    _axis(svg, scale, measured.metric, STRIP - 18)
    _interval(svg, measured, judged, scale)
    _dots(svg, measured, scale)
    if judged:
        _bound(svg, judged.threshold, scale)
    return _done(svg)


def _ends(threshold: Threshold) -> list[float]:
    """One, two for a band, none if it is a share of a ceiling that nobody knows."""
    return [end for end in (threshold.low, threshold.high) if end is not None]


def _good_side(svg: Element, threshold: Threshold, scale: Scale) -> None:
    if not _ends(threshold):
        return
    left = 0.0 if threshold.low is None else scale.place(threshold.low)
    right = 100.0 if threshold.high is None else scale.place(threshold.high)
    _add(svg, "rect", "good", x=_pc(left), y="14", width=_pc(right - left), height=str(STRIP - 32))


def _bound(svg: Element, threshold: Threshold, scale: Scale) -> None:
    for end in _ends(threshold):
        at = scale.place(end)
        _add(svg, "line", "bound", x1=_pc(at), x2=_pc(at), y1="14", y2=str(STRIP - 18))
    if not _ends(threshold):
        return
    at = scale.place(_ends(threshold)[0])
    anchor = "end" if at > 65 else "start" if at < 35 else "middle"
    _text(svg, at, 10, wanted(threshold), "bound-text", anchor=anchor)


def _interval(svg: Element, measured: Measurement, judged: Judged | None, scale: Scale) -> None:
    found, y = median_interval(measured.samples), STRIP - 28
    tone = f"interval {judged.outcome.value}" if judged else "interval"
    if found.low is not None and found.high is not None:
        low, high = scale.place(found.low), scale.place(found.high)
        ends = f"{shown(found.low, measured.metric)} to {shown(found.high, measured.metric)}"
        bar = _add(
            svg, "rect", tone, x=_pc(low), y=str(y), width=_pc(max(high - low, 0.4)), height="6", rx="3"
        )
        SubElement(bar, "title").text = f"95 % interval of the median: {ends}"
    at = scale.place(found.value)
    tick = _add(svg, "line", "median", x1=_pc(at), x2=_pc(at), y1=str(y - 3), y2=str(y + 9))
    SubElement(tick, "title").text = f"median {shown(found.value, measured.metric)}"


def _dots(svg: Element, measured: Measurement, scale: Scale) -> None:
    """Warm-ups are hollow, and left out where they would need another scale."""
    inside = [value for value in measured.warmups if scale.low <= value <= scale.high]
    for index, value in enumerate(inside):
        dot = _add(svg, "circle", "warmup", cx=_pc(scale.place(value)), cy="18", r="3")
        SubElement(dot, "title").text = f"warm-up {index + 1}: {shown(value, measured.metric)}"
    step = 18 / max(len(measured.samples) - 1, 1)
    for index, value in enumerate(measured.samples):
        dot = _add(svg, "circle", "run", cx=_pc(scale.place(value)), cy=f"{21 + index * step:.1f}", r="3.2")
        SubElement(dot, "title").text = f"run {index + 1}: {shown(value, measured.metric)}"


def _axis(svg: Element, scale: Scale, metric: str, y: float) -> None:
    _add(svg, "line", "axis", x1="0", x2="100%", y1=str(y), y2=str(y))
    # Round in the unit that is shown: 2 GiB is no round number of bytes.
    shown_as = scaled(1.0, metric, scale.high)
    ticks = [tick / shown_as for tick in Scale(scale.low * shown_as, scale.high * shown_as).ticks()]
    # One unit for all ticks: that of the largest.
    factor_of = max(ticks, default=scale.high)
    for value in ticks:
        at = scale.place(value)
        _add(svg, "line", "axis", x1=_pc(at), x2=_pc(at), y1=str(y), y2=str(y + 4))
        _text(svg, at, y + 15, _tick(value, metric, factor_of), "tick", anchor="middle")


def _tick(value: float, metric: str, largest: float) -> str:
    """Round figures in the unit of the largest tick, which alone names it."""
    text = f"{scaled(value, metric, largest):,.6g}"
    return f"{text} {unit(metric, largest)}".rstrip() if value == largest else text


def gaps(measured: Measurement) -> Markup:
    """Gaps between tokens up to the 99.5th percentile; heights by logarithm, so that one hiccup shows."""
    samples = measured.samples
    top = percentile(samples, 99.5)
    scale = around([*samples, top] if top == min(samples) else [min(samples), top])
    svg = _svg(STRIP, f"gaps between tokens in {measured.cell}: {len(samples)}")
    _axis(svg, scale, measured.metric, STRIP - 18)
    counts = [0] * BINS
    for value in samples:
        counts[min(int((value - scale.low) / (scale.high - scale.low) * BINS), BINS - 1)] += 1
    width = (scale.high - scale.low) / BINS
    for index, count in enumerate(counts):
        if count:
            low = scale.low + index * width
            _bin(svg, scale, (low, low + width), count=count, most=max(counts), metric=measured.metric)
    for percent, name, anchor in ((50, "p50", "end"), (95, "p95", "middle"), (99, "p99", "start")):
        at = scale.place(percentile(samples, percent))
        mark = _add(svg, "line", "median", x1=_pc(at), x2=_pc(at), y1="12", y2=str(STRIP - 18))
        SubElement(mark, "title").text = f"{name} {shown(percentile(samples, percent), measured.metric)}"
        _text(svg, at, 10, name, "tick", anchor=anchor)
    return _done(svg)


def _bin(
    svg: Element, scale: Scale, ends: tuple[float, float], *, count: int, most: int, metric: str
) -> None:
    height = 2 + (STRIP - 36) * log1p(count) / log1p(most)
    left, right = scale.place(ends[0]), scale.place(ends[1])
    bar = _add(
        svg,
        "rect",
        "bin",
        x=_pc(left),
        y=f"{STRIP - 18 - height:.1f}",
        width=_pc(max(right - left - 0.25, 0.3)),
        height=f"{height:.1f}",
    )
    SubElement(bar, "title").text = f"{count} gaps from {shown(ends[0], metric)} to {shown(ends[1], metric)}"


def cores(shares: Sequence[float]) -> Markup:
    """Mean use of every core over the measured runs."""
    height, base = 92, 76
    svg = _svg(height, f"CPU use of {len(shares)} cores")
    for share, name in ((1.0, "100 %"), (0.5, "50 %")):
        y = base - share * 66
        _add(svg, "line", "grid", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}")
        _text(svg, 100, y - 3, name, "tick", anchor="end")
    _add(svg, "line", "axis", x1="0", x2="100%", y1=str(base), y2=str(base))
    slot = 94 / len(shares)
    every = max(1, -(-len(shares) // 16))
    for core, share in enumerate(shares):
        tall = max(min(share, 1.0) * 66, 0.5)
        width, left = min(slot * 0.8, 4.0), slot * (core + 0.5)
        bar = _add(
            svg,
            "rect",
            "core",
            x=_pc(left - width / 2),
            y=f"{base - tall:.1f}",
            width=_pc(width),
            height=f"{tall:.1f}",
        )
        SubElement(bar, "title").text = f"core {core}: {share:.0%}"
        if core % every == 0:
            _text(svg, left, base + 13, str(core), "tick", anchor="middle")
    return _done(svg)


def latency(lines: Sequence[Line], bounds: Sequence[Threshold]) -> Markup:
    """Seconds by output tokens: a dot a run, a line through the medians, a bar at each bound."""
    points = [(tokens, v) for line in lines for tokens, m in line.points.items() for v in m.samples]
    across = around([tokens for tokens, _ in points], zero=True)
    up = around([*(v for _, v in points), *(end for t in bounds for end in _ends(t))], zero=True)
    svg = _svg(LATENCY, "latency by output length")
    for value in up.ticks():
        y = _up(up, value)
        _add(svg, "line", "grid", x1="0", x2="100%", y1=y, y2=y)
        _text(svg, 0, float(y) - 3, f"{value:,.6g} s", "tick", anchor="start")
    for tokens in sorted({tokens for tokens, _ in points}):
        _text(svg, across.place(tokens), LATENCY - 4, f"{tokens} tokens", "tick", anchor="middle")
    for threshold in bounds:
        _latency_bound(svg, threshold, across, up)
    for index, line in enumerate(lines):
        _latency_line(svg, line, f"series-{index % 4}", across, up)
    return _done(svg)


def _latency_bound(svg: Element, threshold: Threshold, across: Scale, up: Scale) -> None:
    at = across.place(int(threshold.metric.rpartition("_")[2]))
    for end in _ends(threshold):
        y = _up(up, end)
        bar = _add(svg, "line", "bound", x1=_pc(at - 3), x2=_pc(at + 3), y1=y, y2=y)
        SubElement(bar, "title").text = wanted(threshold)
    _text(svg, at, float(y) - 5, wanted(threshold).removeprefix("median "), "bound-text", anchor="middle")


def _latency_line(svg: Element, line: Line, tone: str, across: Scale, up: Scale) -> None:
    medians = [
        (across.place(n), _up(up, median_interval(m.samples).value)) for n, m in sorted(line.points.items())
    ]
    for (x1, y1), (x2, y2) in pairwise(medians):
        _add(svg, "line", f"through {tone}", x1=_pc(x1), x2=_pc(x2), y1=y1, y2=y2)
    for tokens, measured in line.points.items():
        for index, value in enumerate(measured.samples):
            dot = _add(svg, "circle", f"run {tone}", cx=_pc(across.place(tokens)), cy=_up(up, value), r="3.2")
            SubElement(
                dot, "title"
            ).text = f"{line.name}, run {index + 1}: {tokens} tokens in {shown(value, 'ttft')}"


def _up(scale: Scale, value: float) -> str:
    """The scale's percentages turned into heights above the lower edge."""
    return f"{(LATENCY - 24) - (scale.place(value) / 100) * (LATENCY - 34):.1f}"


def _svg(height: int, name: str) -> Element:
    return Element(
        "svg", {"class": "plot", "width": "100%", "height": str(height), "role": "img", "aria-label": name}
    )


def _add(parent: Element, tag: str, tone: str, **attributes: str) -> Element:
    return SubElement(parent, tag, {"class": tone, **attributes})


def _text(svg: Element, x: float, y: float, text: str, tone: str, *, anchor: str) -> None:
    place = {"class": tone, "x": _pc(x), "y": f"{y:.1f}", "text-anchor": anchor}
    SubElement(svg, "text", place).text = text


def _pc(value: float) -> str:
    return f"{value:.2f}%"


def _done(svg: Element) -> Markup:
    return Markup(tostring(svg, encoding="unicode"))  # ElementTree has escaped it
