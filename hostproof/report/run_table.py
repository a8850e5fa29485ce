"""Each run with what was seen of the host meanwhile; a run beside a neighbour is marked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hostproof.judge.units import figure, shown
from hostproof.measure.result import Result
from hostproof.report.material import Material
from hostproof.report.table import NOTHING, Row, Table, left, right

CONTENDED = "! contended"
COLUMNS = (
    *left("Config", "Cell"),
    *right("Run", "TG", "Server's cores", "Others' cores", "Waited for a core", "Clock"),
    *right("Energy", "Energy a token", "Throughput a watt"),
    *left("GPU held back by", "Contended"),
)
BESIDE = ("generation_throughput", "energy_per_token", "throughput_per_watt")
"""Metrics that are shown beside telemetry, where every run of the cell has one."""


def runs(material: Material) -> Iterator[Table]:
    """Only where telemetry ran."""
    rows = tuple(
        Row((part.title, *_cells(result, run)), marked=bool(run["contended"]))
        for part, result in material.measured
        for run in result.telemetry.get("runs", ())
    )
    if not rows:
        return
    contended = sum(row.marked for row in rows)
    note = (
        f"{contended} of {len(rows)} runs are contended: everything but server and instrument took more than 5 % of the processors and "
        "somebody waited for one, or memory was short (docs/telemetry.md). Energy is the whole host's, as far as it tells."
    )
    yield _known(Table("runs", "Runs, and the host meanwhile", COLUMNS, rows, note))


def _known(table: Table) -> Table:
    """Without the columns in which no host tells anything: a counter that is not there is told in the gaps."""
    kept = [n for n in range(len(table.columns)) if any(row.cells[n] != NOTHING for row in table.rows)]
    rows = tuple(replace(row, cells=tuple(row.cells[n] for n in kept)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[n] for n in kept), rows=rows)


def _cells(result: Result, run: Mapping[str, Any]) -> tuple[str, ...]:
    speed, energy, per_watt = (_beside(result, run, metric) for metric in BESIDE)
    waited = run.get("waited_cpu")
    return (
        str(run["cell"]),
        str(run["number"]),
        speed,
        *(_figure(run.get(name)) for name in ("server_cores", "others_cores")),
        NOTHING if waited is None else f"{waited:.0%}",
        _figure(run.get("mhz"), " MHz"),
        _joules(run),
        energy,
        per_watt,
        ", ".join(run["throttles"]) or NOTHING,
        f"{CONTENDED}: {run['contended']}" if run["contended"] else "no",
    )


def _beside(result: Result, run: Mapping[str, Any], metric: str) -> str:
    """The run's own sample; nothing where a run of the cell has none, since then nobody knows whose is whose."""
    measured = result.find(run["cell"], metric)
    numbers = [each["number"] for each in result.telemetry["runs"] if each["cell"] == run["cell"]]
    if measured is None or len(measured.samples) != len(numbers):
        return NOTHING
    return shown(measured.samples[numbers.index(run["number"])], metric)


def _joules(run: Mapping[str, Any]) -> str:
    known = [run[name] for name in ("cpu_joules", "gpu_joules") if name in run]
    return f"{figure(sum(known))} J" if known else NOTHING


def _figure(value: float | None, unit: str = "") -> str:
    return NOTHING if value is None else f"{figure(value)}{unit}"
