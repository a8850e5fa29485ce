"""What a server says of itself: /metrics over a measurement, vLLM's log lines as the article's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.measure import metrics_page, server_truth
from hostproof.measure.server_truth import Window

from . import build
from .conftest import Serve
from .test_run import measure

RECORDED = Path(__file__).parent / "recorded"
LOG = "\n".join(
    [
        "(APIServer pid=1) INFO 11-25 10:00:00 [loggers.py:123] Engine 000: Avg prompt throughput: 1742.5 tokens/s, "
        "Avg generation throughput: 28.3 tokens/s, Running: 1 reqs, Waiting: 0 reqs, GPU KV cache usage: 2.0%, "
        "Prefix cache hit rate: 22.8%",
        "something else",
        "Engine 000: Avg generation throughput: 28.0 tokens/s, KV cache usage: 2.3%, Prefix cache hit rate: 22.8%",
        "Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 0.0 tokens/s, Running: 0 reqs, "
        "Waiting: 0 reqs, GPU KV cache usage: 0.0%, External prefix cache hit rate: 9.0%, Prefix cache hit rate: 45.0%",
    ]
)


def test_log_lines_of_several_versions_are_read_by_key() -> None:
    assert list(server_truth.windows(LOG)) == [
        Window(1742.5, 28.3, 1, 0, 0.02, 0.228),
        Window(0.0, 28.0, 0, 0, 0.023, 0.228),
        Window(0.0, 0.0, 0, 0, 0.0, 0.45),
    ]


def test_the_articles_table_comes_from_the_log_and_idle_windows_are_counted_apart() -> None:
    table = server_truth.table(list(server_truth.windows(LOG)))
    assert (table["windows"], table["idle_windows"], table["running_max"]) == (3, 1, 1)
    assert table["generation_tok_s"] == {"min": 28.0, "median": 28.15, "max": 28.3}
    assert table["prompt_tok_s"] == {"min": 1742.5, "median": 1742.5, "max": 1742.5}
    assert table["prefix_cache_hit_rate"]["max"] == 0.45
    (said,) = server_truth.findings({}, table)
    assert said.startswith("1 of 3 windows of the server's log read 0 tok/s")
    assert server_truth.table([]) == {}


@pytest.mark.parametrize("name", ["llama-server-b11669", "vllm-0.32.0"])
def test_recorded_pages_have_gauges_and_counters(name: str) -> None:
    text = (RECORDED / f"{name}.metrics").read_text(encoding="utf-8")
    whole = server_truth.look(metrics_page.parse(text), 1.0)
    kept = server_truth.look(metrics_page.parse(server_truth.relevant(text)), 1.0)
    assert kept == whole
    assert {"running", "waiting", "cached_tokens"} <= set(kept.values)


def page(success: int, preempted: int = 0) -> str:
    return f"""vllm:request_success_total{{finished_reason="stop"}} 3
vllm:request_success_total{{finished_reason="length"}} {success}
vllm:num_preemptions_total {preempted}
vllm:num_requests_running {success % 2}
"""


def test_counters_grow_and_answers_end_for_reasons() -> None:
    before, after = (metrics_page.parse(page(*each)) for each in ((5, 1), (9, 3)))
    looks = [server_truth.look(before, 0.0), server_truth.look(after, 2.0)]
    told = server_truth.told(looks, before, after)
    assert told["growth"] == {"preemptions": 2.0}
    assert told["finish_reasons"] == {"length": 4.0}
    assert told["running_max"] == 1.0
    (said,) = server_truth.findings(told, {})
    assert "pre-empted 2 requests" in said
    assert server_truth.told(looks[:1], before, after) == {}


def test_a_measurement_scrapes_once_a_second_and_keeps_the_series(serve: Serve) -> None:
    mock = serve(metrics=page(5), ttft=0.7)
    result = measure(mock, workload=build.workload(runs=3, warmups=0))
    told = result.telemetry["server"]["metrics"]
    assert told["looks"] >= 2
    assert len(told["series"]["seconds"]) == len(told["series"]["running"])
    assert "server" not in measure(serve()).telemetry, "without /metrics there is nothing to keep"
