"""What one run left behind, and the figures that follow from it alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hostproof.measure.errors import SampleFailed, SampleVoid
from hostproof.measure.stream import Stream
from hostproof.measure.telemetry import Seen, Window
from hostproof.measure.workload import Cell


@dataclass(frozen=True)
class Observed:
    """What was seen of the host and the server's own pages during one run; None: not seen."""

    kv_cache_usage: float | None = None
    prefix_hits: tuple[float, float] | None = None
    """Tokens found in the prefix cache, and tokens looked up, by the server's counters."""
    cores: Mapping[int, float] = field(default_factory=dict)
    memory: float | None = None
    gpu: Mapping[str, float] = field(default_factory=dict)
    window: Window | None = None
    """From just before the request to just after the answer, on the monotonic clock."""
    seen: Seen | None = None
    """What the telemetry beside the run has of that window."""


@dataclass(frozen=True)
class Run:
    """One request. Exactly one of `stream`, `failed` and `void` says how it went."""

    number: int
    warmup: bool
    stream: Stream | None = None
    failed: str = ""
    void: str = ""
    observed: Observed = field(default_factory=Observed)
    group: int = 0
    """Of a session, or of what was sent at once: its number, from 1."""
    turn: int = 0
    """Within a session, from 1."""
    cancel_seconds: float | None = None
    """Of one that came right after another was broken off: how much later its first token was than on an idle server."""


def unmade(error: SampleVoid | SampleFailed) -> Run:
    """A request that gave no stream."""
    if isinstance(error, SampleVoid):
        return Run(0, False, void=str(error))
    return Run(0, False, failed=str(error))


@dataclass(frozen=True)
class CellRuns:
    """A cell and what came of it; `ended` says why there are fewer runs than asked, if so."""

    cell: Cell
    runs: tuple[Run, ...]
    ended: str = ""

    @property
    def measured(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if not run.warmup)


def ttft(stream: Stream) -> float:
    """Seconds from sending the request to the first token."""
    return stream.arrivals[0].at


def generation_throughput(stream: Stream) -> float | None:
    """Tokens after the first arrival by the time they took: (n − 1) / (t_last − t_first) if alone."""
    if stream.counted == "unknown":
        return None
    first, last = stream.arrivals[0], stream.arrivals[-1]
    took = last.at - first.at
    return (stream.tokens - first.tokens) / took if took > 0 else None


def prompt_throughput(stream: Stream) -> float | None:
    """Prompt tokens (chat template included, as the server counts) by the time to the first token."""
    return stream.usage.prompt / ttft(stream) if stream.usage and ttft(stream) > 0 else None


def latency(stream: Stream) -> float:
    """Seconds from sending the request to the last token."""
    return stream.arrivals[-1].at


def latency_at(stream: Stream, tokens: int) -> float | None:
    """Seconds from sending the request until the answer had so many tokens."""
    if stream.counted == "unknown":
        return None
    seen = 0
    for arrival in stream.arrivals:
        seen += arrival.tokens
        if seen >= tokens:
            return arrival.at
    return None


def gaps(stream: Stream) -> Iterator[float]:
    """Seconds between tokens. Of tokens that came together each gets an even share of their gap."""
    if stream.counted == "unknown":
        return
    before = stream.arrivals[0].at
    for arrival in stream.arrivals[1:]:
        yield from [(arrival.at - before) / arrival.tokens] * arrival.tokens
        before = arrival.at


PACE_STEPS = 120
"""Of a run at most: as many as a plot of all runs side by side can show."""
PACE_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)


def pace(stream: Stream) -> dict[str, Any]:
    """How many tokens arrived in each step since the request was sent; nothing if nobody counted them.

    `step_seconds` is the shortest of PACE_SECONDS that needs no more than PACE_STEPS; an even longer answer is cut into that many.
    """
    if stream.counted == "unknown" or not stream.arrivals:
        return {}
    took = latency(stream)
    step = next((each for each in PACE_SECONDS if took <= each * PACE_STEPS), took / PACE_STEPS)
    tokens = [0] * (min(int(took / step), PACE_STEPS - 1) + 1)
    for arrival in stream.arrivals:
        tokens[min(int(arrival.at / step), len(tokens) - 1)] += arrival.tokens
    return {"step_seconds": step, "tokens": tokens}


def cached(run: Run) -> tuple[float, float, str] | None:
    """Prompt tokens from the prefix cache, prompt tokens in all, and who says so."""
    stream = run.stream
    if stream is None:
        return None
    timings: Mapping[str, Any] = stream.timings
    if "cache_n" in timings and "prompt_n" in timings:
        return timings["cache_n"], timings["cache_n"] + timings["prompt_n"], "server:timings"
    if stream.usage and stream.usage.cached is not None:
        return stream.usage.cached, stream.usage.prompt, "server:usage"
    if run.observed.prefix_hits:
        return *run.observed.prefix_hits, "server:/metrics"
    return None


def energy_per_token(run: Run) -> float | None:
    """Joules of the host, as far as it tells, by tokens generated: the prompt's share is in it."""
    stream, seen = run.stream, run.observed.seen
    if stream is None or seen is None or seen.joules is None:
        return None
    return None if stream.counted == "unknown" else seen.joules / stream.tokens


def throughput_per_watt(run: Run) -> float | None:
    """Generation throughput by the host's mean power over the run, as far as it tells: tok/s/W."""
    stream, seen = run.stream, run.observed.seen
    if stream is None or seen is None or not seen.joules:
        return None
    speed = generation_throughput(stream)
    return None if speed is None else speed / (seen.joules / seen.seconds)


def hit_rate_of(runs: Sequence[Run]) -> float | None:
    """Of a whole session: prompt tokens from the cache by all prompt tokens."""
    told = [found for run in runs if (found := cached(run))]
    total = sum(each[1] for each in told)
    return sum(each[0] for each in told) / total if total and len(told) == len(runs) else None


def total_throughput(runs: Sequence[Run]) -> float | None:
    """tok/s of all that were sent at once: their tokens by the time from the first request to the last token."""
    windows = [run.observed.window for run in runs if run.observed.window]
    streams = [run.stream for run in runs if run.stream]
    if not windows or any(stream.counted == "unknown" for stream in streams):
        return None
    took = max(window[1] for window in windows) - min(window[0] for window in windows)
    return sum(stream.tokens for stream in streams) / took if took > 0 else None


def hit_rate(run: Run) -> float | None:
    found = cached(run)
    return found[0] / found[1] if found and found[1] else None
