"""From the runs of a cell to Measurements. Pure; every metric is there, with samples or a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hostproof.measure import sample
from hostproof.measure.result import LATENCY_AT, Measurement
from hostproof.measure.sample import CellRuns, Run
from hostproof.measure.stream import Stream

UNCOUNTED = "the server's streams come without usage, and chunks are no tokens"
Of = Callable[[Run], float | None]


@dataclass(frozen=True)
class Circumstances:
    """What is the same for all cells of a measurement."""

    parameters_billion: float
    memory_source: str
    memory_problem: str
    kv_capacity: float | None
    """Tokens that the KV cache holds, if known: one sequence alone owns it, so its tokens are the usage."""
    energy_source: str = ""
    """Whose counters: `rapl`, `nvml`, `rapl+nvml`; empty if there are none."""
    ceiling: float = 0.0
    """tok/s that the memory's bandwidth allows; 0: not known."""


def measurements(cells: CellRuns, about: Circumstances) -> Iterator[Measurement]:
    """Every metric of one cell."""
    cell, take = cells.cell, _Taker(cells)
    if cell.kind == "cancel":  # what else was seen is of the short request after it
        yield from _of_kind(take)
        yield take("failed_requests", _failed)
        return
    yield take("ttft", _streamed(sample.ttft))
    if cell.cache == "cold":
        yield take("prompt_throughput", _streamed(sample.prompt_throughput))
    else:
        yield take.nothing(
            "prompt_throughput", "the prompt comes from the prefix cache, no speed follows from it"
        )
    yield take("generation_throughput", _streamed(sample.generation_throughput))
    yield _token_gaps(take)
    yield take("latency", _streamed(sample.latency))
    for tokens in cell.checkpoints:
        yield take(f"{LATENCY_AT}{tokens}", _latency_at(tokens))
    yield _kv_cache(take, about)
    source = next((found[2] for run in cells.runs if (found := sample.cached(run))), "client")
    unknown = "the server does not tell what it had cached"
    if cell.kind == "session":
        yield take.of_groups("prefix_cache_hit_rate", sample.hit_rate_of, source, unknown)
    else:
        yield take("prefix_cache_hit_rate", sample.hit_rate, source, unknown)
    yield from _of_kind(take)
    yield take("cpu_utilisation", _mean_of_cores, "/proc/stat")
    yield take("peak_memory", lambda run: run.observed.memory, about.memory_source, about.memory_problem)
    if about.parameters_billion:
        yield take("performance_factor", _factor(about.parameters_billion))
    else:
        yield take.nothing("performance_factor", "how many parameters the model has is not known")
    yield _fraction(take, about.ceiling)
    why = "this host has no energy counter that can be read (RAPL, NVML)"
    for metric, of in (
        ("energy_per_token", sample.energy_per_token),
        ("throughput_per_watt", sample.throughput_per_watt),
    ):
        yield take(metric, of, about.energy_source or "derived", why)
    yield take("failed_requests", _failed)


