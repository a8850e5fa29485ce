"""What a reader should know though it decides nothing, most important first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostproof.judge import contended, statistics
from hostproof.judge.roofline import Roofline
from hostproof.judge.units import label, shown
from hostproof.measure.result import Agreement, Measurement, Result

DISAGREEMENT = 0.02
TTFT_ALLOWANCE_SECONDS = 0.02
"""HTTP, template and tokenizing lie outside the server's own watch: 3-12 ms were seen (docs/measuring.md)."""
QUIET_LOAD = 0.5
"""One-minute load below which a host counts as idle, or a twentieth of its cores if that is more."""
INSTRUMENT_SHARE = 0.05
"""Of one core, over the whole measurement."""
WIDE = 0.10
"""Quartiles further apart than this share of the median."""
HEALTHY = 0.5
"""Of the ceiling: healthy servers reach 55-70 % at batch 1 (docs/nvfp4-proof.md); below this something is mostly wrong."""
SPEEDS = ("ttft", "generation_throughput")
"""Prompt throughput and performance factor are these two once more."""


def findings(result: Result, roof: Roofline | None = None) -> Iterator[str]:
    """`roof`: what limits it; then suspects.py says how far below it is, and why."""
    if result.unfinished:
        yield f"unfinished, and a part is never judged as the whole: {result.unfinished}"
    yield from _unchecked(result)
    yield from _disagreements(result)
    yield from contended.findings(result)
    yield from _load(result)
    if roof is None:
        yield from _far_below_the_ceiling(result.measurements)
    for measured in result.measurements:
        yield from _dependence(measured)
    yield from _spread(result.measurements)
    yield from _instrument(result)
    yield from _telemetry(result)
    yield from result.findings
    yield from result.gaps


def _unchecked(result: Result) -> Iterator[str]:
    if not result.checks:
        yield "no behaviour was checked, and an answer is the proof that a server is up"


def _disagreements(result: Result) -> Iterator[str]:
    for agreement in result.agreements:
        if _disagrees(agreement, result.agreements):
            metric = agreement.metric
            yield (
                f"client and server disagree by {agreement.difference:.1%} on {label(metric)} "
                f"in {agreement.cell}: {shown(agreement.client, metric)} "
                f"against {shown(agreement.server, metric)} ({agreement.server_source})"
            )


def _disagrees(agreement: Agreement, others: tuple[Agreement, ...]) -> bool:
    """Prompt throughput is the time to first token once more: what excuses one excuses the other."""
    if agreement.difference <= DISAGREEMENT:
        return False
    if agreement.metric == "ttft":
        return abs(agreement.client - agreement.server) > TTFT_ALLOWANCE_SECONDS
    if agreement.metric == "prompt_throughput":
        twins = [a for a in others if a.metric == "ttft" and a.cell == agreement.cell]
        return any(_disagrees(twin, ()) for twin in twins) or not twins
    return True


def _load(result: Result) -> Iterator[str]:
    """Nothing is said where the environment tells no load; that is a gap of the instrument's own."""
    try:
        before = float(result.environment.get("load_before", "").split()[0])
        cores = int(result.environment.get("cores", "0"))
    except (IndexError, ValueError):
        return
    if before > max(QUIET_LOAD, cores / 20):
        yield (
            f"the host was not idle before the start: load {before:.2f} on {cores} cores, "
            "so the figures may be too low"
        )


def _far_below_the_ceiling(measurements: Iterable[Measurement]) -> Iterator[str]:
    """Decides nothing, as the figure may still be what was asked for."""
    low = {
        measured.cell: share
        for measured in measurements
        if measured.metric == "ceiling_fraction" and measured.samples
        if (share := statistics.median_interval(measured.samples).value) < HEALTHY
    }
    if low:
        told = ", ".join(f"{share:.0%} in {cell}" for cell, share in low.items())
        yield (
            f"generation reaches {told} of what the memory allows, and 55-70 % is usual: look for a weak kernel, missing CUDA "
            "graphs, other weights than named, a model that runs its layers twice, a power limit"
        )


def _dependence(measured: Measurement) -> Iterator[str]:
    if measured.metric not in SPEEDS or measured.over != "runs":
        return
    if statistics.depends_on_the_run_before(measured.samples):
        found = statistics.autocorrelation(measured.samples)
        yield (
            f"{label(measured.metric)} in {measured.cell}: each run resembles the one before "
            f"(lag-1 correlation {found:.2f} over {len(measured.samples)} runs), so its interval "
            "is too narrow; look for warming up or a neighbour"
        )


def _spread(measurements: Iterable[Measurement]) -> Iterator[str]:
    """One sentence for all: on a busy host every speed is unsteady, for one reason."""
    wide = [
        f"{label(measured.metric)} in {measured.cell} {share * 100:.0f} %"
        for measured in measurements
        if measured.metric in SPEEDS and (share := _middle_half(measured)) > WIDE
    ]
    if wide:
        yield f"unsteady, so wide intervals; the middle half of the runs spans, of the median: {', '.join(wide)}"


def _middle_half(measured: Measurement) -> float:
    """As a share of the median; 0 for too few runs."""
    if len(measured.samples) < statistics.LOOKS[0]:
        return 0.0
    middle = statistics.median_interval(measured.samples).value
    return statistics.spread(measured.samples).iqr / middle if middle else 0.0


def _instrument(result: Result) -> Iterator[str]:
    used = result.telemetry.get("instrument", {})
    wall, cpu = used.get("wall_seconds", 0.0), used.get("cpu_seconds", 0.0)
    if wall and cpu / wall > INSTRUMENT_SHARE:
        yield f"measuring itself took {cpu / wall:.0%} of one core"


def _telemetry(result: Result) -> Iterator[str]:
    used = result.telemetry.get("sampling", {})
    wall, cpu = used.get("wall_seconds", 0.0), used.get("cpu_seconds", 0.0)
    if wall and cpu / wall > INSTRUMENT_SHARE:
        yield f"looking at the host took {cpu / wall:.0%} of one core"
    swapped = sum(run.get("swapped_in_pages", 0) for run in result.telemetry.get("runs", ()))
    if swapped:
        yield f"{swapped} pages came back from swap during the runs: a server that swaps waits for its disk"
    throttles = dict.fromkeys(
        name for run in result.telemetry.get("runs", ()) for name in run.get("throttles", ())
    )
    if throttles:
        yield f"the GPU held its clocks back during the runs: {', '.join(throttles)}"
