"""The report as one page that needs nothing else: styles and plots inline, no script, no request to anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hostproof.judge.comparison import Comparison
from hostproof.judge.model import Judged, Outcome
from hostproof.judge.statistics import median_interval
from hostproof.judge.units import figure, label, shown
from hostproof.judge.verdict import line
from hostproof.judge.viability import decoding, viability, waiting
from hostproof.measure.result import Measurement, Result
from hostproof.report import comparison as side_by_side
from hostproof.report import figures, fleet, plots, tables
from hostproof.report.figures import Figure
from hostproof.report.lane_tables import dense_and_experts, lanes
from hostproof.report.limits import bars, limits
from hostproof.report.material import Material, Part
from hostproof.report.proof_tables import costs, proof
from hostproof.report.ranking import remarks
from hostproof.report.raw_tables import key, raw
from hostproof.report.roofline_tables import limits as made_of
from hostproof.report.roofline_tables import roofline, suspected
from hostproof.report.run_table import runs
from hostproof.report.seed_tables import ceiling, comparison, performance_factor
from hostproof.report.seed_tables import latency as latency_table
from hostproof.report.table import NOTHING, WORDS, Table

TEMPLATES = Path(__file__).parent / "templates"
PLOTTED = ("generation_throughput", "prompt_throughput", "ttft", "inter_token_latency")
MOST_UNJUDGED = 24
"""Plots of what no threshold judges, in one setup; their figures are in the tables."""
MOST_RUNS = 60
"""Rows of runs between the plots; more of them are among the raw numbers."""


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

    key: str
    title: str
    workload: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Section:
    """What a reader can jump to."""

    key: str
    title: str


def render(material: Material, before: Sequence[Comparison] = ()) -> str:
    """`before`: this run beside an earlier one, setup by setup.

    Of several hosts it is the fleet's page; each has one of its own (`page_of`).
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # our own file
    page = environment.get_template("report.html.j2")
    found = _context(material) | _beside(before)
    found["evidence"] = [*_tables(found["evidence"]), *_rest(material, found)]
    sections = list(_sections(found))
    return page.render(style=style, words=WORDS, sections=sections, **found) + "\n"


def _beside(before: Sequence[Comparison]) -> dict[str, object]:
    return {
        "before": [table for each in before for table in side_by_side.named_tables(each)],
        "before_told": [text for each in before for text in side_by_side.told(each)],
        "ratios": [each for comparison_ in before for each in figures.ratios(comparison_)],
    }


def _rest(material: Material, found: dict[str, object]) -> Iterator[Table]:
    """Tables of the other forms that have no place of their own here: nothing that is told elsewhere is missing on the page."""
    fleet_of = found["fleet"]
    placed = {table.key for value in found.values() for table in _tables(value)}
    placed |= {table.key for table in fleet_of.tables} if isinstance(fleet_of, fleet.Fleet) else set()
    yield from (table for table in tables.all_tables(material) if table.key not in placed)


def _tables(value: object) -> list[Table]:
    return [each for each in value if isinstance(each, Table)] if isinstance(value, list) else []


def _sections(found: dict[str, object]) -> Iterator[Section]:
    """In the order of the page; those that have something to show."""
    for name, title, shown_if in (
        ("findings", "Findings", True),
        ("fleet", "The hosts side by side", found["fleet"]),
        ("before", "Before and after", found["before"]),
        ("thresholds", "Thresholds", found["thresholds"]),
        ("speed", "Throughput and latency", True),
        ("time", "Over time", found["time"]),
        ("limits", "How near to the limit", found["limits"] or found["limit_tables"]),
        ("use", "What it is good for", found["summary"]),
        ("host", "The host under load", found["cores"] or found["under_load"]),
        ("trust", "Can the figures be trusted?", True),
        ("raw", "Method and raw samples", True),
    ):
        if shown_if:
            yield Section(name, title)


def _context(material: Material) -> dict[str, object]:
    """Names here are names in the template. Of several hosts the plots are on their own pages."""
    alone = len(material.hosts) <= 1
    measured = material.measured if alone else ()
    many = sum(len(result.telemetry.get("runs", ())) for _, result in material.measured) > MOST_RUNS
    return {
        "verdict": material.verdict,
        "line": line(material.verdict),
        "remarks": remarks(material),
        "cards": [_card(part) for part in material.parts],
        "fleet": fleet.of(material),
        "pages": {} if alone else {host: page_of(host) for host in material.hosts},
        "thresholds": [tables.thresholds(part) for part in material.parts],
        "plots": [(part, list(_plots(part, result))) for part, result in measured],
        "throughput": list(tables.throughputs(material)),
        "by_length": list(figures.by_length(material)),
        "gaps": [each for part, result in measured for each in figures.distribution(part, result)],
        "latency": list(latency_table(material)),
        "time": [each for part, result in measured for each in figures.over_time(part, result)],
        "limits": bars(list(limits(material))),
        "limit_tables": [
            *roofline(material),
            *suspected(material),
            *ceiling(material),
            *costs(material),
            *made_of(material),
        ],
        "summary": [
            comparison(material),
            performance_factor(material),
            *dense_and_experts(material),
            *lanes(material),
        ],
        "cores": [
            (part, plots.cores(cores))
            for part, result in measured
            if (cores := result.telemetry.get("cpu_per_core"))
        ],
        "under_load": [*([] if many else runs(material)), *tables.under_load(material)],
        "evidence": [
            *proof(material),
            *tables.agreements(material),
            *(tables.checks(part, result) for part, result in material.measured),
            *tables.gaps(material),
        ],
        "environment": list(tables.environment(material)),
        "raw": [_raw(part, result) for part, result in measured],
        "many_runs": list(runs(material)) if many else [],
    }


def page_of(host: str) -> str:
    """The file that has the plots of one host of several; a host's name is one that a file can have."""
    return f"report-{host}.html"


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


def _plots(part: Part, result: Result) -> Iterator[Figure]:
    """Every threshold on a metric with one sample a run, then the speeds that nothing judges."""
    judged = {(j.threshold.cell, j.threshold.metric): j for j in part.verdict.judged}
    found = [m for m in result.measurements if not m.problem and _worth_it(m, judged.get((m.cell, m.metric)))]
    chosen = [m for m in found if (m.cell, m.metric) in judged]
    chosen += [m for m in found if (m.cell, m.metric) not in judged][:MOST_UNJUDGED]
    for measured in chosen:
        yield _plot(measured, judged.get((measured.cell, measured.metric)))


def _worth_it(measured: Measurement, judged: Judged | None) -> bool:
    if measured.metric == "failed_requests" or (len(measured.samples) < 2 and not judged):
        return False
    return judged is not None or measured.metric in PLOTTED


def _plot(measured: Measurement, judged: Judged | None) -> Figure:
    title = f"{label(measured.metric)} · {measured.cell}"
    outcome = judged.outcome if judged else None
    if measured.over == "tokens":
        said = f"{len(measured.samples):,} gaps, longest {shown(max(measured.samples), measured.metric)}"
        return Figure(title, plots.gaps(measured), said=said, outcome=outcome)
    return Figure(title, plots.strip(measured, judged), said=_middle(measured), outcome=outcome)


def _raw(part: Part, result: Result) -> Raw:
    workload = json.dumps(dict(result.workload), indent=1, ensure_ascii=False)
    return Raw(key(part), part.title, workload, tuple(raw(part, result)))
