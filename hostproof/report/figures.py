"""Which plots a page has, with their titles and keys: from what was measured to a drawing with its words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from hostproof.judge.comparison import Comparison
from hostproof.judge.model import Outcome, Threshold
from hostproof.measure.result import LATENCY_AT, Measurement, Result
from hostproof.measure.workload import Cell, parse
from hostproof.report import reference
from hostproof.report.curves import SERIES, Line, Theirs
from hostproof.report.curves import by_length as curves_by_length
from hostproof.report.curves import distribution as curve_of_gaps
from hostproof.report.material import Material, Part
from hostproof.report.places import ratios as ratios_of
from hostproof.report.seed_tables import checkpoints
from hostproof.report.timeline import LEVELS, heat, timeline


@dataclass(frozen=True)
class Figure:
    """A drawing with its words. `keys`: what its lines are, in the order of their colours."""

    title: str
    drawing: Markup
    said: str = ""
    outcome: Outcome | None = None
    keys: tuple[str, ...] = ()
    theirs: str = ""
    """What somebody else's marks are called; empty: there are none."""
    note: str = ""
    shades: tuple[str, ...] = ()


def by_length(material: Material) -> Iterator[Figure]:
    """TTFT by prompt length and latency by answer length, all setups in one plot each."""
    yield from _waits(material)
    yield from _latencies(material)


def _waits(material: Material) -> Iterator[Figure]:
    lines: list[Line] = []
    bounds: list[tuple[int, Threshold]] = []
    for part, result in material.measured:
        cells = {cell.name: cell for cell in parse(result.workload).cells}
        for cache in ("cold", "warm"):
            points = _by_prompt(result, [cell for cell in cells.values() if cell.cache == cache])
            if points:
                lines.append(Line(f"{part.title}, {cache}", points))
        bounds += [
            (cells[judged.threshold.cell].prompt_tokens, judged.threshold)
            for judged in part.verdict.judged
            if judged.threshold.metric == "ttft" and judged.threshold.cell in cells
        ]
    if lines:
        title = "Time to first token by prompt length"
        note = "Cold: a prompt never seen before. Warm: one that the prefix cache holds. Cells of one length: the first of them."
        drawing = curves_by_length(title, lines, _once(bounds))
        yield Figure(title, drawing, keys=tuple(each.name for each in lines), note=note)


def _by_prompt(result: Result, cells: list[Cell]) -> dict[int, Measurement]:
    found: dict[int, Measurement] = {}
    for cell in cells:
        measured = result.find(cell.name, "ttft")
        if measured and measured.samples:
            found.setdefault(cell.prompt_tokens, measured)
    return found


def _latencies(material: Material) -> Iterator[Figure]:
    lines = [
        Line(f"{part.title}, {cell}", {n: m for n, m in points.items() if not m.problem})
        for part, result in material.measured
        for cell, points in checkpoints(result).items()
        if any(not m.problem for m in points.values())
    ]
    if not lines:
        return
    bounds = [
        (int(judged.threshold.metric.removeprefix(LATENCY_AT)), judged.threshold)
        for part in material.parts
        for judged in part.verdict.judged
        if judged.threshold.metric.startswith(LATENCY_AT) and judged.value is not None
    ]
    theirs = None
    if any(tokens in reference.LATENCY_SECONDS for each in lines for tokens in each.points):
        theirs = Theirs(f"{reference.SOURCE}, GPU nvfp4", reference.LATENCY_SECONDS)
    title = "Latency by output length"
    drawing = curves_by_length(title, lines, _once(bounds), theirs)
    keys = tuple(each.name for each in lines)
    yield Figure(title, drawing, keys=keys, theirs=theirs.name if theirs else "")


def _once(bounds: list[tuple[int, Threshold]]) -> list[tuple[int, Threshold]]:
    """Hosts that are judged alike have one bar."""
    return list({(tokens, bound.low, bound.high): (tokens, bound) for tokens, bound in bounds}.values())


def distribution(part: Part, result: Result) -> Iterator[Figure]:
    """The gaps between tokens; of many cells those with the most."""
    found = [m for m in result.measurements if m.over == "tokens" and m.samples and max(m.samples) > 0]
    chosen = sorted(found, key=lambda m: -len(m.samples))[:SERIES]
    if not chosen:
        return
    named = [(m.cell, m) for m in found if m in chosen]
    more = len(found) - len(chosen)
    note = f"And {more} more cells, in the table of raw samples." if more else ""
    title = f"Gaps between tokens (ITL), share that is at most so long · {part.title}"
    yield Figure(title, curve_of_gaps(title, named), keys=tuple(name for name, _ in named), note=note)


def ratios(found: Comparison) -> Iterator[Figure]:
    """After by before; nothing where no metric has a ratio."""
    rows = [row for row in found.rows if row.primary and row.shift.kind == "ratio"]
    if rows:
        title = f"After by before · {found.after.host}, {found.after.setup.name}"
        note = "The bar is the interval of the ratio; across 1 nothing can be told."
        yield Figure(title, ratios_of(title, rows), note=note)


def over_time(part: Part, result: Result) -> Iterator[Figure]:
    """Speed with telemetry under it, and the map of the cores on the same clock."""
    drawing = timeline(result)
    if drawing is not None:
        note = "A stair is one measured run, from its request on; warm-ups and checks lie between them. Tinted: runs beside a neighbour."
        yield Figure(f"Generation speed, and the host meanwhile · {part.title}", drawing, note=note)
    cores = heat(result)
    if cores is not None:
        shades = tuple(f"from {least:.0%}" for least in LEVELS)
        yield Figure(f"Each processor over time · {part.title}", cores, shades=shades)
