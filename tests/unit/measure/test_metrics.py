"""From runs to Measurements, Agreements, checks and gaps: exact numbers, no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hostproof.measure import agreements, metrics, metrics_page, remarks, sample
from hostproof.measure.metrics import Circumstances
from hostproof.measure.result import METRICS, Measurement
from hostproof.measure.sample import CellRuns, Observed, Run
from hostproof.measure.stream import Arrival
from hostproof.measure.workload import Cell

from . import build

CELL = Cell("decode", 100, 4, "cold", 2, 1, (2, 4))
ABOUT = Circumstances(
    parameters_billion=0.5,
    memory_source="cgroup",
    memory_problem="no unit",
    kv_capacity=1000.0,
)
TIMES = [0.5, 0.6, 0.7, 0.8]
TIMINGS = {
    "cache_n": 0,
    "prompt_n": 100,
    "prompt_ms": 400.0,
    "prompt_per_second": 250.0,
    "predicted_n": 4,
    "predicted_ms": 300.0,
}


def good(number: int = 1, *, warmup: bool = False, times: list[float] | None = None, **more: Any) -> Run:
    observed = Observed(cores={0: 1.0, 1: 0.5}, memory=1000.0)
    made = build.stream(times or TIMES, timings=TIMINGS, **more)
    return Run(number, warmup, made, observed=observed)


def by_name(
    runs: tuple[Run, ...], cell: Cell = CELL, ended: str = "", **about: Any
) -> dict[str, Measurement]:
    found = metrics.measurements(CellRuns(cell, runs, ended), replace(ABOUT, **about))
    return {m.metric: m for m in found}


OF_ONE_KIND = {"output_tokens", "total_throughput", "cancel_latency"}


def test_every_metric_is_there_once_whatever_happened() -> None:
    wanted = sorted([*(set(METRICS) - OF_ONE_KIND), "latency_at_2", "latency_at_4"])
    for runs in ((good(),), (), (Run(1, False, failed="HTTP 500"),)):
        found = list(metrics.measurements(CellRuns(CELL, runs), ABOUT))
        assert sorted(m.metric for m in found) == wanted


def test_the_numbers_of_one_run() -> None:
    found = by_name((good(),))
    expected = {
        "ttft": 0.5,
        "prompt_throughput": 200.0,
        "generation_throughput": 10.0,
        "latency_at_2": 0.6,
        "latency_at_4": 0.8,
        "kv_cache_usage": 0.104,
        "prefix_cache_hit_rate": 0.0,
        "cpu_utilisation": 0.75,
        "peak_memory": 1000.0,
        "performance_factor": 20.0,
        "failed_requests": 0.0,
    }
    for metric, value in expected.items():
        assert found[metric].samples == pytest.approx((value,)), metric
    assert found["inter_token_latency"].samples == pytest.approx((0.1, 0.1, 0.1))
    assert found["inter_token_latency"].over == "tokens"
    assert found["kv_cache_usage"].source == "derived"
    assert found["prefix_cache_hit_rate"].source == "server:timings"


def test_warm_ups_are_kept_apart() -> None:
    found = by_name((good(warmup=True, times=[9.0, 10.0, 11.0, 12.0]), good()))
    assert found["ttft"].samples == (0.5,)
    assert found["ttft"].warmups == (9.0,)
    assert found["inter_token_latency"].warmups == (1.0, 1.0, 1.0)


def test_a_failed_run_counts_and_gives_no_sample() -> None:
    found = by_name((good(1), Run(2, False, failed="HTTP 500: out of memory")))
    assert found["failed_requests"].samples == (0.0, 1.0)
    assert len(found["ttft"].samples) == 1


def test_a_void_run_is_neither_sample_nor_failure() -> None:
    found = by_name((good(1), Run(2, False, void="asked for 4 tokens")))
    assert found["failed_requests"].samples == (0.0,)


def test_a_metric_without_samples_says_why() -> None:
    failed = by_name((Run(1, False, failed="HTTP 500: out of memory"),))
    assert failed["ttft"].problem == "none of 1 runs gave a sample; the last: HTTP 500: out of memory"
    assert by_name((), ended="the deadline passed")["ttft"].problem == "the deadline passed"
    silent = by_name((replace(good(), observed=Observed()),))
    assert silent["peak_memory"].problem == "no unit"
    assert silent["cpu_utilisation"].problem == "none of 1 runs shows it"


def test_a_warm_cell_has_no_prompt_throughput() -> None:
    found = by_name((good(),), replace(CELL, cache="warm"))
    assert found["prompt_throughput"].samples == ()
    assert "prefix cache" in found["prompt_throughput"].problem


def test_the_gauge_of_the_server_goes_before_what_is_derived_if_every_run_saw_it() -> None:
    run = good()
    seen = replace(run, observed=replace(run.observed, kv_cache_usage=0.3))
    found = by_name((seen,))["kv_cache_usage"]
    assert (found.samples, found.source) == ((0.3,), "server:/metrics")
    derived = by_name((seen, run))["kv_cache_usage"]
    assert (derived.samples, derived.source) == (pytest.approx((0.104, 0.104)), "derived")
    only_gauge = by_name((seen, run), kv_capacity=None)["kv_cache_usage"]
    assert only_gauge.samples == (0.3,)
    nothing = by_name((run,), kv_capacity=None)["kv_cache_usage"]
    assert nothing.problem == "the server's gauge was seen in no run"


def test_cached_tokens_come_from_timings_then_usage_then_counters() -> None:
    plain = replace(good(), stream=build.stream(TIMES))
    assert sample.cached(plain) is None
    counted = replace(plain, observed=Observed(prefix_hits=(30.0, 100.0)))
    assert sample.cached(counted) == (30.0, 100.0, "server:/metrics")
    told = replace(counted, stream=build.stream(TIMES, cached=20))
    assert sample.cached(told) == (20, 100, "server:usage")
    assert sample.hit_rate(told) == 0.2


def test_a_cold_prompt_that_was_cached_fails_the_check() -> None:
    assert remarks.cold_check([CellRuns(CELL, (good(),))]).passed is True  # type: ignore[union-attr]
    warm = replace(good(3), stream=build.stream(TIMES, cached=64))
    check = remarks.cold_check([CellRuns(CELL, (good(), warm))])
    assert check is not None
    assert not check.passed
    assert "decode run 3: 64 tokens" in check.detail


def test_cold_prompts_of_a_server_that_does_not_tell_are_a_gap() -> None:
    cells = CellRuns(CELL, (Run(1, False, build.stream(TIMES)),))
    assert remarks.cold_check([cells]) is None
    assert list(remarks.gaps([cells])) == [
        "cell decode: the server does not tell whether the prompts were cold"
    ]


def test_gaps_tell_of_void_runs_shared_chunks_and_an_early_end() -> None:
    shared = replace(build.stream([1.0]), arrivals=(Arrival(1.0, 1), Arrival(2.0, 3)), counted="spread")
    runs = (Run(1, False, replace(shared, timings=TIMINGS)), Run(2, False, void="asked for 4 tokens"))
    told = list(remarks.gaps([CellRuns(CELL, runs, "the deadline passed")]))
    assert told == [
        "cell decode: 2 of 2 runs, because the deadline passed",
        "cell decode: 1 of 2 runs are void; the last: asked for 4 tokens",
        "cell decode: 3 of 4 tokens came several to a chunk; their gaps are even shares",
        "cell decode: the server counts no tokens while it streams; they were spread evenly over the chunks",
    ]


def test_client_and_llama_server_agree_like_for_like() -> None:
    cells = CellRuns(CELL, (good(warmup=True, times=[5.0, 6.0, 7.0, 8.0]), good()))
    found = {a.metric: a for a in agreements.agreements(cells, metrics_page.EMPTY, metrics_page.EMPTY)}
    assert found["ttft"].client == 0.5
    assert found["ttft"].server == 0.4
    assert found["generation_throughput"].server == pytest.approx(10.0), "the first token is left out"
    assert found["generation_throughput"].difference == pytest.approx(0.0)
    assert found["prompt_throughput"].server == 250.0


VLLM_BEFORE = """vllm:time_to_first_token_seconds_sum 1.0
vllm:time_to_first_token_seconds_count 1
vllm:request_time_per_output_token_seconds_sum 1.0
vllm:request_time_per_output_token_seconds_count 1
vllm:inter_token_latency_seconds_sum 1.0
vllm:inter_token_latency_seconds_count 3
"""
VLLM_AFTER = """vllm:time_to_first_token_seconds_sum 1.98
vllm:time_to_first_token_seconds_count 3
vllm:request_time_per_output_token_seconds_sum 1.2
vllm:request_time_per_output_token_seconds_count 3
vllm:inter_token_latency_seconds_sum 1.6
vllm:inter_token_latency_seconds_count 9
"""


def test_client_and_vllm_agree_on_means_between_two_scrapes() -> None:
    runs = (Run(1, False, build.stream(TIMES)), Run(2, False, build.stream(TIMES)))
    pages = metrics_page.parse(VLLM_BEFORE), metrics_page.parse(VLLM_AFTER)
    found = {a.metric: a for a in agreements.agreements(CellRuns(CELL, runs), *pages)}
    assert found["ttft"].server == pytest.approx(0.49)
    assert found["generation_throughput"].server == pytest.approx(10.0)
    assert found["inter_token_latency"].client == pytest.approx(0.1)
    assert found["inter_token_latency"].server == pytest.approx(0.1)


def test_histograms_that_hold_a_failed_run_too_prove_nothing() -> None:
    runs = (Run(1, False, build.stream(TIMES)), Run(2, False, failed="HTTP 500"))
    pages = metrics_page.parse(VLLM_BEFORE), metrics_page.parse(VLLM_AFTER)
    assert list(agreements.agreements(CellRuns(CELL, runs), *pages)) == []


def test_nothing_measured_agrees_with_nothing() -> None:
    assert list(agreements.agreements(CellRuns(CELL, ()), metrics_page.EMPTY, metrics_page.EMPTY)) == []


def test_the_share_of_the_ceiling_is_speed_by_what_the_memory_allows() -> None:
    found = by_name((good(),), ceiling=40.0)["ceiling_fraction"]
    assert (found.samples, found.source, found.unit) == (pytest.approx((0.25,)), "derived", "ratio")


def test_without_a_ceiling_its_share_says_so_and_a_failed_run_says_more() -> None:
    assert by_name((good(),))["ceiling_fraction"].problem == (
        "the ceiling of this model on this hardware is not known"
    )
    failed = by_name((Run(1, False, failed="HTTP 500"),))["ceiling_fraction"]
    assert failed.problem == "none of 1 runs gave a sample; the last: HTTP 500"


def test_pace_has_every_token_in_the_step_it_arrived_in() -> None:
    found = sample.pace(build.stream([0.05, 0.16, 0.31, 0.32]))
    assert found == {"step_seconds": 0.1, "tokens": [1, 1, 0, 2]}


def test_pace_of_a_long_answer_takes_longer_steps_and_loses_no_token() -> None:
    for seconds in (119.9, 700.0, 100_000.0):
        times = [seconds * (n + 1) / 400 for n in range(400)]
        found = sample.pace(build.stream(times))
        assert len(found["tokens"]) <= sample.PACE_STEPS
        assert sum(found["tokens"]) == 400
        assert len(found["tokens"]) * found["step_seconds"] >= seconds


def test_there_is_no_pace_of_tokens_that_nobody_counted() -> None:
    assert sample.pace(replace(build.stream(TIMES), counted="unknown")) == {}
