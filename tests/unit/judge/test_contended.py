"""A miss beside a neighbour is inconclusive, a pass beside one is a pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hostproof.judge.findings import findings
from hostproof.judge.model import Judged, Outcome, Threshold
from hostproof.judge.verdict import judge_setup
from hostproof.measure.result import Measurement

from .build import measured, result, threshold, thresholds

SPEEDS = (26.0, 26.5, 27.0, 27.5, 28.0, 28.5)
WHY = "others took 0.50 of 2 cores, and somebody waited for a core 40% of the time"


def judged(one: Threshold, measurement: Measurement, *contended: str) -> Judged:
    runs = [{"cell": one.cell, "number": n, "contended": why} for n, why in enumerate(contended, 1)]
    (found,) = judge_setup(replace(result(measurement), telemetry={"runs": runs}), thresholds(one)).judged
    return found


def test_a_miss_beside_a_neighbour_says_nothing_of_the_host() -> None:
    found = judged(threshold(bound=30.0), measured("generation_throughput", SPEEDS), "", WHY, "")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why.endswith(
        f"but contended: 1 of 3 runs ran beside others ({WHY}); take them away and measure again"
    )


def test_a_miss_on_a_quiet_host_stays_a_miss() -> None:
    assert judged(threshold(bound=30.0), measured("generation_throughput", SPEEDS), "", "").outcome is (
        Outcome.BELOW
    )


def test_a_pass_beside_a_neighbour_stays_a_pass() -> None:
    assert judged(threshold(bound=20.0), measured("generation_throughput", SPEEDS), WHY).outcome is (
        Outcome.PROVEN
    )


@pytest.mark.parametrize("metric", ["failed_requests", "kv_cache_usage"])
def test_what_no_neighbour_changes_is_not_excused(metric: str) -> None:
    one = threshold(metric, "max", 0.5, statistic="max")
    assert judged(one, measured(metric, (1.0, 0.0)), WHY).outcome is Outcome.BELOW


def found(**telemetry: Any) -> list[str]:
    return list(findings(replace(result(), telemetry=telemetry)))


def test_contended_runs_are_told_whatever_the_outcome() -> None:
    told = found(runs=[{"cell": "decode", "contended": WHY}, {"cell": "decode", "contended": ""}])
    assert f"contended: in decode 1 of 2 runs ran beside others; the first: {WHY}" in told


def test_swapping_throttling_and_dear_looking_are_told() -> None:
    run = {"cell": "decode", "contended": "", "swapped_in_pages": 12, "throttles": ["power cap"]}
    told = found(runs=[run, run], sampling={"cpu_seconds": 1.0, "wall_seconds": 10.0})
    assert "looking at the host took 10% of one core" in told
    assert "24 pages came back from swap during the runs: a server that swaps waits for its disk" in told
    assert "the GPU held its clocks back during the runs: power cap" in told
