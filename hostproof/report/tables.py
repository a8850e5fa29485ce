"""All tables of a report, in the order of the pages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hostproof.judge.model import Judged, Outcome
from hostproof.judge.statistics import median_interval, percentile, spread
from hostproof.judge.units import figure, label, shown, span, wanted
from hostproof.measure.figures import CARRIED_FROM
from hostproof.measure.result import METRICS, Measurement, Result
from hostproof.report import fleet
from hostproof.report.lane_tables import dense_and_experts, lanes
from hostproof.report.material import Material, Part
from hostproof.report.noise_table import noise
from hostproof.report.proof_tables import costs, proof
from hostproof.report.roofline_tables import limits, roofline, suspected
from hostproof.report.run_table import runs
from hostproof.report.seed_tables import ceiling, comparison, latency, performance_factor
from hostproof.report.table import NOTHING, WORDS, Row, Table, left, right


def main_tables(material: Material) -> tuple[Table, ...]:
    """What was asked for, and the tables of the article behind this project."""
    return (
        *fleet.tables(material),
        *(thresholds(part) for part in material.parts),
        *throughputs(material),
        *noise(material),
        *latency(material),
        comparison(material),
        *([performance_factor(material)] if material.measured else []),
        *dense_and_experts(material),
        *lanes(material),
        *ceiling(material),
        *roofline(material),
        *suspected(material),
        *costs(material),
        *proof(material),
    )


def all_tables(material: Material) -> tuple[Table, ...]:
    """The main ones, then the evidence behind them."""
    return (
        *main_tables(material),
        *agreements(material),
        *(checks(part, result) for part, result in material.measured),
        *limits(material),
        *runs(material),
        *under_load(material),
        *environment(material),
        *gaps(material),
    )


MOST_CELLS = 6
"""Columns with figures that A4 has room for."""
GOALS = {
    Outcome.PROVEN: "goal: reached",
    Outcome.BELOW: "goal: not yet",
    Outcome.INCONCLUSIVE: "goal: cannot tell",
    Outcome.UNMEASURED: "goal: not measured",
}
"""A goal decides nothing, so it has no sign of its own."""


def thresholds(part: Part) -> Table:
    """The bounds' sources are numbered and told under the table."""
    columns = (
        *left("Cell", "Metric", "Threshold"),
        *right("Measured", "95 % interval", "Runs"),
        *left("Verdict"),
        *right("Source"),
    )
    judged = (*part.verdict.judged, *part.verdict.goals)
    sources = list(dict.fromkeys(each.threshold.source for each in judged))
    rows = tuple(_threshold(each, sources.index(each.threshold.source) + 1) for each in judged)
    told = "; ".join(f"[{number}] {source}" for number, source in enumerate(sources, 1))
    note = (
        f"Sources of the bounds: {told}."
        if rows
        else f"Nothing was judged: {'; '.join(_sentence(each) for each in part.verdict.findings)}."
    )
    return Table(f"thresholds-{_key(part)}", f"Thresholds: {part.title}", columns, rows, note)


def _sentence(finding: str) -> str:
    """Without the log that may stand under it; the findings show that."""
    return (finding.splitlines() or [""])[0].removesuffix("Its log ends:").rstrip(" .:")


def _threshold(judged: Judged, source: int) -> Row:
    threshold, metric = judged.threshold, judged.threshold.metric
    value = shown(judged.value, metric) if judged.value is not None else NOTHING
    cells = (
        threshold.cell,
        label(metric),
        wanted(threshold),
        value,
        interval(judged),
        str(judged.runs),
        GOALS[judged.outcome] if threshold.goal else WORDS[judged.outcome],
        f"[{source}]",
    )
    return Row(cells, None if threshold.goal else judged.outcome)


def interval(judged: Judged) -> str:
    """A maximum is what it is: it has no interval."""
    metric = judged.threshold.metric
    if judged.threshold.statistic == "max" or (judged.low is None and judged.high is None):
        return NOTHING
    if judged.low is None or judged.high is None:
        limit = judged.low if judged.low is not None else judged.high
        return f"{'≥' if judged.high is None else '≤'} {shown(limit or 0.0, metric)}"
    return span(judged.low, judged.high, metric)


def throughputs(material: Material) -> Iterator[Table]:
    """A table a setup; several where a workload has more cells than paper is wide."""
    for part, result in material.measured:
        yield from _narrow(throughput(part, result))


def _narrow(table: Table) -> Iterator[Table]:
    """The same in tables of no more than MOST_CELLS cells; the note stands under the last."""
    firsts = range(1, len(table.columns), MOST_CELLS)
    for number, first in enumerate(firsts, 1):
        columns = (table.columns[0], *table.columns[first : first + MOST_CELLS])
        rows = tuple(
            replace(row, cells=(row.cells[0], *row.cells[first : first + MOST_CELLS])) for row in table.rows
        )
        last = number == len(firsts)
        many = f", {number} of {len(firsts)}" if len(firsts) > 1 else ""
        key = table.key if number == 1 else f"{table.key}-{number}"
        yield replace(
            table,
            key=key,
            title=f"{table.title}{many}",
            columns=columns,
            rows=rows,
            note=table.note if last else "",
        )


def throughput(part: Part, result: Result) -> Table:
    """Every metric in every cell: median and range."""
    cells = list(dict.fromkeys(m.cell for m in result.measurements))
    metrics = [name for name in METRICS if any(m.metric == name for m in result.measurements)]
    rows = tuple(
        Row((label(metric), *(_summary(result.find(cell, metric)) for cell in cells))) for metric in metrics
    )
    note = "Median, in brackets the range over the runs. Gaps between tokens: percentiles over tokens, p95 from 59 of them, p99 from 299."
    note += "".join(f" {NOTHING} {each}." for each in _missing(result))
    columns = (*left("Metric"), *right(*cells))
    return Table(f"throughput-{_key(part)}", f"Measured throughput: {part.title}", columns, rows, note)


