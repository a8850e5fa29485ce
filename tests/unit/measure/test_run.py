"""A whole measurement against a mock server: from configuration to Result."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hostproof.measure import config, run
from hostproof.measure.errors import NotReady
from hostproof.measure.result import Result, from_json, to_json
from hostproof.measure.run import Kept, Voice

from . import build
from .conftest import Serve
from .mock_server import Mock


def measure(mock: Mock, lines: list[str] | None = None, **changes: Any) -> Result:
    raw = build.config(**{"server": build.server(url=mock.url), **changes})
    told: list[str] = [] if lines is None else lines
    events: list[Mapping[str, Any]] = []
    return run.measure(config.parse(raw), Voice(told.append, events.append))


def test_a_result_has_all_that_was_asked_and_crosses_the_wall(serve: Serve) -> None:
    lines: list[str] = []
    result = measure(serve(), lines)
    assert from_json(to_json(result)) == result
    speed = result.find("decode", "generation_throughput")
    assert speed is not None
    assert len(speed.samples) == 2
    assert len(speed.warmups) == 1
    assert result.setup.parameters_billion == 0.5
    assert result.environment["server_version"] == "mock-1"
    assert result.environment["cpu"]
    assert all(check.passed for check in result.checks)
    assert result.telemetry["instrument"]["cpu_seconds"] > 0
    assert all(0 <= share <= 1 for share in result.telemetry["cpu_per_core"])
    assert [line.split(":")[0] for line in lines if line.startswith("cell")] == [
        "cell decode warm-up 1/1",
        "cell decode run 1/2",
        "cell decode run 2/2",
    ]


def test_prompts_have_the_exact_length_and_cold_ones_differ(serve: Serve) -> None:
    mock = serve()
    measure(mock)
    prompts = [
        b["messages"][0]["content"] for b in mock.log.bodies("/v1/chat/completions") if b["max_tokens"] == 8
    ]
    measured = [prompt for prompt in prompts if len(prompt.split()) == 20]
    assert len(measured) == 3
    assert len({prompt.split()[0] for prompt in measured}) == 3


def test_the_same_run_id_twice_is_still_cold(serve: Serve) -> None:
    mock = serve()
    seeds = {measure(mock).environment["prompt_seed"] for _ in range(2)}
    assert len(seeds) == 2
    salts = [b["cache_salt"] for b in mock.log.bodies("/v1/chat/completions") if "cache_salt" in b]
    assert len(set(salts)) == len(salts)


def test_warm_prompts_are_the_same_each_time_and_ask_for_the_cache(serve: Serve) -> None:
    mock = serve()
    result = measure(mock, workload=build.workload(build.cell(cache="warm")))
    bodies = [b for b in mock.log.bodies("/v1/chat/completions") if b.get("stream") and b["max_tokens"] == 8]
    assert len({body["messages"][0]["content"] for body in bodies}) == 1
    assert not any("cache_salt" in body for body in bodies)
    assert "cold_prompts" not in [check.name for check in result.checks]


def test_cold_prompts_found_in_the_cache_fail_their_check(serve: Serve) -> None:
    failed = [check for check in measure(serve(cached=16)).checks if not check.passed]
    assert [check.name for check in failed] == ["cold_prompts"]


def test_an_answer_of_the_wrong_length_is_void_and_told(serve: Serve) -> None:
    result = measure(serve(short_by=2))
    speed = result.find("decode", "generation_throughput")
    assert speed is not None
    assert "asked for 8 tokens, usage says 6, the stream had 6" in speed.problem
    assert any("2 of 2 runs are void" in gap for gap in result.gaps)
    failures = result.find("decode", "failed_requests")
    assert failures is not None
    assert failures.samples == (), "a void run is no failure"


def test_an_answer_without_usage_is_void(serve: Serve) -> None:
    speed = measure(serve(usage=False, running_count=False)).find("decode", "generation_throughput")
    assert speed is not None
    assert "without usage" in speed.problem


def test_a_server_that_breaks_every_stream_is_given_up_after_three(serve: Serve) -> None:
    result = measure(serve(die_after=3), workload=build.workload(runs=6, warmups=0))
    failures = result.find("decode", "failed_requests")
    assert failures is not None
    assert failures.samples == (1.0, 1.0, 1.0)
    assert any("3 of 6 runs, because 3 failed in a row" in gap for gap in result.gaps)


def test_a_deadline_ends_the_measurement_with_what_there_is(serve: Serve) -> None:
    cells = [build.cell(), build.cell(name="never")]
    work = build.workload(*cells, runs=5000, warmups=0)
    result = measure(serve(), workload=work, deadline_seconds=1.5)
    never = result.find("never", "ttft")
    assert never is not None
    assert never.problem == "the deadline passed"
    some = result.find("decode", "failed_requests")
    assert some is None or all(sample == 0.0 for sample in some.samples)
    assert any("because the deadline passed" in gap for gap in result.gaps)


METRICS = """vllm:kv_cache_usage_perc{engine="0"} 0.125
vllm:prefix_cache_hits_total 0
vllm:prefix_cache_queries_total 0
"""


def test_the_cache_gauge_is_scraped_while_the_run_goes_on(serve: Serve) -> None:
    mock = serve(metrics=METRICS, ttft=0.6)
    found = measure(mock, workload=build.workload(runs=1, warmups=0)).find("decode", "kv_cache_usage")
    assert found is not None
    assert found.samples == (0.125,)


def test_a_cache_gauge_of_zero_while_a_run_goes_on_is_no_reading(serve: Serve) -> None:
    mock = serve(metrics=METRICS.replace("0.125", "0.0"), ttft=0.6)
    found = measure(mock, workload=build.workload(runs=1, warmups=0)).find("decode", "kv_cache_usage")
    assert found is not None
    assert found.problem == "the server's gauge was seen in no run"


def test_a_server_that_never_gets_ready_gives_no_result(serve: Serve) -> None:
    with pytest.raises(NotReady):
        measure(serve(loading=10_000), deadline_seconds=0.3)


def test_llama_server_is_asked_in_its_own_words(serve: Serve) -> None:
    mock = serve()
    result = measure(mock, server=build.server(url=mock.url, server="llama_server"))
    body = next(
        b for b in mock.log.bodies("/v1/chat/completions") if b.get("stream") and b["max_tokens"] == 8
    )
    assert (body["timings_per_token"], body["cache_prompt"]) == (True, False)
    assert all(set(b) == {"content", "add_special"} for b in mock.log.bodies("/tokenize"))
    derived = result.find("decode", "kv_cache_usage")
    assert derived is not None
    assert derived.source == "derived"


def test_each_measured_run_is_seen_from_beside(serve: Serve) -> None:
    result = measure(serve(ttft=0.3), workload=build.workload(runs=2, warmups=1))
    told = result.telemetry
    assert [(run["cell"], run["number"]) for run in told["runs"]] == [("decode", 1), ("decode", 2)]
    assert all(run["busy_cores"] >= 0 for run in told["runs"])
    assert told["sampling"]["looks"] >= 3
    assert len(told["heat"]) == os.cpu_count()
    assert len(told["series"]["busy_cores"]) == len(told["series"]["seconds"])


def test_the_result_has_the_pace_of_each_measured_run_on_one_clock(serve: Serve) -> None:
    for result in (measure(serve()), measure(serve(), telemetry_hertz=0)):
        paces = result.telemetry["pace"]
        speeds = [m for m in result.measurements if m.metric == "generation_throughput"]
        assert len(paces) == sum(len(m.samples) for m in speeds)
        begun = [each["begun_seconds"] for each in paces]
        assert begun == sorted(begun)
    assert begun[0] == 0, "without telemetry the clock begins with the first run"


def test_without_telemetry_the_result_says_so_and_is_whole(serve: Serve) -> None:
    result = measure(serve(), telemetry_hertz=0)
    assert "sampling" not in result.telemetry
    assert "telemetry does not have anything: it was switched off (0 Hz)" in result.gaps
    assert result.find("decode", "ttft")


def test_energy_that_no_counter_tells_is_unmeasured_with_the_reason(serve: Serve) -> None:
    found = measure(serve(), telemetry_hertz=0).find("decode", "energy_per_token")
    assert found is not None
    assert found.problem == "this host has no energy counter that can be read (RAPL, NVML)"


def test_raw_telemetry_is_kept_where_it_was_asked_for(serve: Serve, tmp_path: Path) -> None:
    mock = serve()
    wanted = config.parse(build.config(server=build.server(url=mock.url)))
    kept = Kept(telemetry=tmp_path / "telemetry.jsonl.gz")
    run.measure(wanted, Voice(lambda line: None, lambda event: None), kept)
    with gzip.open(tmp_path / "telemetry.jsonl.gz", "rt", encoding="utf-8") as lines:
        assert any("busy" in json.loads(line) for line in lines)


def test_every_event_of_every_answer_is_kept_with_its_time(serve: Serve, tmp_path: Path) -> None:
    mock = serve(gap=0.01)
    wanted = config.parse(build.config(server=build.server(url=mock.url)))
    kept = Kept(chunks=tmp_path / "chunks.jsonl.gz")
    result = run.measure(wanted, Voice(lambda line: None, lambda event: None), kept)
    with gzip.open(tmp_path / "chunks.jsonl.gz", "rt", encoding="utf-8") as lines:
        told = [json.loads(line) for line in lines]
    assert [(each["cell"], each["run"], each["warmup"]) for each in told] == [
        ("decode", 1, True),
        ("decode", 1, False),
        ("decode", 2, False),
    ]
    measured = result.find("decode", "ttft")
    assert measured is not None
    # The role delta comes first and is no token; the figures can be made anew from what was kept.
    first = [next(at for at, data in each["events"] if '"content": "' in data) for each in told[1:]]
    assert first == pytest.approx(measured.samples, abs=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chunks.jsonl.gz"]


def test_a_result_that_was_cut_short_says_so(serve: Serve) -> None:
    assert measure(serve()).unfinished == ""
    cut = measure(serve(die_after=3), workload=build.workload(runs=6, warmups=0))
    assert cut.unfinished.startswith("cell decode has 3 of 6 runs, because 3 failed in a row")
    assert from_json(to_json(cut)).unfinished == cut.unfinished
