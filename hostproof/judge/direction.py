"""Which side of a metric is the good one. Pure."""

from __future__ import annotations

from hostproof.measure.result import LATENCY_AT
from hostproof.measure.settling import Better

_BETTER: dict[str, Better] = {
    "ttft": "lower",
    "prompt_throughput": "higher",
    "generation_throughput": "higher",
    "inter_token_latency": "lower",
    "latency": "lower",
    "prefix_cache_hit_rate": "higher",
    "performance_factor": "higher",
    "ceiling_fraction": "higher",
    "energy_per_token": "lower",
    "throughput_per_watt": "higher",
    "total_throughput": "higher",
    "cancel_latency": "lower",
    "failed_requests": "lower",
}


def better(metric: str) -> Better | None:
    """None: neither side is good by itself. A cache that is full and cores that are busy are what somebody paid for."""
    return "lower" if metric.startswith(LATENCY_AT) else _BETTER.get(metric)