def _missing(result: Result) -> Iterator[str]:
    cells: dict[tuple[str, str], list[str]] = {}
    for measured in result.measurements:
        if measured.problem:
            cells.setdefault((measured.metric, measured.problem), []).append(measured.cell)
    for (metric, problem), where in cells.items():
        yield f"{label(metric)} in {', '.join(where)}: {problem}"


def _summary(measured: Measurement | None) -> str:
    if measured is None or measured.problem:
        return NOTHING
    metric, samples = measured.metric, measured.samples
    middle = shown(median_interval(samples).value, metric)
    if measured.over == "tokens":
        return f"{middle}, {_tail(measured)}"
    if metric == "failed_requests":
        return f"{sum(samples):.0f} of {len(samples)}"
    if len(samples) == 1:
        return f"{middle} (1 run)"
    around = spread(samples)
    return middle if around.low == around.high else f"{middle} ({span(around.low, around.high, metric)})"


def _tail(measured: Measurement) -> str:
    """The percentiles that so many samples carry, else the largest."""
    samples, metric = measured.samples, measured.metric
    carried = [name for name, least in CARRIED_FROM.items() if len(samples) >= least]
    told = [f"{name} {shown(percentile(samples, float(name[1:])), metric)}" for name in carried]
    return ", ".join(told) or f"largest of {len(samples)} {shown(max(samples), metric)}"


def agreements(material: Material) -> Iterator[Table]:
    rows = tuple(
        Row(
            (
                part.title,
                each.cell,
                label(each.metric),
                shown(each.client, each.metric),
                shown(each.server, each.metric),
                each.server_source.removeprefix("server:"),
                f"{each.difference:.2%}",
            )
        )
        for part, result in material.measured
        for each in result.agreements
    )
    if rows:
        columns = (
            *left("Config", "Cell", "Metric"),
            *right("Client", "Server"),
            *left("Server's source"),
            *right("Difference"),
        )
        note = (
            "The same quantity by the instrument and by the server itself. "
            "The client's TTFT also holds HTTP, chat template and tokenizing."
        )
        yield Table("agreements", "Client and server side by side", columns, rows, note)


def checks(part: Part, result: Result) -> Table:
    rows = tuple(
        Row((each.name.replace("_", " "), "✓ pass" if each.passed else "✗ fail", each.detail))
        for each in result.checks
    )
    columns = left("Behaviour", "Verdict", "What was seen")
    return Table(f"checks-{_key(part)}", f"Behaviour: {part.title}", columns, rows)


def under_load(material: Material) -> Iterator[Table]:
    rows = tuple(Row((part.title, *row)) for part, result in material.measured for row in _telemetry(result))
    if rows:
        yield Table("under-load", "Host under load", left("Config", "What", "Seen"), rows)


def _telemetry(result: Result) -> Iterator[tuple[str, str]]:
    told = result.telemetry
    if cores := told.get("cpu_per_core"):
        yield f"CPU use of {len(cores)} cores", _cores(cores)
    if gpu := told.get("gpu"):
        yield "GPU memory, highest", shown(gpu["memory_used_bytes_max"], "peak_memory")
        yield "GPU power, highest", f"{figure(gpu['power_watts_max'])} W"
        yield "GPU energy over the runs", f"{figure(gpu['energy_joules'] / 1000)} kJ"
    if used := told.get("instrument"):
        wall, cpu = used.get("wall_seconds", 0.0), used.get("cpu_seconds", 0.0)
        share = f", {cpu / wall:.2%} of one core" if wall else ""
        yield "CPU time of the instrument", f"{cpu:.2f} s in {wall:.0f} s{share}"
    if (connect := told.get("connect_seconds_max")) is not None:
        yield "slowest connection", shown(connect, "ttft")


def _cores(cores: Sequence[float]) -> str:
    full = sum(core >= 0.95 for core in cores)
    return f"mean {sum(cores) / len(cores):.0%}, busiest {max(cores):.0%}, {full} of them at 95 % or more"


def environment(material: Material) -> Iterator[Table]:
    """One column a setup."""
    found = [(part.title, _circumstances(result)) for part, result in material.measured]
    keys = list(dict.fromkeys(key for _, told in found for key in told))
    rows = tuple(Row((key, *(told.get(key) or NOTHING for _, told in found))) for key in keys)
    if rows:
        yield Table("environment", "Environment", left("", *(title for title, _ in found)), rows)


def _circumstances(result: Result) -> dict[str, str]:
    setup, told = result.setup, {key.replace("_", " "): value for key, value in result.environment.items()}
    if told.get("memory bytes", "").isdigit():
        told["memory"] = shown(float(told.pop("memory bytes")), "peak_memory")
    return {
        "server": setup.server,
        "model": setup.model,
        "flags": " ".join(f"{name} {value}".strip() for name, value in setup.flags.items()),
        "hardware": result.hardware,
        "workload": f"{result.workload.get('name')} v{result.workload.get('version')}",
        "started": result.started,
        "finished": result.finished,
        **told,
    }


def gaps(material: Material) -> Iterator[Table]:
    rows = tuple(Row((part.title, gap)) for part, result in material.measured for gap in result.gaps)
    if rows:
        yield Table("gaps", "What could not be observed", left("Config", "Gap"), rows)


def _key(part: Part) -> str:
    return f"{part.verdict.host}-{part.verdict.setup}"
