"""Figures as people read them: `0.0262` of a ratio is `2.6 %`, `0.0357 s` is `35.7 ms`. Pure."""

from __future__ import annotations

from math import floor, log10

from hostproof.judge.model import Threshold
from hostproof.measure.result import LATENCY_AT, unit_of

LABELS = {
    "ttft": "time to first token (TTFT)",
    "prompt_throughput": "prompt throughput (PP)",
    "generation_throughput": "generation throughput (TG)",
    "inter_token_latency": "gap between tokens (ITL)",
    "latency": "latency to the last token",
    "kv_cache_usage": "KV cache usage",
    "prefix_cache_hit_rate": "prefix cache hit rate",
    "cpu_utilisation": "CPU use, mean of all cores",
    "peak_memory": "peak memory",
    "performance_factor": "performance factor (PF)",
    "ceiling_fraction": "share of the ceiling",
    "energy_per_token": "energy a token",
    "throughput_per_watt": "throughput a watt",
    "output_tokens": "tokens of an answer",
    "total_throughput": "throughput of all requests at once",
    "cancel_latency": "delay after a broken-off request",
    "failed_requests": "failed requests",
}
_GIB = 1024**3


def label(metric: str) -> str:
    if metric.startswith(LATENCY_AT):
        return f"latency to token {metric.removeprefix(LATENCY_AT)}"
    return LABELS[metric]


def figure(value: float) -> str:
    """Four digits where they say something, thousands separated: 1,742 · 27.9 · 0.701."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    for least, digits in ((100, 0), (10, 1), (1, 2)):
        if size >= least:
            return f"{value:.{digits}f}"
    return f"{value:.{2 - floor(log10(size))}f}" if value else "0"


def scaled(value: float, metric: str, like: float) -> float:
    """The value in the unit in which `like` is shown."""
    return value * _scale(metric, like)


def shown(value: float, metric: str) -> str:
    """Figure and unit."""
    return f"{figure(scaled(value, metric, value))} {unit(metric, value)}".rstrip()


def span(low: float, high: float, metric: str) -> str:
    """`27.4–28.3 tok/s`, both in the unit of the larger end."""
    ends = (figure(scaled(low, metric, high)), figure(scaled(high, metric, high)))
    text = ends[0] if ends[0] == ends[1] else f"{ends[0]}–{ends[1]}"
    return f"{text} {unit(metric, high)}".rstrip()


def unit(metric: str, value: float) -> str:
    """The unit that a value of this size is shown in."""
    kind = unit_of(metric)
    if kind == "ratio":
        return "%"
    if kind == "bytes":
        return "GiB"
    if kind == "requests":
        return ""
    return "ms" if kind == "s" and 0 < abs(value) < 1 else kind


def _scale(metric: str, value: float) -> float:
    kind = unit_of(metric)
    if kind == "ratio":
        return 100.0
    if kind == "bytes":
        return 1 / _GIB
    return 1000.0 if unit(metric, value) == "ms" else 1.0


def wanted(threshold: Threshold) -> str:
    """`median ≥ 25 tok/s`; the bound is shown as it was written, never rounded."""
    low, high, statistic, metric = threshold.low, threshold.high, threshold.statistic, threshold.metric
    if low is not None and high is not None:
        ends = (_written(low, metric)[0], _written(high, metric)[0])
        return f"{statistic} {ends[0]}–{ends[1]} {_written(high, metric)[1]}".rstrip()
    if threshold.fraction is not None:
        share = f"{statistic} ≥ {threshold.fraction * 100:.10g} % of the roofline"
        return f"{share} ({shown(low, metric)})" if low is not None else share
    bound, sign = (high, "≤") if low is None else (low, "≥")
    figures = " ".join(_written(bound or 0.0, metric)).rstrip()
    if threshold.baseline is not None and threshold.margin is not None:
        less = "plus" if sign == "≤" else "less"
        base = _written(threshold.baseline, metric)[0]
        return f"{statistic} {sign} {figures} ({base} {less} {threshold.margin * 100:.10g} %)"
    return f"{statistic} {sign} {figures}"


def _written(value: float, metric: str) -> tuple[str, str]:
    """Figure and unit: ratios in percent, bytes in GiB, everything else in its own."""
    kind = unit_of(metric)
    if kind == "ratio":
        return f"{value * 100:.10g}", "%"
    if kind == "bytes":
        return f"{value / _GIB:.10g}", "GiB"
    return f"{value:.10g}", "" if kind == "requests" else kind
