"""Sessions, many at once, minutes, broken-off requests, behaviours: against the mock server, from the workload's file to the Result."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from hostproof.measure import behaviour, probe, run, special
from hostproof.measure.client import Client
from hostproof.measure.config import Config, Server
from hostproof.measure.errors import ConfigError
from hostproof.measure.result import Check, Result, from_json, to_json
from hostproof.measure.run import Kept, Voice
from hostproof.measure.transport import HttpTransport
from hostproof.measure.workload import Workload, fitted, parse

from . import build
from .conftest import Serve
from .mock_server import Mock
from .test_session import AGENT, EDIT


def of(*cells: dict[str, Any], **changes: Any) -> Workload:
    raw = build.workload(*cells, **{"runs": 2, "warmups": 0, **changes})
    return parse(raw | ({"cells": list(cells)} if changes.get("behaviour") else {}))


def measured(mock: Mock, work: Workload, context: int = 4096, **later: Any) -> Result:
    """`later`: how the server behaves from then on."""
    subject = probe.look(Client(HttpTransport(mock.url), ""), mock.url)
    for key, value in later.items():
        setattr(mock.script, key, value)
    server = Server(subject.dialect.server, "", mock.url, "", "mock", "mock", 0.0, context, "", {})
    wanted = Config("r", "h", "", "", server, work, {"name": work.name}, 60.0, telemetry_hertz=0)
    result = run.of(subject, wanted, Voice(lambda _: None, lambda _: None), Kept(), time.monotonic())
    assert from_json(to_json(result)) == result
    return result


def samples(result: Result, cell: str, metric: str) -> tuple[float, ...]:
    found = result.find(cell, metric)
    assert found is not None, f"{cell} has no {metric}"
    return found.samples


def bodies(mock: Mock) -> list[dict[str, Any]]:
    return [body for body in mock.log.bodies("/v1/chat/completions") if body.get("stream")]


def agent(name: str = "talk", **changes: Any) -> dict[str, Any]:
    return {"name": name, "session": {**AGENT, **changes}, "output_tokens": 8, "cache": "mixed"}


def test_a_session_grows_turn_by_turn_with_the_servers_own_answers(serve: Serve) -> None:
    mock = serve(owner="vllm", cached=30)
    result = measured(mock, of(agent()))
    asked = [body["messages"] for body in bodies(mock) if body["messages"][0]["role"] == "system"]
    assert [len(messages) for messages in asked] == [2, 4, 6, 8] * 2
    assert asked[1][:2] == asked[0], "nothing that was sent is changed"
    assert asked[1][2] == {"role": "assistant", "content": "sea salt wind wave grey gull sand rock"}
    assert len(samples(result, "talk", "ttft")) == 8
    assert samples(result, "talk", "output_tokens") == (8.0,) * 8
    assert len(samples(result, "talk", "prefix_cache_hit_rate")) == 2, "one a session"
    assert result.find("talk", "total_throughput") is None
    assert not any(check.name == "whole_prompts" and not check.passed for check in result.checks)


def test_sessions_do_not_share_a_cache(serve: Serve) -> None:
    mock = serve(owner="vllm")
    measured(mock, of(agent()))
    salts = [body["cache_salt"] for body in bodies(mock) if body["messages"][0]["role"] == "system"]
    assert [salts.count(salt) for salt in dict.fromkeys(salts)] == [4, 4]


def test_a_session_that_fails_is_not_gone_on_with(serve: Serve) -> None:
    result = measured(serve(owner="vllm"), of(agent()), die_after=3)
    assert samples(result, "talk", "failed_requests") == (1.0, 1.0)


def test_an_edit_is_answered_with_as_many_tokens_as_its_format_takes(serve: Serve) -> None:
    mock = serve(owner="vllm")
    cells = [
        {"name": name, "session": {**EDIT, "format": name}, "cache": "mixed"} for name in ("whole", "diff")
    ]
    result = measured(mock, of(*cells, runs=1))
    whole, diff = (samples(result, name, "output_tokens") for name in ("whole", "diff"))
    assert len(whole) == len(diff) == 3
    assert min(whole) > max(diff)
    (saved,) = [each for each in result.findings if each.startswith("diff writes")]
    assert f"{sum(diff) / 3:.0f} tokens where whole writes {sum(whole) / 3:.0f}" in saved
    assert any(each.startswith("whole: the KV cache grows from ") for each in result.findings)


def test_what_is_sent_at_once_is_there_at_once(serve: Serve) -> None:
    mock = serve(owner="vllm", gap=0.02)
    batch = {"name": "four", "concurrency": 4, "prompt_tokens": 20, "output_tokens": 8, "cache": "cold"}
    one = {**batch, "name": "one", "concurrency": 1}
    result = measured(mock, of(one, batch))
    assert len(samples(result, "four", "ttft")) == 8
    (alone, *_), (together, *_) = (samples(result, name, "total_throughput") for name in ("one", "four"))
    assert together > 2 * alone
    prompts = [b["messages"][0]["content"] for b in bodies(mock) if b["max_tokens"] == 8]
    measured_ones = [prompt for prompt in prompts if len(prompt.split()) == 20]
    assert len(set(measured_ones)) == len(measured_ones), "a cold prompt came twice"
    assert any(each.startswith("not saturated: ") for each in result.findings)


def test_a_soak_goes_on_for_its_seconds(serve: Serve) -> None:
    cell = {"name": "minute", "seconds": 1, "prompt_tokens": 20, "output_tokens": 8, "cache": "cold"}
    begun = time.monotonic()
    result = measured(serve(owner="vllm", gap=0.005), of(cell))
    assert time.monotonic() - begun > 1
    assert len(samples(result, "minute", "ttft")) > 5
    assert any(each.startswith("minute: no stall: ") for each in result.findings), result.findings


def test_a_broken_off_request_is_followed_by_a_short_one(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(special, "BREAK_SECONDS", 0.1)
    cell = {"name": "leave", "cancel": True, "prompt_tokens": 20, "output_tokens": 64, "cache": "cold"}
    result = measured(serve(owner="vllm", gap=0.02), of(cell))
    late = samples(result, "leave", "cancel_latency")
    assert len(late) == 2
    assert all(0 <= each < 0.5 for each in late)
    assert [m.metric for m in result.measurements] == ["cancel_latency", "failed_requests"]


def test_an_answer_that_is_too_fast_to_be_broken_off_is_void(serve: Serve) -> None:
    cell = {"name": "leave", "cancel": True, "prompt_tokens": 20, "output_tokens": 8, "cache": "cold"}
    result = measured(serve(owner="vllm"), of(cell))
    found = result.find("leave", "cancel_latency")
    assert found is not None
    assert "before it could be broken off" in found.problem


def tried(mock: Mock, context: int = 200) -> dict[str, Check]:
    result = measured(mock, of(behaviour=True), context)
    assert result.measurements == ()
    return {check.name: check for check in result.checks}


def test_behaviours_come_with_request_and_answer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behaviour, "BREAK_SECONDS", 0.05)
    found = tried(serve(gap=0.01, context=200, running_count=False, words=["größe", "→", "salt"]))
    failed = {name: check.detail for name, check in found.items() if not check.passed}
    assert failed == {}
    assert {
        "usage_true",
        "answered_model",
        "unicode_whole",
        "two_clients_apart",
        "cancel_frees",
        "overflow_refused",
    } <= set(found)
    stop = found["stop"]
    assert json.loads(stop.request.split(" ", 1)[1])["stop"]
    assert stop.answer.startswith('HTTP 200 {"model": "mock"')
    assert "Authorization" not in stop.request


LIES: list[tuple[dict[str, Any], str, str]] = [
    ({"whole_usage": False}, "usage_true", "no usage in the whole answer"),
    ({"name": "another"}, "answered_model", "asked for mock, answered by another"),
    ({"context": None}, "overflow_refused", "264 words for a context of 200 were answered"),
    ({"mixes": True}, "two_clients_apart", "began as the other's"),
    ({"broken_unicode": True}, "unicode_whole", "broken: yes"),
]


@pytest.mark.parametrize(("lie", "check", "said"), LIES, ids=[check for _, check, _ in LIES])
def test_a_server_that_lies_is_caught(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any], check: str, said: str
) -> None:
    monkeypatch.setattr(behaviour, "BREAK_SECONDS", 0.05)
    script = {"gap": 0.002, "context": 200, "running_count": False, "words": ["größe", "→", "salt"]}
    found = tried(serve(**{**script, **lie}))
    assert not found[check].passed
    assert said in found[check].detail


def test_cells_beyond_the_context_are_left_out_or_refused() -> None:
    cells = [
        build.cell(),
        build.cell(name="long", prompt_tokens=5000),
        build.cell(name="limit", prompt_tokens="context"),
    ]
    work, left = fitted(of(*cells, skip_too_long=True), 4096)
    assert [(cell.name, cell.prompt_tokens) for cell in work.cells] == [
        ("decode", 20),
        ("limit", 4096 - 8 - 160),
    ]
    assert left == ("cell long is left out: it needs 5008 tokens and more, the server's context is 4096",)
    with pytest.raises(ConfigError, match="needs 5008 tokens"):
        fitted(of(*cells), 4096)
    work, left = fitted(of(*cells), 0)
    assert [cell.name for cell in work.cells] == ["decode", "long"]
    assert "does not say how long its context is" in left[0]
    with pytest.raises(ConfigError, match="no cell fits"):
        fitted(of(cells[1], skip_too_long=True), 4096)


WRONG: list[tuple[dict[str, Any], str]] = [
    (agent() | {"prompt_tokens": 20}, "prompt_tokens: a session's prompts grow by its own keys"),
    (agent() | {"cache": "cold"}, "cache: must be mixed"),
    (build.cell(cache="mixed"), "cache: must be cold or warm"),
    (agent() | {"concurrency": 2}, "concurrency: goes not together with session"),
    (build.cell(concurrency=2, seconds=5), "seconds: goes not together with concurrency"),
    (build.cell(concurrency=500), "concurrency: 500 at once are more than 256"),
    (build.cell(concurrency=0), "concurrency: must be a whole number of at least 1"),
    (build.cell(cancel="yes"), "cancel: must be true or false"),
    (build.cell(cancel=True, cache="warm", warmups=1), "cache: must be cold with cancel"),
    (build.cell(seconds=5, checkpoints=[4]), "checkpoints: goes not together with seconds"),
    (
        {"name": "e", "session": EDIT, "cache": "mixed", "output_tokens": 5},
        "output_tokens: follows from the edits",
    ),
]


@pytest.mark.parametrize(("cell", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_cell_is_one_sentence(cell: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        of(cell)
    assert str(caught.value).startswith(f"workload.cells[0].{said}")
