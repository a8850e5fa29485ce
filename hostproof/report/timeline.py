"""A whole measurement over time: generation speed, and under it what the host did meanwhile. Pure: plain data in, markup out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean
from typing import Any
from xml.etree.ElementTree import Element

from markupsafe import Markup

from hostproof.measure.result import Result
from hostproof.report.scale import Scale
from hostproof.report.svg import WIDE, add, done, field, line, path, pc, picture, text

PANEL, GAP, FOOT = 62, 22, 20
MOST_STEPS = 2400
"""Of all runs together; more are taken together, or a page of many runs would be megabytes."""
MOST_ROWS, MOST_CELLS = 96, 6000
"""Of the map of the cores, for the same reason."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.9)
"""A core that is busier than that is drawn in the next darker shade."""

Curve = Sequence[tuple[float, float | None]]
"""Seconds, value; None where nothing was seen."""


@dataclass(frozen=True)
class Panel:
    """Some curves on one scale from 0."""

    title: str
    unit: str
    curves: tuple[tuple[str, Curve], ...]
    """Name (empty: the title says it), and its points."""
    top: float = 0.0
    """Where the scale ends at least."""


def timeline(result: Result) -> Markup | None:
    """None if the Result has neither speed nor telemetry over time."""
    panels = [panel for panel in _panels(result.telemetry) if panel.curves]
    across = clock(result.telemetry)
    if not panels or across is None:
        return None
    height = len(panels) * (PANEL + GAP) + FOOT
    svg = picture(height, f"generation speed and host over time, {result.setup.name}", _told(panels))
    _contended(svg, result.telemetry, across, height - FOOT)
    for number, panel in enumerate(panels):
        _panel(svg, panel, number * (PANEL + GAP) + GAP - 6, across)
    _time_axis(svg, across, height - FOOT + 4)
    return done(svg)


def clock(told: Mapping[str, Any]) -> Scale | None:
    """Seconds since the first look; None if nothing has a time."""
    ends = [*told.get("series", {}).get("seconds", ())]
    ends += [
        each["begun_seconds"] + each["step_seconds"] * len(each["tokens"]) for each in told.get("pace", ())
    ]
    return Scale(0.0, max(ends)) if ends and max(ends) > 0 else None


def _panels(told: Mapping[str, Any]) -> Iterator[Panel]:
    yield Panel("Generation", "tok/s", tuple(("", curve) for curve in _speeds(told.get("pace", ()))))
    cores = len(told.get("heat", ()))
    series = (told.get("series", {}),)
    yield _of(*series, "Busy cores", "", {"server_cores": "server", "others_cores": "others"}, top=cores)
    yield _of(*series, "Waited for a core", "%", {"waited_cpu": ""}, times=100.0, top=10.0)
    yield _of(*series, "Clock under load", "MHz", {"mhz": "CPU", "gpu_mhz": "GPU"})
    yield _of(*series, "Power", "W", {"cpu_watts": "CPU", "gpu_watts": "GPU"})
    yield _of(*series, "GPU temperature", "°C", {"celsius": ""}, top=60.0)


def _of(
    series: Mapping[str, Sequence[float | None]],
    title: str,
    unit: str,
    names: Mapping[str, str],
    *,
    times: float = 1.0,
    top: float = 0.0,
) -> Panel:
    seconds = series.get("seconds", ())
    curves = tuple(
        (
            name,
            [
                (at or 0.0, None if v is None else v * times)
                for at, v in zip(seconds, series[key], strict=True)
            ],
        )
        for key, name in names.items()
        if key in series
    )
    return Panel(title, unit, curves, top)


def _speeds(paces: Sequence[Mapping[str, Any]]) -> Iterator[Curve]:
    """One stair for each run, from its request on: the wait for the first token is a stair at zero."""
    together = ceil(sum(len(each["tokens"]) for each in paces) / MOST_STEPS) or 1
    for each in paces:
        step, tokens = each["step_seconds"] * together, each["tokens"]
        stair: list[tuple[float, float | None]] = []
        for number, first in enumerate(range(0, len(tokens), together)):
            begun = each["begun_seconds"] + number * step
            speed = sum(tokens[first : first + together]) / step
            stair += [(begun, speed), (begun + step, speed)]
        yield stair


def _told(panels: Sequence[Panel]) -> str:
    """Mean and highest of each panel."""
    found = []
    for panel in panels:
        for name, curve in panel.curves[: 2 if panel.curves[0][0] else 1]:
            every = panel.curves if not name else ((name, curve),)
            values = [value for _, points in every for _, value in points if value is not None]
            if values:
                what = f"{panel.title} {name}".strip()
                found.append(
                    f"{what}: mean {fmean(values):.3g}, highest {max(values):.3g} {panel.unit}".rstrip()
                )
    return f"{'; '.join(found)}."


