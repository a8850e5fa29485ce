"""Limits by hand for the seed's setups, and every throughput beside its own."""

from __future__ import annotations

import json

import pytest

from hostproof.judge import roofline
from hostproof.judge.roofline import Cache, RooflineError
from hostproof.measure.result import Measurement, Setup

from . import build, rooflines
from .rooflines import CPU, GPU


def test_the_seeds_cpu_setup_is_limited_by_its_memory() -> None:
    found = roofline.generation(rooflines.roof(memory__bytes_per_second=614.4e9), 0)
    assert found is not None
    assert found.by == "bandwidth"
    assert found.tokens_per_second == pytest.approx(22.0, abs=0.05)  # the facts have 21.6 by the file's size


def test_the_cache_before_a_token_is_read_too() -> None:
    roof = rooflines.roof(GPU)
    assert roof.bytes_per_token(16_384) - roof.bytes_per_token(0) == 16_384 * 327_680  # 320 KiB a token
    start, late = roofline.generation(roof, 0), roofline.generation(roof, 16_384)
    assert start is not None
    assert late is not None
    assert start.tokens_per_second == pytest.approx(78.8, abs=0.1)
    assert late.tokens_per_second == pytest.approx(63.8, abs=0.2)
    assert late.why.startswith("28.1 GB a token after 16,384 tokens at 1,792 GB/s")


def test_a_cache_of_eight_bits_costs_half() -> None:
    roof = rooflines.roof(GPU, cache_element_bytes=1.0)
    assert roof.bytes_per_token(32_768) - roof.bytes_per_token(0) == 5 * 1024**3


def test_a_window_stops_growing() -> None:
    cache = Cache(48, 2048, 24576, 4096)
    assert [cache.kept(depth) for depth in (0, 100, 4096, 100_000)] == [0, 100, 4096, 4096]
    assert cache.kept_on_average(4096) == 2048
    assert cache.kept_on_average(8192) == (4096 * 2048 + 4096 * 4096) / 8192


def test_a_prompt_is_limited_by_operations() -> None:
    roof = rooflines.roof(GPU)
    # 78.0 GFLOP for the layers, 4 × 80 × 5120 × 2320 for the tokens before, the output matrix once.
    assert roof.flop_per_prompt_token(4640) == pytest.approx(78.01e9 + 3.80e9, rel=0.001)
    found = roofline.prompting(roof, 4640)
    assert found is not None
    assert found.by == "operations"
    assert 4640 / found.tokens_per_second == pytest.approx(
        0.216, abs=0.002
    )  # seconds to the first token at best


def test_a_prompt_in_small_batches_is_limited_by_the_passes_over_the_weights() -> None:
    found = roofline.prompting(rooflines.roof(batch=1), 512)
    assert found is not None
    assert found.by == "bandwidth"
    assert found.tokens_per_second == pytest.approx(490e9 / 27.92e9, rel=0.001)


def test_the_moe_of_the_seed_generates_ten_active_billions_worth() -> None:
    roof = rooflines.roof(
        memory__bytes_per_second=614.4e9, model__read_bytes=5_867_000_000, model__multiplied=9_800_000_000
    )
    found = roofline.generation(roof, 0)
    assert found is not None
    assert found.tokens_per_second == pytest.approx(104.7, abs=0.1)  # the article's 10-37 are 10-35 % of that


def test_requests_at_once_share_the_weights_and_not_the_cache() -> None:
    batch = {**build.WORKLOAD["cells"][1], "name": "eight", "concurrency": 8}
    made = build.result(
        build.measured("total_throughput", [60.0] * 6, "eight"),
        build.measured("generation_throughput", [8.0] * 6, "eight"),
        build.measured("prompt_throughput", [50.0] * 6, "eight"),
        workload={**build.WORKLOAD, "cells": [batch]},
    )
    (point,) = roofline.points(
        made, rooflines.roof()
    )  # what each of them gets is no share of one request's limit
    assert point.metric == "total_throughput"
    assert point.limit.tokens_per_second == pytest.approx(490e9 / (27.92e9 / 8 + 528 * 327_680))
    assert "after 528 tokens, 8 at once" in point.limit.why


def test_a_prompt_that_may_come_from_the_cache_has_no_limit() -> None:
    made = build.result(build.measured("prompt_throughput", [9000.0] * 6, "prefix"), workload=build.WORKLOAD)
    assert roofline.points(made, rooflines.roof()) == ()


def result(*found: Measurement, speed: float = 0.0) -> build.Result:
    setup = Setup("cpu", "llama_server", "coder-q5_k_m", 39.79, {"--threads": "14"})
    given = [build.measured("generation_throughput", [speed] * 6)] if speed else []
    return build.result(*found, *given, setup=setup)


def test_every_throughput_stands_beside_its_limit_with_both_uncertainties() -> None:
    made = result(
        build.measured("generation_throughput", [11.5, 11.6, 11.7, 11.8, 11.9, 12.0]),
        build.measured("prompt_throughput", [90.0] * 6),
        build.measured("ttft", [1.0] * 6),
    )
    generated, prompted = roofline.points(made, rooflines.roof())
    most = 490e9 / (27.92e9 + (128 + 400) * 327_680)
    assert generated.limit.tokens_per_second == pytest.approx(most)
    assert generated.share == pytest.approx(11.75 / most)
    assert generated.low == pytest.approx(11.5 / most)
    assert generated.high == pytest.approx(12.0 / (most * 480 / 490))
    assert (prompted.metric, prompted.limit.by) == ("prompt_throughput", "operations")
    assert 0.25 < prompted.share < 0.45


@pytest.mark.parametrize("changed", [{"memory": {}, "compute": {}}, {"model": {}}])
def test_what_is_not_known_limits_nothing(changed: dict[str, object]) -> None:
    assert roofline.points(result(speed=12.0), rooflines.roof(**changed)) == ()


def test_without_a_bandwidth_the_operations_are_the_limit() -> None:
    (point,) = roofline.points(result(speed=12.0), rooflines.roof(memory={}))
    assert point.limit.by == "operations"


def test_a_metric_without_samples_has_no_point() -> None:
    made = result(Measurement("decode", "generation_throughput", (), problem="the server died"))
    assert roofline.points(made, rooflines.roof()) == ()


@pytest.mark.parametrize(("speed", "slow"), [(6.0, True), (10.2, True), (10.3, False), (15.0, False)])
def test_poor_is_what_good_hosts_beat_even_by_the_lower_limit(speed: float, slow: bool) -> None:
    roof = rooflines.roof()  # 60 % of 17.09, the limit by the median of the bandwidth, is 10.25
    assert bool(roofline.poor(roof, roofline.points(result(speed=speed), roof))) is slow


def test_more_than_the_limit_is_impossible() -> None:
    (point,) = roofline.points(result(speed=25.0), rooflines.roof())
    assert point.impossible


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "schema is 'list'"),
        (json.dumps(CPU | {"schema": "hostproof.roofline/9"}), "schema is 'hostproof.roofline/9'"),
        (json.dumps({k: v for k, v in CPU.items() if k != "memory"}), "KeyError('memory')"),
        (json.dumps(CPU | {"batch": "many"}), "invalid literal"),
        (json.dumps(CPU | {"model": {"caches": [{"layer": 1}]}}), "unexpected keyword argument 'layer'"),
    ],
)
def test_what_is_no_roofline_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(RooflineError) as error:
        roofline.from_json(text)
    assert words in str(error.value)
