"""`cells[]`: what users and scripts read of a Result."""

from __future__ import annotations

import json

import pytest

from hostproof.measure.figures import figure, name_of
from hostproof.measure.result import METRICS, Measurement, Result, Setup, from_json, to_json, unit_of

SETUP = Setup("s", "openai_server", "m", 0.0)


def of(*measurements: Measurement) -> Result:
    workload = {"name": "w"}
    return Result("r", "h", "", SETUP, workload, "a", "b", {}, measurements)


def test_the_names_have_their_units() -> None:
    names = [name_of(metric, unit_of(metric)) for metric in (*METRICS, "latency_at_200")]
    assert names[:5] == ["ttft_s", "prompt_tok_s", "generation_tok_s", "itl_s", "latency_s"]
    assert "latency_at_200_s" in names
    assert "failed_requests" in names
    assert "peak_memory_bytes" in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("n", "p95", "p99"), [(58, False, False), (59, True, False), (299, True, True)])
def test_a_percentile_is_null_where_the_sample_does_not_carry_it(n: int, p95: bool, p99: bool) -> None:
    told = figure(Measurement("c", "ttft", tuple(float(i) for i in range(n))))
    assert (told["p95"] is not None, told["p99"] is not None) == (p95, p99)
    assert told["n"] == n
    assert ("p95 from n = 59" in told.get("not_carried", "")) is not p95
    if p95:
        assert told["p95"] == pytest.approx(0.95 * (n - 1))


def test_a_hiccup_shows_in_the_percentiles_of_gaps_over_tokens() -> None:
    """Every tenth token late by 190 ms: means of requests would say 28 ms."""
    gaps = tuple(0.2 if i % 10 == 9 else 0.01 for i in range(2000))
    told = figure(Measurement("c", "inter_token_latency", gaps, over="tokens"))
    assert told["over"] == "tokens"
    assert (told["median"], told["p95"]) == (0.01, 0.2)


def test_what_was_not_measured_is_null_with_its_reason() -> None:
    told = figure(Measurement("c", "ttft", (), problem="nobody answered"))
    assert (told["median"], told["p95"], told["min"], told["n"]) == (None, None, None, 0)
    assert told["problem"] == "nobody answered"


def test_the_cells_go_along_with_a_result_and_are_not_read_back() -> None:
    result = of(
        Measurement("a", "ttft", (1.0, 2.0, 4.0)),
        Measurement("a", "failed_requests", (0.0, 0.0, 0.0, 1.0)),
        Measurement("b", "ttft", (), problem="x"),
    )
    raw = json.loads(to_json(result))
    assert [(cell["workload"], cell["cell"], cell["requests"]) for cell in raw["cells"]] == [
        ("w", "a", 4),
        ("w", "b", 0),
    ]
    assert raw["cells"][0]["metrics"]["ttft_s"]["median"] == 2.0
    assert from_json(json.dumps(raw)) == result
