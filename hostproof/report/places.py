"""Intervals on one scale: hosts, and ratios of after to before. A bar from end to end, a tick at the value. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.etree.ElementTree import Element

from markupsafe import Markup

from hostproof.judge.comparison import Row, Word
from hostproof.judge.fleet import Place
from hostproof.judge.units import label, shown, span
from hostproof.report.scale import LogScale, Scale, around, around_log
from hostproof.report.svg import add, done, line, pc, picture, text

ROW, FOOT = 30, 22


def places(name: str, order: Sequence[Place], odd: Collection[str]) -> Markup:
    """From 0, so that half as fast looks half as fast."""
    metric = order[0].metric
    ends = [end for place in order for end in (place.found.value, place.found.high) if end is not None]
    scale = around(ends, zero=True)
    height = ROW * len(order)
    seen = "; ".join(f"{place.host} {shown(place.found.value, metric)}" for place in order)
    svg = picture(height + FOOT, name, f"{seen}.")
    for value in scale.ticks():
        line(svg, "grid", x=(scale.place(value),) * 2, y=(0, height))
        text(svg, scale.place(value), height + 15, shown(value, metric), anchor="middle")
    for number, place in enumerate(order):
        _row(svg, place, number * ROW, scale, marked=place.host in odd)
    return done(svg)


def _row(svg: Element, place: Place, y: float, scale: Scale, *, marked: bool) -> None:
    low, high, at = place.found.low, place.found.high, scale.place(place.found.value)
    words = f"{place.host}{' (outlier)' if marked else ''}{' (contended)' if place.contended else ''}"
    text(svg, scale.place(0.0) + 0.4, y + 12, words, "named")
    if low is not None and high is not None:
        left, right = scale.place(low), scale.place(high)
        box = {"x": pc(left), "y": f"{y + 17}", "width": pc(max(right - left, 0.4)), "height": "7", "rx": "3"}
        told = f"{place.host}: {span(low, high, place.metric)}"
        add(svg, "rect", "interval below" if marked else "interval", told, **box)
    line(
        svg,
        "median",
        x=(at, at),
        y=(y + 14, y + 27),
        told=f"{place.host}: {shown(place.found.value, place.metric)}",
    )


TONES = {Word.BETTER: "interval proven", Word.WORSE: "interval below"}


def ratios(name: str, rows: Sequence[Row]) -> Markup:
    """After by before, a line a metric and cell; half and double are equally far from 1, where nothing has changed."""
    ends = [
        end
        for row in rows
        for end in (row.shift.interval.value, row.shift.interval.low, row.shift.interval.high)
    ]
    scale = around_log([1.0, *(end for end in ends if end is not None)])
    height = ROW * len(rows)
    seen = "; ".join(
        f"{label(row.metric)} in {row.cell}: {row.shift.interval.value:.3f}, {row.word.value}" for row in rows
    )
    svg = picture(height + FOOT, name, f"{seen}.")
    for value in scale.ticks():
        line(svg, "grid", x=(scale.place(value),) * 2, y=(0, height))
        text(svg, scale.place(value), height + 15, f"{value:.6g}", anchor="middle")
    line(svg, "bound", x=(scale.place(1.0),) * 2, y=(0, height))
    for number, row in enumerate(rows):
        _ratio(svg, row, number * ROW, scale)
    return done(svg)


def _ratio(svg: Element, row: Row, y: float, scale: LogScale) -> None:
    found, at = row.shift.interval, scale.place(row.shift.interval.value)
    words = f"{label(row.metric)}, {row.cell}: × {found.value:.3f}, {row.word.value}"
    text(svg, 0.4, y + 12, words, "named")
    if found.low is not None and found.high is not None:
        left, right = scale.place(found.low), scale.place(found.high)
        box = {"x": pc(left), "y": f"{y + 17}", "width": pc(max(right - left, 0.4)), "height": "7", "rx": "3"}
        add(svg, "rect", TONES.get(row.word, "interval"), f"{found.low:.3f} to {found.high:.3f}", **box)
    line(svg, "median", x=(at, at), y=(y + 14, y + 27), told=words)
