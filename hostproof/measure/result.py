"""`Result`: what was measured, with its circumstances; the one type that crosses from the host to the judge.

Frozen and checked at construction; `to_json` is the only writer, `from_json` the only reader. Samples are
never dropped or edited: warm-ups are kept apart, a metric that could not be measured says why in `problem`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from hostproof.measure import figures, schema

SCHEMA = "hostproof.result/1"

Over = Literal["runs", "tokens"]

METRICS: Mapping[str, str] = {
    "ttft": "s",
    "prompt_throughput": "tok/s",
    "generation_throughput": "tok/s",
    "inter_token_latency": "s",
    "latency": "s",
    "kv_cache_usage": "ratio",
    "prefix_cache_hit_rate": "ratio",
    "cpu_utilisation": "ratio",
    "peak_memory": "bytes",
    "performance_factor": "tok/s/B",
    "ceiling_fraction": "ratio",
    "energy_per_token": "J/tok",
    "throughput_per_watt": "tok/s/W",
    "output_tokens": "tok",
    "total_throughput": "tok/s",
    "cancel_latency": "s",
    "failed_requests": "requests",
}
"""Metric name → unit. `latency_at_<N>` (seconds from sending the request to its N-th output token) is a
family, see `unit_of`. `latency` is from sending the request to its last token.
`output_tokens` are those of an answer (sessions), `total_throughput` of all requests at once (batch), `cancel_latency` how much
later than on an idle server a first token comes right after another request was broken off (cancel): each of its own kind of cell.
A ratio is 0..1; `performance_factor` is generation tok/s per billion parameters,
`ceiling_fraction` generation tok/s by the tok/s that the memory's bandwidth allows (`Setup.ceiling`)."""

LATENCY_AT = "latency_at_"


class ResultError(ValueError):
    """A Result that contradicts itself; the message names the field."""


def unit_of(metric: str) -> str:
    """The unit of a metric; raises ResultError for a name that hostproof does not measure."""
    if metric in METRICS:
        return METRICS[metric]
    if metric.startswith(LATENCY_AT) and metric.removeprefix(LATENCY_AT).isdigit():
        return "s"
    raise ResultError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}, {LATENCY_AT}<output tokens>")


@dataclass(frozen=True)
class Setup:
    """What was under load: server + model + flags (the seed's A, B and C are setups)."""

    name: str
    server: str
    """`llama_server`, `vllm_server`, or `openai_server`: any other that speaks the protocol."""
    model: str
    parameters_billion: float
    """0: not known (of a server that somebody else started)."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """The server's arguments as it was started, secrets left out."""
    ceiling: float = 0.0
    """tok/s that the memory's bandwidth allows at batch 1, by the bytes read for a token; 0: not known."""
    ceiling_why: str = ""
    """With its figures: `22.73 GB a token at 1,792 GB/s (…)`."""
    active_parameters_billion: float = 0.0
    """Those that compute each token, of a mixture of experts; all of them if it is dense. 0: not known, or an older Result."""


@dataclass(frozen=True)
class Measurement:
    """One metric in one cell of the workload. `samples` in the metric's unit, in the order taken."""

    cell: str
    metric: str
    samples: tuple[float, ...]
    warmups: tuple[float, ...] = ()
    over: Over = "runs"
    """What one sample is: one run (request), or one gap between two tokens."""
    source: str = "client"
    """Who says so: `client`, `server:/metrics`, `server:timings`, `server:usage`, `/proc/stat`, `cgroup`,
    `smaps_rollup` (memory added up over the unit's processes), `rapl`, `nvml`, `rapl+nvml`, `derived`."""
    problem: str = ""
    """Why there are no samples; empty exactly when there are some."""

    def __post_init__(self) -> None:
        unit_of(self.metric)
        if bool(self.samples) == bool(self.problem):
            raise ResultError(
                f"{self.cell}/{self.metric}: needs either samples or a problem, not both or neither"
            )
        for value in (*self.samples, *self.warmups):
            if not math.isfinite(value):
                raise ResultError(f"{self.cell}/{self.metric}: {value} is not a number that can be judged")

    @property
    def unit(self) -> str:
        return unit_of(self.metric)


