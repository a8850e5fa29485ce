"""Prometheus text in, numbers out; pages of real servers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostproof.measure import metrics_page
from hostproof.measure.errors import BadStream
from hostproof.measure.metrics_page import parse

RECORDED = Path(__file__).parent / "recorded"

BEFORE = """# HELP vllm:prefix_cache_hits_total x
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 100.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 400.0
vllm:time_to_first_token_seconds_sum{engine="0"} 2.0
vllm:time_to_first_token_seconds_count{engine="0"} 4.0
vllm:kv_cache_usage_perc{engine="0"} 0.01
"""
AFTER = """vllm:prefix_cache_hits_total{engine="0",model_name="m"} 130.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 500.0
vllm:time_to_first_token_seconds_sum{engine="0"} 3.5
vllm:time_to_first_token_seconds_count{engine="0"} 10.0
vllm:kv_cache_usage_perc{engine="0"} 0.02
vllm:kv_cache_usage_perc{engine="1"} 0.07
"""


def test_labels_may_hold_anything() -> None:
    page = parse('a{x="1,2} \\"q\\" \\\\ \\n",y="z"} 4 1700000000\n')
    assert page.samples[0].labels == {"x": '1,2} "q" \\ \n', "y": "z"}
    assert page.samples[0].value == 4


def test_infinite_and_missing_numbers_are_read() -> None:
    page = parse("a +Inf\nb NaN\nc 1e-3\n")
    assert page.total("a") == math.inf
    assert math.isnan(page.samples[1].value)
    assert page.total("c") == 0.001


@pytest.mark.parametrize("text", ["<html>", "a{b=c} 1", "a one", "a"])
def test_a_page_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(BadStream, match="/metrics has a"):
        parse(text)


def test_sums_go_over_all_label_sets_and_gauges_take_the_fullest_engine() -> None:
    assert parse("a{e='0'} 1".replace("'", '"') + '\na{e="1"} 2\n').total("a") == 3
    assert metrics_page.kv_cache_usage(parse(AFTER)) == 0.07
    assert metrics_page.kv_cache_usage(parse("other 1\n")) is None
    assert metrics_page.kv_cache_usage(parse("llamacpp:kv_cache_usage_ratio 0.5\n")) == 0.5


def test_growth_between_two_scrapes() -> None:
    before, after = parse(BEFORE), parse(AFTER)
    assert metrics_page.prefix_hits(before, after) == (30.0, 100.0)
    mean = metrics_page.histogram_mean(before, after, "vllm:time_to_first_token_seconds")
    assert mean == pytest.approx(0.25)


def test_a_server_that_started_anew_in_between_gives_nothing() -> None:
    assert metrics_page.prefix_hits(parse(AFTER), parse(BEFORE)) is None


def test_a_page_without_the_counters_gives_nothing() -> None:
    assert metrics_page.prefix_hits(metrics_page.EMPTY, metrics_page.EMPTY) is None
    assert metrics_page.histogram_mean(metrics_page.EMPTY, metrics_page.EMPTY, "x") is None
    assert metrics_page.finished_requests(metrics_page.EMPTY) is None
    assert metrics_page.kv_capacity(metrics_page.EMPTY) is None
    assert metrics_page.kv_capacity(parse('vllm:cache_config_info{kv_cache_size_tokens="None"} 1')) is None


@given(
    st.dictionaries(st.from_regex(r"[a-z_:]{1,10}", fullmatch=True), st.floats(allow_nan=False), max_size=10)
)
def test_what_is_written_is_read(values: dict[str, float]) -> None:
    page = parse("".join(f"{name} {value!r}\n" for name, value in values.items()))
    assert {sample.name: sample.value for sample in page.samples} == values


def test_a_recorded_llama_server_page_is_read_and_has_no_gauge_of_the_cache() -> None:
    page = parse((RECORDED / "llama-server-b11669.metrics").read_text(encoding="utf-8"))
    assert page.total("llamacpp:tokens_predicted_total") is not None
    assert metrics_page.kv_cache_usage(page) is None


def test_a_recorded_vllm_page_has_gauge_counters_and_histograms() -> None:
    page = parse((RECORDED / "vllm-0.32.0.metrics").read_text(encoding="utf-8"))
    assert metrics_page.is_useful(page)
    assert metrics_page.kv_cache_usage(page) is not None
    assert metrics_page.kv_capacity(page) == 55356
    assert metrics_page.prefix_hits(page, page) == (0.0, 0.0)
    assert (metrics_page.finished_requests(page) or 0) >= 1
    for name in ("time_to_first_token", "inter_token_latency", "request_time_per_output_token"):
        assert metrics_page.histogram_mean(metrics_page.EMPTY, page, f"vllm:{name}_seconds"), name