@dataclass(frozen=True)
class _Taker:
    """Takes one figure from each run."""

    cells: CellRuns

    def __call__(self, metric: str, of: Of, source: str = "client", problem: str = "") -> Measurement:
        samples = self._values(of, warmup=False)
        if not samples:
            return self.nothing(metric, self.why_nothing() or problem, source)
        return Measurement(
            self.cells.cell.name, metric, samples, self._values(of, warmup=True), source=source
        )

    def of_groups(
        self, metric: str, of: Callable[[Sequence[Run]], float | None], source: str, why: str
    ) -> Measurement:
        """One figure a session, or of all that was sent at once; none of one in which something failed."""
        groups: dict[int, list[Run]] = {}
        for run in self.cells.measured:
            groups.setdefault(run.group, []).append(run)
        whole = [runs for runs in groups.values() if all(run.stream for run in runs)]
        samples = tuple(value for runs in whole if (value := of(runs)) is not None)
        if not samples:
            return self.nothing(metric, self.why_nothing() or why, source)
        return Measurement(self.cells.cell.name, metric, samples, source=source)

    def _values(self, of: Of, *, warmup: bool) -> tuple[float, ...]:
        found = (of(run) for run in self.cells.runs if run.warmup is warmup)
        return tuple(value for value in found if value is not None)

    def nothing(self, metric: str, problem: str, source: str = "client") -> Measurement:
        why = problem or f"none of {len(self.cells.measured)} runs shows it"
        return Measurement(self.cells.cell.name, metric, (), source=source, problem=why)

    def why_nothing(self) -> str:
        """Empty if there were good runs: then the reason is the metric's own."""
        measured = self.cells.measured
        good = [run.stream for run in measured if run.stream]
        if good:
            return UNCOUNTED if all(stream.counted == "unknown" for stream in good) else ""
        if not measured:
            return self.cells.ended or "no run was made"
        last = measured[-1].failed or measured[-1].void
        return f"none of {len(measured)} runs gave a sample; the last: {last}"


def _failed(run: Run) -> float | None:
    return None if run.void else float(bool(run.failed))


def _of_kind(take: _Taker) -> Iterator[Measurement]:
    """What only one kind of cell yields."""
    kind = take.cells.cell.kind
    if kind == "session":
        yield take(
            "output_tokens",
            _streamed(lambda stream: None if stream.counted == "unknown" else float(stream.tokens)),
        )
    if kind == "batch":
        yield take.of_groups("total_throughput", sample.total_throughput, "client", UNCOUNTED)
    if kind == "cancel":
        yield take("cancel_latency", lambda run: run.cancel_seconds)


def _streamed(of: Callable[[Stream], float | None]) -> Of:
    return lambda run: of(run.stream) if run.stream else None


def _latency_at(tokens: int) -> Of:
    return _streamed(lambda stream: sample.latency_at(stream, tokens))


def _token_gaps(take: _Taker) -> Measurement:
    cells, metric = take.cells, "inter_token_latency"
    samples = _gaps(cells.runs, warmup=False)
    if not samples:
        return take.nothing(metric, take.why_nothing())
    return Measurement(cells.cell.name, metric, samples, _gaps(cells.runs, warmup=True), over="tokens")


def _gaps(runs: Sequence[Run], *, warmup: bool) -> tuple[float, ...]:
    streams = [run.stream for run in runs if run.stream and run.warmup is warmup]
    return tuple(round(gap, 7) for stream in streams for gap in sample.gaps(stream))


def _kv_cache(take: _Taker, about: Circumstances) -> Measurement:
    """The server's gauge if it was seen in every run, else what follows from counts of tokens in all."""
    problem = "the server's gauge was seen in no run"
    gauge = take("kv_cache_usage", lambda run: run.observed.kv_cache_usage, "server:/metrics", problem)
    good = [run for run in take.cells.measured if run.stream]
    if about.kv_capacity is None or (good and len(gauge.samples) == len(good)):
        return gauge
    return take("kv_cache_usage", _streamed(_share_of(about.kv_capacity)), "derived")


def _share_of(capacity: float) -> Callable[[Stream], float | None]:
    return lambda stream: (stream.usage.prompt + stream.usage.completion) / capacity if stream.usage else None


def _mean_of_cores(run: Run) -> float | None:
    cores = run.observed.cores
    return sum(cores.values()) / len(cores) if cores else None


def _fraction(take: _Taker, ceiling: float) -> Measurement:
    metric = "ceiling_fraction"
    if not ceiling:
        why = take.why_nothing() or "the ceiling of this model on this hardware is not known"
        return take.nothing(metric, why, "derived")
    return take(metric, _factor(ceiling), "derived")


def _factor(parameters_billion: float) -> Of:
    def factor(stream: Stream) -> float | None:
        speed = sample.generation_throughput(stream)
        return speed / parameters_billion if speed is not None else None

    return _streamed(factor)
