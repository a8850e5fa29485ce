"""The report as one page that needs nothing else: styles and plots inline, no request to anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hostproof.judge.model import Judged, Outcome
from hostproof.judge.statistics import median_interval
from hostproof.judge.units import figure, label, shown
from hostproof.judge.verdict import line
from hostproof.judge.viability import decoding, viability, waiting
from hostproof.measure.result import LATENCY_AT, Measurement, Result
from hostproof.report import plots, tables
from hostproof.report.material import Material, Part
from hostproof.report.proof_tables import costs, proof
from hostproof.report.ranking import remarks
from hostproof.report.seed_tables import ceiling, checkpoints, comparison, performance_factor
from hostproof.report.seed_tables import latency as latency_table
from hostproof.report.table import NOTHING, WORDS

TEMPLATES = Path(__file__).parent / "templates"
PLOTTED = ("generation_throughput", "prompt_throughput", "ttft", "inter_token_latency")


@dataclass(frozen=True)
class Plot:
    """A drawing with its words."""

    title: str
    said: str
    outcome: Outcome | None
    drawing: Markup


@dataclass(frozen=True)
class Card:
    """A setup at a glance."""

    part: Part
    model: str
    facts: tuple[tuple[str, str], ...]
    counts: str


@dataclass(frozen=True)
class Raw:
    """What a reader needs to do the sums again: workload, flags, every sample."""

    title: str
    workload: str
    samples: tuple[tuple[str, str, str, str], ...]
    """Cell, metric with unit, warm-ups, runs."""


def render(material: Material) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # our own file
    page = environment.get_template("report.html.j2")
    return page.render(style=style, words=WORDS, **_context(material)) + "\n"


def _context(material: Material) -> dict[str, object]:
    """Names here are names in the template."""
    return {
        "verdict": material.verdict,
        "line": line(material.verdict),
        "remarks": remarks(material),
        "cards": [_card(part) for part in material.parts],
        "thresholds": [tables.thresholds(part) for part in material.parts],
        "plots": [(part, list(_plots(part, result))) for part, result in material.measured],
        "throughput": [tables.throughput(part, result) for part, result in material.measured],
        "latency_plot": _latency(material),
        "latency": list(latency_table(material)),
        "summary": [comparison(material), performance_factor(material), *ceiling(material), *costs(material)],
        "cores": [
            (part, plots.cores(cores))
            for part, result in material.measured
            if (cores := result.telemetry.get("cpu_per_core"))
        ],
        "under_load": list(tables.under_load(material)),
        "evidence": [
            *proof(material),
            *tables.agreements(material),
            *(tables.checks(part, result) for part, result in material.measured),
            *tables.gaps(material),
        ],
        "environment": list(tables.environment(material)),
        "raw": [_raw(part, result) for part, result in material.measured],
    }


def _card(part: Part) -> Card:
    result, judged = part.result, part.verdict.judged
    speed, wait = decoding(result), waiting(result)
    facts = (
        ("TG", _middle(speed)),
        ("TTFT", _middle(wait)),
        ("PF", _factor(result, speed)),
        ("Viability", viability(result, part.verdict.outcome).word),
    )
    met = sum(each.outcome is Outcome.PROVEN for each in judged)
    checks = result.checks if result else ()
    counts = f"{met} of {len(judged)} thresholds, {sum(c.passed for c in checks)} of {len(checks)} checks"
    return Card(part, result.setup.model if result else "no Result", facts, counts)


def _middle(measured: Measurement | None) -> str:
    if measured is None:
        return NOTHING
    return shown(median_interval(measured.samples).value, measured.metric)


def _factor(result: Result | None, speed: Measurement | None) -> str:
    if result is None or speed is None or not result.setup.parameters_billion:
        return NOTHING
    return figure(median_interval(speed.samples).value / result.setup.parameters_billion)


def _plots(part: Part, result: Result) -> Iterator[Plot]:
    """Every threshold on a metric with one sample a run, then the speeds that nothing judges."""
    judged = {(j.threshold.cell, j.threshold.metric): j for j in part.verdict.judged}
    found = [m for m in result.measurements if not m.problem and _worth_it(m, judged.get((m.cell, m.metric)))]
    for measured in sorted(found, key=lambda m: (m.cell, m.metric) not in judged):
        yield _plot(measured, judged.get((measured.cell, measured.metric)))


def _worth_it(measured: Measurement, judged: Judged | None) -> bool:
    if measured.metric == "failed_requests" or (len(measured.samples) < 2 and not judged):
        return False
    return judged is not None or measured.metric in PLOTTED


def _plot(measured: Measurement, judged: Judged | None) -> Plot:
    title = f"{label(measured.metric)} · {measured.cell}"
    if measured.over == "tokens":
        said = f"{len(measured.samples):,} gaps, longest {shown(max(measured.samples), measured.metric)}"
        return Plot(title, said, judged.outcome if judged else None, plots.gaps(measured))
    return Plot(title, _middle(measured), judged.outcome if judged else None, plots.strip(measured, judged))


def _latency(material: Material) -> tuple[Markup, list[str]] | None:
    """The drawing and the names of its lines; None where no cell has checkpoints."""
    lines = [
        plots.Line(f"{part.title}, {cell}", {n: m for n, m in points.items() if not m.problem})
        for part, result in material.measured
        for cell, points in checkpoints(result).items()
        if any(not m.problem for m in points.values())
    ]
    bounds = [
        judged.threshold
        for part in material.parts
        for judged in part.verdict.judged
        if judged.threshold.metric.startswith(LATENCY_AT) and judged.value is not None
    ]
    return (plots.latency(lines, bounds), [each.name for each in lines]) if lines else None


def _raw(part: Part, result: Result) -> Raw:
    """Gaps between tokens are thousands: they stay in the run's results/."""
    rows = tuple(
        (m.cell, f"{label(m.metric)}, {m.unit}", _list(m.warmups), _list(m.samples))
        for m in result.measurements
        if m.samples and m.over == "runs"
    )
    return Raw(part.title, json.dumps(dict(result.workload), indent=1, ensure_ascii=False), rows)


def _list(values: tuple[float, ...]) -> str:
    return "  ".join(f"{value:.6g}" for value in values) or NOTHING
