"""Figures as people read them, never rounded into another verdict."""

from __future__ import annotations

import pytest

from hostproof.judge import units
from hostproof.measure.result import METRICS

from .build import threshold


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (27.94, "generation_throughput", "27.9 tok/s"),
        (1742.4, "prompt_throughput", "1,742 tok/s"),
        (0.0357, "ttft", "35.7 ms"),
        (7.62, "latency_at_200", "7.62 s"),
        (0.0262, "kv_cache_usage", "2.62 %"),
        (6_442_450_944, "peak_memory", "6.00 GiB"),
        (0.701, "performance_factor", "0.701 tok/s/B"),
        (0.0, "failed_requests", "0"),
        (0.0, "ttft", "0 s"),
    ],
)
def test_a_figure_with_its_unit(value: float, metric: str, text: str) -> None:
    assert units.shown(value, metric) == text


def test_both_ends_of_a_span_have_the_unit_of_the_larger() -> None:
    assert units.span(0.9, 1.2, "ttft") == "0.900–1.20 s"
    assert units.span(0.05, 0.05, "ttft") == "50.0 ms"


@pytest.mark.parametrize(
    ("metric", "bound", "text"),
    [
        ("generation_throughput", 25.0001, "median ≥ 25.0001 tok/s"),
        ("prefix_cache_hit_rate", 0.205, "median ≥ 20.5 %"),
        ("peak_memory", 1024**3, "median ≥ 1 GiB"),
    ],
)
def test_a_bound_is_shown_as_it_was_written(metric: str, bound: float, text: str) -> None:
    assert units.wanted(threshold(metric, bound=bound)) == text


def test_a_latency_s_name_has_its_tokens() -> None:
    assert units.label("latency_at_400") == "latency to token 400"


def test_every_metric_has_a_name_for_people() -> None:
    assert set(METRICS) - set(units.LABELS) == set()
