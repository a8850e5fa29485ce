"""The report for programs: verdict, figures with their intervals, and the tables as the pages show them.

Its schema: docs/schema/report-1.json.
"""

from __future__ import annotations

import json
from typing import Any

from hostproof.judge import statistics
from hostproof.judge.verdict_json import to_dict
from hostproof.judge.viability import viability
from hostproof.measure.figures import CARRIED_FROM
from hostproof.measure.result import Measurement, Result
from hostproof.report import fleet
from hostproof.report.material import Material, Part
from hostproof.report.ranking import remarks
from hostproof.report.table import Table
from hostproof.report.tables import all_tables

SCHEMA = "hostproof.report/1"


def render(material: Material) -> str:
    """Raw samples are not repeated: they lie in the run's results/."""
    found = {
        "schema": SCHEMA,
        "verdict": to_dict(material.verdict, material.titles),
        "remarks": [
            {"outcome": r.outcome.value if r.outcome else None, "setup": r.title, "text": r.text}
            for r in remarks(material)
        ],
        "setups": [_setup(part, result) for part, result in material.measured],
        "fleet": fleet.as_json(material),
        "tables": [_table(table) for table in all_tables(material)],
    }
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _setup(part: Part, result: Result) -> dict[str, Any]:
    return {
        "host": result.host,
        "setup": result.setup.name,
        "title": part.title,
        "model": result.setup.model,
        "hardware": result.hardware,
        "started": result.started,
        "finished": result.finished,
        "viability": viability(result, part.verdict.outcome).word,
        "measurements": [_measurement(measured) for measured in result.measurements],
        "runs": [
            {**run, "contended": bool(run["contended"]), "why": run["contended"]} for run in _runs(result)
        ],
    }


def _runs(result: Result) -> list[dict[str, Any]]:
    return [dict(run) for run in result.telemetry.get("runs", ())]


def _measurement(measured: Measurement) -> dict[str, Any]:
    about = {
        "cell": measured.cell,
        "metric": measured.metric,
        "unit": measured.unit,
        "over": measured.over,
        "source": measured.source,
        "n": len(measured.samples),
    }
    if measured.problem:
        return {**about, "problem": measured.problem}
    samples = measured.samples
    middle, around = statistics.median_interval(samples), statistics.spread(samples)
    figures: dict[str, Any] = {
        "median": middle.value,
        "min": around.low,
        "max": around.high,
        "iqr": around.iqr,
        **{
            name: statistics.percentile(samples, float(name[1:])) if len(samples) >= least else None
            for name, least in CARRIED_FROM.items()
        },
    }
    if measured.over == "runs":
        figures["interval"] = None if middle.low is None else [middle.low, middle.high]
        figures["lag_1_autocorrelation"] = statistics.autocorrelation(samples)
    return {**about, **figures}


def _table(table: Table) -> dict[str, Any]:
    return {
        "key": table.key,
        "title": table.title,
        "columns": [name for name, _ in table.columns],
        "rows": [list(row.cells) for row in table.rows],
        "note": table.note,
    }
