"""Runs against their threshold, gaps between tokens, use of the cores, latency by output length. Pure: plain data in, markup out."""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p
from xml.etree.ElementTree import Element, SubElement

from markupsafe import Markup

from hostproof.judge.model import Judged, Threshold
from hostproof.judge.statistics import median_interval, percentile
from hostproof.judge.units import scaled, shown, unit, wanted
from hostproof.measure.result import Measurement
from hostproof.report.scale import Scale, around
from hostproof.report.svg import add, done, pc, picture, text

STRIP = 74
BINS = 60


def strip(measured: Measurement, judged: Judged | None) -> Markup:
    """Every run as a dot, later runs lower; below them the interval; the good side of the bound tinted."""
    samples = measured.samples
    bounds = _ends(judged.threshold) if judged else []
    scale = around([*samples, *bounds])
    svg = picture(STRIP, f"{measured.metric} in {measured.cell}: {len(samples)} runs")
    if judged:
        _good_side(svg, judged.threshold, scale)
    _axis(svg, scale, measured.metric, STRIP - 18)
    _interval(svg, measured, judged, scale)
    _dots(svg, measured, scale)
    if judged:
        _bound(svg, judged.threshold, scale)
    return done(svg)


def _ends(threshold: Threshold) -> list[float]:
    """One, two for a band, none if it is a share of a ceiling that nobody knows."""
    return [end for end in (threshold.low, threshold.high) if end is not None]


def _good_side(svg: Element, threshold: Threshold, scale: Scale) -> None:
    if not _ends(threshold):
        return
    left = 0.0 if threshold.low is None else scale.place(threshold.low)
    right = 100.0 if threshold.high is None else scale.place(threshold.high)
    add(svg, "rect", "good", x=pc(left), y="14", width=pc(right - left), height=str(STRIP - 32))


def _bound(svg: Element, threshold: Threshold, scale: Scale) -> None:
    for end in _ends(threshold):
        at = scale.place(end)
        add(svg, "line", "bound", x1=pc(at), x2=pc(at), y1="14", y2=str(STRIP - 18))
    if not _ends(threshold):
        return
    at = scale.place(_ends(threshold)[0])
    anchor = "end" if at > 65 else "start" if at < 35 else "middle"
    text(svg, at, 10, wanted(threshold), "bound-text", anchor=anchor)


def _interval(svg: Element, measured: Measurement, judged: Judged | None, scale: Scale) -> None:
    found, y = median_interval(measured.samples), STRIP - 28
    tone = f"interval {judged.outcome.value}" if judged else "interval"
    if found.low is not None and found.high is not None:
        low, high = scale.place(found.low), scale.place(found.high)
        ends = f"{shown(found.low, measured.metric)} to {shown(found.high, measured.metric)}"
        bar = add(svg, "rect", tone, x=pc(low), y=str(y), width=pc(max(high - low, 0.4)), height="6", rx="3")
        SubElement(bar, "title").text = f"95 % interval of the median: {ends}"
    at = scale.place(found.value)
    tick = add(svg, "line", "median", x1=pc(at), x2=pc(at), y1=str(y - 3), y2=str(y + 9))
    SubElement(tick, "title").text = f"median {shown(found.value, measured.metric)}"


def _dots(svg: Element, measured: Measurement, scale: Scale) -> None:
    """Warm-ups are hollow, and left out where they would need another scale."""
    inside = [value for value in measured.warmups if scale.low <= value <= scale.high]
    for index, value in enumerate(inside):
        dot = add(svg, "circle", "warmup", cx=pc(scale.place(value)), cy="18", r="3")
        SubElement(dot, "title").text = f"warm-up {index + 1}: {shown(value, measured.metric)}"
    step = 18 / max(len(measured.samples) - 1, 1)
    for index, value in enumerate(measured.samples):
        dot = add(svg, "circle", "run", cx=pc(scale.place(value)), cy=f"{21 + index * step:.1f}", r="3.2")
        SubElement(dot, "title").text = f"run {index + 1}: {shown(value, measured.metric)}"


def _axis(svg: Element, scale: Scale, metric: str, y: float) -> None:
    add(svg, "line", "axis", x1="0", x2="100%", y1=str(y), y2=str(y))
    # Round in the unit that is shown: 2 GiB is no round number of bytes.
    shown_as = scaled(1.0, metric, scale.high)
    ticks = [tick / shown_as for tick in Scale(scale.low * shown_as, scale.high * shown_as).ticks()]
    # One unit for all ticks: that of the largest.
    factor_of = max(ticks, default=scale.high)
    for value in ticks:
        at = scale.place(value)
        add(svg, "line", "axis", x1=pc(at), x2=pc(at), y1=str(y), y2=str(y + 4))
        text(svg, at, y + 15, _tick(value, metric, factor_of), "tick", anchor="middle")


def _tick(value: float, metric: str, largest: float) -> str:
    """Round figures in the unit of the largest tick, which alone names it."""
    told = f"{scaled(value, metric, largest):,.6g}"
    return f"{told} {unit(metric, largest)}".rstrip() if value == largest else told


def gaps(measured: Measurement) -> Markup:
    """Gaps between tokens up to the 99.5th percentile; heights by logarithm, so that one hiccup shows."""
    samples = measured.samples
    top = percentile(samples, 99.5)
    scale = around([*samples, top] if top == min(samples) else [min(samples), top])
    svg = picture(STRIP, f"gaps between tokens in {measured.cell}: {len(samples)}")
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
        mark = add(svg, "line", "median", x1=pc(at), x2=pc(at), y1="12", y2=str(STRIP - 18))
        SubElement(mark, "title").text = f"{name} {shown(percentile(samples, percent), measured.metric)}"
        text(svg, at, 10, name, "tick", anchor=anchor)
    return done(svg)


def _bin(
    svg: Element, scale: Scale, ends: tuple[float, float], *, count: int, most: int, metric: str
) -> None:
    height = 2 + (STRIP - 36) * log1p(count) / log1p(most)
    left, right = scale.place(ends[0]), scale.place(ends[1])
    bar = add(
        svg,
        "rect",
        "bin",
        x=pc(left),
        y=f"{STRIP - 18 - height:.1f}",
        width=pc(max(right - left - 0.25, 0.3)),
        height=f"{height:.1f}",
    )
    SubElement(bar, "title").text = f"{count} gaps from {shown(ends[0], metric)} to {shown(ends[1], metric)}"


def cores(shares: Sequence[float]) -> Markup:
    """Mean use of every core over the measured runs."""
    height, base = 92, 76
    svg = picture(height, f"CPU use of {len(shares)} cores")
    for share, name in ((1.0, "100 %"), (0.5, "50 %")):
        y = base - share * 66
        add(svg, "line", "grid", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}")
        text(svg, 100, y - 3, name, "tick", anchor="end")
    add(svg, "line", "axis", x1="0", x2="100%", y1=str(base), y2=str(base))
    slot = 94 / len(shares)
    every = max(1, -(-len(shares) // 16))
    for core, share in enumerate(shares):
        tall = max(min(share, 1.0) * 66, 0.5)
        width, left = min(slot * 0.8, 4.0), slot * (core + 0.5)
        bar = add(
            svg,
            "rect",
            "core",
            x=pc(left - width / 2),
            y=f"{base - tall:.1f}",
            width=pc(width),
            height=f"{tall:.1f}",
        )
        SubElement(bar, "title").text = f"core {core}: {share:.0%}"
        if core % every == 0:
            text(svg, left, base + 13, str(core), "tick", anchor="middle")
    return done(svg)