@dataclass(frozen=True)
class Check:
    """One behaviour that was tried once: health is not proof, an answer is."""

    name: str
    passed: bool
    detail: str
    request: str = ""
    """What was sent, as JSON; empty for what is no single request."""
    answer: str = ""
    """What came back, cut to a length that can be read."""


@dataclass(frozen=True)
class Agreement:
    """Client and server on the same quantity in the same cell; `difference` is |client − server| / server."""

    cell: str
    metric: str
    client: float
    server: float
    server_source: str

    @property
    def difference(self) -> float:
        return abs(self.client - self.server) / self.server if self.server else math.inf


@dataclass(frozen=True)
class Result:
    """Everything measured of one setup on one host."""

    run_id: str
    host: str
    hardware: str
    """Key of the hardware class, as in the thresholds' files."""
    setup: Setup
    workload: Mapping[str, Any]
    """The workload as it was run, whole, so that a Result explains itself."""
    started: str
    finished: str
    """UTC, ISO 8601."""
    environment: Mapping[str, str]
    """CPU model, kernel, server version, hostproof version, …: flat, printable."""
    measurements: tuple[Measurement, ...]
    checks: tuple[Check, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    telemetry: Mapping[str, Any] = field(default_factory=dict)
    """`cpu_per_core`: list of mean utilisations (0..1), in the order of the cores, over the measured runs.
    `instrument`: `cpu_seconds` that measuring itself took of `wall_seconds`. `connect_seconds_max`.
    `gpu`, where there is one: `memory_used_bytes_max`, `power_watts_max`, `energy_joules`.
    `pace`: for each measured run `cell`, `number`, `begun_seconds`, `step_seconds`, `tokens` that arrived in each step.
    `server`: its /metrics once a second, and vLLM's periodic log lines (server_truth.py).
    `sampling`, `runs`, `series`, `heat`: what was seen beside the runs (docs/telemetry.md)."""
    gaps: tuple[str, ...] = ()
    """What could not be observed, each a sentence (for example: pynvml is missing)."""
    unfinished: str = ""
    """Why the workload was not run to its end (the server died, a signal, the deadline); such a Result is kept, never judged as whole."""
    findings: tuple[str, ...] = ()
    """What follows from the figures, each a sentence with the figures in it: which habit costs what, what would mend it."""
    schema: str = SCHEMA

    def find(self, cell: str, metric: str) -> Measurement | None:
        """The measurement of `metric` in `cell`, or None if the workload does not have it."""
        return next((m for m in self.measurements if (m.cell, m.metric) == (cell, metric)), None)


def to_json(result: Result) -> str:
    """The Result, and `cells`: the same figures summed up for people and scripts (figures.py); no reader of ours needs those."""
    told = asdict(result) | {"cells": figures.cells(result)}
    return json.dumps(told, indent=1, sort_keys=True, allow_nan=False) + "\n"


def from_json(text: str) -> Result:
    """Raises ResultError if the text is no Result of this schema."""
    raw = schema.read(text, SCHEMA, ResultError)
    raw.pop("cells", None)
    try:
        return Result(
            **{
                **raw,
                "setup": Setup(**raw["setup"]),
                "measurements": tuple(
                    Measurement(**{**m, "samples": tuple(m["samples"]), "warmups": tuple(m["warmups"])})
                    for m in raw["measurements"]
                ),
                "checks": tuple(Check(**c) for c in raw["checks"]),
                "agreements": tuple(Agreement(**a) for a in raw["agreements"]),
                "gaps": tuple(raw["gaps"]),
                "findings": tuple(raw.get("findings", ())),
            }
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ResultError(f"a field is missing or unknown: {error}") from error