def _panel(svg: Element, panel: Panel, y: float, across: Scale) -> None:
    values = [value for _, points in panel.curves for _, value in points if value is not None]
    up = Scale(0.0, max([panel.top, *values]) * 1.05 or 1.0)
    for value in up.ticks(3):
        at = y + PANEL * (1 - value / up.high)
        line(svg, "grid", x=(0, 100), y=(at, at))
        text(svg, 100, at - 2, f"{value:,.6g} {panel.unit}".rstrip(), anchor="end")
    line(svg, "axis", x=(0, 100), y=(y + PANEL, y + PANEL))
    text(svg, 0, y - 5, panel.title, "panel")
    drawn = field(svg, y, PANEL)
    named = [name for name, _ in panel.curves if name]
    for name, points in panel.curves:
        look = f"curve series-{named.index(name) if name else 0}"
        for piece in _pieces(points):
            add(drawn, "path", look, d=path((across.place(at), PANEL * (1 - v / up.high)) for at, v in piece))
    for number, name in enumerate(named):
        left = 36 + number * 15
        line(svg, f"through series-{number}", x=(left, left + 3), y=(y - 9, y - 9))
        text(svg, left + 3.6, y - 5, name)


def _pieces(points: Curve) -> Iterator[list[tuple[float, float]]]:
    """Where something was seen without a break."""
    piece: list[tuple[float, float]] = []
    for at, value in points:
        if value is None:
            if piece:
                yield piece
            piece = []
        else:
            piece.append((at, value))
    if piece:
        yield piece


def _contended(svg: Element, told: Mapping[str, Any], across: Scale, height: float) -> None:
    for run in told.get("runs", ()):
        if run["contended"]:
            left = across.place(run["begun_seconds"])
            right = across.place(run["begun_seconds"] + run["seconds"])
            words = f"contended: {run['cell']} run {run['number']}: {run['contended']}"
            box = {"x": pc(left), "width": pc(max(right - left, 0.3)), "y": "0", "height": f"{height:g}"}
            add(svg, "rect", "contended", words, **box)


def _time_axis(svg: Element, across: Scale, y: float) -> None:
    long = across.high > 600
    for value in across.ticks(8):
        shown = f"{value / 60:,.4g} min" if long else f"{value:,.4g} s"
        line(svg, "axis", x=(across.place(value),) * 2, y=(y - 4, y))
        text(svg, across.place(value), y + 12, shown, anchor="middle")


def heat(result: Result) -> Markup | None:
    """A row a core, time from left to right as above; the darker the busier. None without telemetry."""
    told = result.telemetry
    across, cores = clock(told), told.get("heat", ())
    seconds = told.get("series", {}).get("seconds", ())
    if across is None or not cores or not seconds:
        return None
    rows, per_row = _rows(cores)
    edges, rows = _columns(rows, [0.0, *seconds])
    tall = max(3, min(16, 240 // len(rows)))
    height = len(rows) * tall
    busy = [fmean(core) / 100 for core in cores]
    most = max(range(len(busy)), key=busy.__getitem__)
    seen = (
        f"Mean use of {len(cores)} processors {fmean(busy):.0%}; busiest: {most}, {busy[most]:.0%}; "
        f"{sum(share >= 0.95 for share in busy)} of them at 95 % or more."
    )
    svg = picture(height + FOOT + 4, f"use of each processor over time, {result.setup.name}", seen)
    drawn = field(svg, 0, height)
    for level in range(1, len(LEVELS) + 1):
        if shape := "".join(_boxes(rows, edges, level, tall, across)):
            add(drawn, "path", f"heat heat-{level}", d=shape)
    every = max(1, ceil(13 / tall))
    for number in range(0, len(rows), every):
        text(svg, 3.2, number * tall + min(tall, 12) - 2, str(number * per_row), anchor="end")
    _time_axis(svg, across, height + 6)
    return done(svg)


def _rows(cores: Sequence[Sequence[int]]) -> tuple[list[list[float]], int]:
    """Shares, several processors to a row where they are many; and how many."""
    per_row = ceil(len(cores) / MOST_ROWS)
    groups = [cores[first : first + per_row] for first in range(0, len(cores), per_row)]
    return [[fmean(column) / 100 for column in zip(*group, strict=True)] for group in groups], per_row


def _columns(rows: list[list[float]], edges: list[float]) -> tuple[list[float], list[list[float]]]:
    """Coarser in time until the map has no more than MOST_CELLS."""
    together = ceil(len(rows) * len(rows[0]) / MOST_CELLS)
    firsts = range(0, len(rows[0]), together)
    ends = [edges[min(first + together, len(edges) - 1)] for first in firsts]
    return [edges[0], *ends], [[fmean(row[first : first + together]) for first in firsts] for row in rows]


def _boxes(
    rows: list[list[float]], edges: list[float], level: int, tall: int, across: Scale
) -> Iterator[str]:
    """One box for neighbours in time that have the same shade."""
    for number, row in enumerate(rows):
        shades = [sum(share >= least for least in LEVELS) for share in row]
        column = 0
        while column < len(shades):
            end = column
            while end < len(shades) and shades[end] == shades[column]:
                end += 1
            if shades[column] == level:
                left, right = (round(across.place(edges[at]) * WIDE / 100) for at in (column, end))
                yield f"M{left} {number * tall}h{right - left}v{tall - 1}h{left - right}z"
            column = end
