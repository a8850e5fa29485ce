"""Every throughput beside what physics allows: the bytes of a token by the memory's bandwidth, its operations by the peak. Pure.

The host writes `hostproof.roofline/1` (plugins/modules/roofline.py), one file a setup in the run's `rooflines/`; here is the only
reader. A limit is what cannot be passed, not what a server reaches: `USUAL` says what good hosts do. tok/s, bytes, FLOP.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hostproof.judge import statistics
from hostproof.measure import schema
from hostproof.measure.result import Measurement, Result

SCHEMA: Final = "hostproof.roofline/1"
By = Literal["bandwidth", "operations"]

USUAL: Final[Mapping[tuple[str, str], tuple[float, float]]] = {
    ("cpu", "measured"): (0.60, 0.90),
    ("cpu", "theory"): (0.55, 0.75),
    ("gpu", "data sheet"): (0.55, 0.70),
}
"""Device and source of its bandwidth → share that good hosts generate with at batch 1. Measured: 65-90 % here with two threads, 84-91 % on
a Raspberry Pi 5 (ggml-org/llama.cpp#26484). Theory: 55-75 % on EPYC 9554, 9175F ×2 (shared facts). GPU: docs/nvfp4-proof.md. Nobody has
published such a band for prompts."""
REACHED: Final = 0.70
"""Of what the DIMMs promise, that a good host reads (75-85 % is usual)."""


class RooflineError(ValueError):
    """The text is no roofline of this schema."""


@dataclass(frozen=True)
class Cache:
    """Layers that keep the same: elements for each token and layer, multiplications for each earlier token and layer."""

    layers: int
    elements: int
    multiplied: int
    window: int = 0
    """Tokens that are kept; 0: all."""

    def kept(self, depth: float) -> float:
        """Tokens after `depth` tokens."""
        return min(depth, self.window) if self.window else depth

    def kept_on_average(self, tokens: float) -> float:
        """Over the tokens of a prompt: the first has none before it."""
        if not self.window or tokens <= self.window:
            return tokens / 2
        return (self.window**2 / 2 + self.window * (tokens - self.window)) / tokens


@dataclass(frozen=True)
class Roofline:
    """Of one setup on its host."""

    server: str
    device: str
    """`cpu`, `gpu`, or `both`: then no one bandwidth limits it."""
    read_bytes: int
    """Of weights, for one generated token; 0: not known."""
    weights_bytes: int
    multiplied: int
    head: int
    caches: tuple[Cache, ...]
    cache_element_bytes: float
    batch: int
    """Prompt tokens in one pass over the weights."""
    memory: Mapping[str, Any]
    """`bytes_per_second`, `source`, `why`; measured also `median`, `low`, `busy`, `one_core`, `nodes`, `theory`. Empty: not known."""
    compute: Mapping[str, Any]
    """`operations_per_second`, `why`. Empty: not known."""
    model: Mapping[str, Any] = field(default_factory=dict)
    quantisation: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    gpus: tuple[Mapping[str, Any], ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    @property
    def bandwidth(self) -> float:
        """Bytes a second; 0: not known."""
        return float(self.memory.get("bytes_per_second") or 0.0)

    @property
    def is_floor(self) -> bool:
        """The bandwidth was measured on a busy host and may be higher: a share of it is an upper bound."""
        return bool(self.memory.get("busy"))

    @property
    def operations(self) -> float:
        """A second; 0: not known."""
        return float(self.compute.get("operations_per_second") or 0.0)

    @property
    def usual(self) -> tuple[float, float] | None:
        return USUAL.get((self.device, str(self.memory.get("source"))))

    def bytes_per_token(self, depth: float) -> float:
        """Read for one generated token after `depth` tokens: weights, and the cache of what came before."""
        kept = sum(each.layers * each.elements * each.kept(depth) for each in self.caches)
        return self.read_bytes + kept * self.cache_element_bytes

    def flop_per_token(self, depth: float) -> float:
        """For one generated token: a multiplication and an addition count two."""
        attention = sum(each.layers * each.multiplied * each.kept(depth) for each in self.caches)
        return 2 * (self.multiplied + self.head + attention)

    def flop_per_prompt_token(self, tokens: float) -> float:
        """The mean over a prompt of so many; the output matrix is for the last one alone."""
        attention = sum(each.layers * each.multiplied * each.kept_on_average(tokens) for each in self.caches)
        return 2 * (self.multiplied + attention + self.head / max(1.0, tokens))


def from_json(text: str) -> Roofline:
    """Raises RooflineError."""
    raw = schema.read(text, SCHEMA, RooflineError)
    try:
        return _read(raw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RooflineError(f"a field is missing or wrong: {error!r}") from error


def _read(raw: Mapping[str, Any]) -> Roofline:
    model = dict(raw["model"])
    sizes = {key: int(model.get(key, 0)) for key in ("read_bytes", "weights_bytes", "multiplied", "head")}
    return Roofline(
        server=str(raw["server"]),
        device=str(raw["device"]),
        caches=tuple(Cache(**each) for each in model.get("caches", ())),
        cache_element_bytes=float(raw["cache_element_bytes"]),
        batch=max(1, int(raw["batch"])),
        memory=dict(raw["memory"]),
        compute=dict(raw["compute"]),
        model=model,
        quantisation=str(raw["quantisation"]),
        facts=dict(raw["facts"]),
        gpus=tuple(dict(each) for each in raw["gpus"]),
        seen=dict(raw["seen"]),
        gaps=tuple(map(str, raw["gaps"])),
        **sizes,
    )


@dataclass(frozen=True)
class Limit:
    """What cannot be passed, and by what."""

    tokens_per_second: float
    by: By
    why: str
    """With its figures."""
    least: float
    """The same by the lowest bandwidth that may be the true one: the median of its rounds."""


@dataclass(frozen=True)
class Point:
    """One throughput in one cell, beside its limit."""

    cell: str
    metric: str
    measured: float
    limit: Limit
    share: float
    low: float
    """The lowest and highest share that the intervals of both allow; the share itself where there are none."""
    high: float

    @property
    def impossible(self) -> bool:
        """Then the limit is too low, or the figure is wrong."""
        return self.low > 1.0


def points(result: Result, roof: Roofline) -> tuple[Point, ...]:
    """Every generation and prompt throughput that was measured, where its limit is known."""
    return tuple(point for measured in result.measurements for point in _point(measured, result, roof))


def _point(measured: Measurement, result: Result, roof: Roofline) -> Iterator[Point]:
    limit = _limit(measured.metric, _cell(result, measured.cell), roof) if measured.samples else None
    if limit is None:
        return
    found = statistics.median_interval(measured.samples)
    low = found.low if found.low is not None else found.value
    high = found.high if found.high is not None else found.value
    most = limit.tokens_per_second
    yield Point(
        measured.cell, measured.metric, found.value, limit, found.value / most, low / most, high / limit.least
    )


def _cell(result: Result, name: str) -> Mapping[str, Any]:
    """As planned; empty if the workload does not say it."""
    cells: Sequence[Mapping[str, Any]] = result.workload.get("cells", ())
    return next((each for each in cells if each.get("name") == name), {})


def _limit(metric: str, cell: Mapping[str, Any], roof: Roofline) -> Limit | None:
    """None for what is no speed of one request at a time, nor of all that run at once."""
    prompt, output = float(cell.get("prompt_tokens") or 0), float(cell.get("output_tokens") or 0)
    together = int(cell.get("concurrency") or 0)
    if metric == "total_throughput" and together:
        return generation(roof, prompt + output / 2, together)
    if metric == "generation_throughput" and not together:
        return generation(roof, prompt + output / 2)
    if metric == "prompt_throughput" and not together and cell.get("cache") == "cold":
        return prompting(roof, prompt)
    return None


def generation(roof: Roofline, depth: float, together: int = 1) -> Limit | None:
    """Of all sequences `together`, each after `depth` tokens: the weights are read once for all of them, each cache for its own.

    Of experts at least those that one token needs. None: neither bandwidth nor peak is known, or nobody knows the model's bytes.
    """
    if not roof.read_bytes:
        return None
    weights, flop = roof.bytes_per_token(0), roof.flop_per_token(depth)
    size = weights / together + roof.bytes_per_token(depth) - weights
    at = f" after {depth:,.0f} tokens" if depth else ""
    at += f", {together} at once" if together > 1 else ""
    return _lower(
        roof,
        roof.bandwidth / size,
        f"{size / 1e9:.3g} GB a token{at} at {_rate(roof)}",
        roof.operations / flop if flop else 0.0,
        f"{flop / 1e9:.3g} GFLOP a token{at} at {_peak(roof)}",
    )


def prompting(roof: Roofline, tokens: float) -> Limit | None:
    """Of a cold prompt, one at a time: operations, or the passes over the weights that its batches take."""
    if not roof.read_bytes or not roof.multiplied or tokens <= 0:
        return None
    flop = roof.flop_per_prompt_token(tokens)
    passes = math.ceil(tokens / roof.batch)
    size = passes * roof.read_bytes / tokens  # of experts at least those that one token needs
    return _lower(
        roof,
        roof.bandwidth / size,
        f"{passes} {'pass' if passes == 1 else 'passes'} over {roof.read_bytes / 1e9:.3g} GB at {_rate(roof)}",
        roof.operations / flop,
        f"{flop / 1e9:.3g} GFLOP a prompt token at {_peak(roof)}",
    )


def _lower(roof: Roofline, by_bytes: float, bytes_why: str, by_flop: float, flop_why: str) -> Limit | None:
    """The lower of the two that are known."""
    if by_bytes and (not by_flop or by_bytes <= by_flop):
        rate = roof.bandwidth
        return Limit(
            by_bytes, "bandwidth", bytes_why, by_bytes * float(roof.memory.get("median") or rate) / rate
        )
    return Limit(by_flop, "operations", flop_why, by_flop) if by_flop else None


def _rate(roof: Roofline) -> str:
    return (
        f"{roof.bandwidth / 1e9:,.4g} GB/s ({roof.memory.get('why')})"
        if roof.bandwidth
        else "an unknown rate"
    )


def _peak(roof: Roofline) -> str:
    return (
        f"{roof.operations / 1e12:,.3g} TFLOP/s ({roof.compute.get('why')})"
        if roof.operations
        else "an unknown peak"
    )


def poor(roof: Roofline, found: Sequence[Point]) -> list[Point]:
    """Generation that good hosts beat: its whole interval is below what is usual."""
    if roof.usual is None:
        return []
    return [p for p in found if p.metric == "generation_throughput" and p.high < roof.usual[0]]
