"""A Result summed up for people and scripts: `cells[]`, each with its metrics, the unit in the name. Pure.

A percentile is `null` where the sample does not carry it. One that does has, with 95 % confidence, a sample beyond it:
0.95^59 = 4.8 %, 0.99^299 = 4.95 % (docs/judging.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hostproof.measure.result import Measurement, Result

CARRIED_FROM: Final[Mapping[str, int]] = {"p95": 59, "p99": 299}
"""Percentile → the fewest samples that carry it."""

_SHORT: Final[Mapping[str, str]] = {
    "inter_token_latency": "itl",
    "generation_throughput": "generation",
    "prompt_throughput": "prompt",
    "total_throughput": "total",
    "prefix_cache_hit_rate": "prefix_cache_hit",
    "ceiling_fraction": "ceiling",
    "energy_per_token": "energy",
    "throughput_per_watt": "efficiency",
}
_UNIT: Final[Mapping[str, str]] = {
    "tok/s": "tok_s",
    "tok/s/B": "tok_s_per_billion",
    "J/tok": "j_per_tok",
    "tok/s/W": "tok_s_per_watt",
    "requests": "",
    "tok": "",
}


def name_of(metric: str, unit: str) -> str:
    """`ttft_s`, `itl_s`, `generation_tok_s`, `latency_at_200_s`, `kv_cache_usage_ratio`, `failed_requests`."""
    return f"{_SHORT.get(metric, metric)}_{_UNIT.get(unit, unit)}".rstrip("_")


def cells(result: Result) -> list[dict[str, Any]]:
    """In the order measured. `requests`: those of the measured runs that were answered or failed; void ones are in `gaps`."""
    names = dict.fromkeys(measured.cell for measured in result.measurements)
    return [
        {
            "workload": str(result.workload.get("name", "")),
            "cell": name,
            "requests": _requests(result, name),
            "metrics": {
                name_of(measured.metric, measured.unit): figure(measured)
                for measured in result.measurements
                if measured.cell == name
            },
        }
        for name in names
    ]


def _requests(result: Result, cell: str) -> int:
    found = result.find(cell, "failed_requests")
    return len(found.samples) if found else 0


def figure(measured: Measurement) -> dict[str, Any]:
    """Median, percentiles, ends and number of the samples, and over what they are taken."""
    samples = measured.samples
    told: dict[str, Any] = {
        "median": median(samples) if samples else None,
        **{name: _percentile(samples, name) for name in CARRIED_FROM},
        "min": min(samples, default=None),
        "max": max(samples, default=None),
        "n": len(samples),
        "over": measured.over,
        "source": measured.source,
    }
    if measured.problem:
        return told | {"problem": measured.problem}
    lacking = [f"{name} from n = {least}" for name, least in CARRIED_FROM.items() if len(samples) < least]
    return told | ({"not_carried": ", ".join(lacking)} if lacking else {})


def _percentile(samples: Sequence[float], name: str) -> float | None:
    """Linear interpolation between the neighbours, as numpy does."""
    if len(samples) < CARRIED_FROM[name]:
        return None
    return quantiles(samples, n=100, method="inclusive")[int(name.removeprefix("p")) - 1]
