"""Hosts on one scale: a bar from end to end of the interval, a tick at the median, the best on top. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.etree.ElementTree import Element

from markupsafe import Markup

from hostproof.judge.fleet import Place
from hostproof.judge.units import shown, span
from hostproof.report.scale import Scale, around
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
