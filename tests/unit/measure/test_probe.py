"""A server that somebody else started: what it is, what it can do, and what is said when it cannot."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hostproof.measure import probe, run
from hostproof.measure.client import Client
from hostproof.measure.config import Config, Server
from hostproof.measure.errors import NotReady
from hostproof.measure.probe import Subject
from hostproof.measure.result import Result
from hostproof.measure.run import Kept, Voice
from hostproof.measure.transport import HttpTransport
from hostproof.measure.workload import parse

from . import build
from .conftest import Serve
from .mock_server import Mock

PLAIN: dict[str, Any] = {"running_count": False, "tokenizer": False, "knows_ignore_eos": False}
"""A server that knows OpenAI's protocol and nothing else."""


def look(mock: Mock, model: str = "", key: str = "") -> Subject:
    return probe.look(Client(HttpTransport(mock.url), "", key), mock.url, model)


def measured(mock: Mock, *cells: dict[str, Any]) -> Result:
    subject = look(mock)
    raw = build.workload(*cells)
    server = Server(subject.dialect.server, "", mock.url, "", "mock", "mock", 0.0, 0, "", {})
    wanted = Config("r", "h", "", "", server, parse(raw), raw, 60.0, telemetry_hertz=0)
    return run.of(subject, wanted, Voice(lambda line: None, lambda event: None), Kept(), time.monotonic())


def samples(result: Result, metric: str) -> tuple[float, ...]:
    found = result.find("decode", metric)
    assert found is not None
    return found.samples


def problem(result: Result, metric: str) -> str:
    found = result.find("decode", metric)
    assert found is not None
    return found.problem


@pytest.mark.parametrize(
    ("owner", "kind"), [("llamacpp", "llama_server"), ("vllm", "vllm_server"), ("somebody", "openai_server")]
)
def test_the_kind_of_server_is_what_it_says(serve: Serve, owner: str, kind: str) -> None:
    assert look(serve(owner=owner)).dialect.server == kind


def test_a_server_that_does_not_say_is_known_by_its_metrics(serve: Serve) -> None:
    assert look(serve(metrics="llamacpp:n_decode_total 1\n")).dialect.server == "llama_server"
    assert look(serve(metrics="vllm:request_success_total 1\n")).dialect.server == "vllm_server"


def test_the_model_is_found_or_must_be_named(serve: Serve) -> None:
    assert look(serve()).client.model == "mock"
    two = serve(models=("mock", "other"))
    with pytest.raises(NotReady, match="serves 2 models, so one must be named: mock, other"):
        look(two)
    assert look(two, "other").client.model == "other"
    with pytest.raises(NotReady, match="does not serve mok; it serves mock, other"):
        look(two, "mok")


def test_a_plain_server_is_measured_with_prompts_of_the_right_length(serve: Serve) -> None:
    mock = serve(**PLAIN, gap=0.002)
    result = measured(mock, build.cell(prompt_tokens=100, output_tokens=8))
    prompts = [
        b["messages"][0]["content"]
        for b in mock.log.bodies("/v1/chat/completions")
        if b.get("stream") and b["max_tokens"] == 8 and b["messages"][0]["content"].startswith("Text:")
    ]
    assert [len(prompt.split()) for prompt in prompts] == [100, 100, 100]
    assert len(set(prompts)) == 3, "a cold prompt came twice"
    assert len(samples(result, "generation_throughput")) == 2
    told = " ".join(result.gaps)
    assert "ended answers by itself after 5 tokens, 8 were asked" in told
    assert "prompts are made of words that its usage shows to be one token each" in told
    assert "not of one length" not in told


def test_without_usage_in_streams_times_are_measured_and_tokens_are_not(serve: Serve) -> None:
    result = measured(serve(**PLAIN, usage=False))
    assert len(samples(result, "ttft")) == 2
    assert len(samples(result, "latency")) == 2
    for metric in ("generation_throughput", "inter_token_latency", "performance_factor"):
        assert samples(result, metric) == ()
    assert "without usage" in problem(result, "generation_throughput")
    assert any("come without usage" in gap for gap in result.gaps)


def test_without_any_usage_the_length_of_prompts_is_said_to_be_approximate(serve: Serve) -> None:
    result = measured(serve(**PLAIN, usage=False, whole_usage=False))
    assert len(samples(result, "ttft")) == 2
    assert any("prompt lengths are approximate" in gap for gap in result.gaps)


def test_a_server_without_chat_is_asked_for_bare_completions(serve: Serve) -> None:
    mock = serve(chat=False, completions=True, running_count=False)
    result = measured(mock)
    assert len(samples(result, "generation_throughput")) == 2
    assert all("prompt" in body for body in mock.log.bodies("/v1/completions"))
    assert any("has no chat" in gap for gap in result.gaps)


def test_keys_that_a_server_refuses_are_left_out_and_told(serve: Serve) -> None:
    mock = serve(**PLAIN, refuses=("ignore_eos", "seed", "stream_options"), usage=False)
    result = measured(mock)
    assert len(samples(result, "ttft")) == 2
    assert any("refuses ignore_eos, seed, stream_options" in gap for gap in result.gaps)


def test_a_newer_name_for_max_tokens_is_learned(serve: Serve) -> None:
    mock = serve(**PLAIN, refuses=("max_tokens",))
    assert len(samples(measured(mock), "ttft")) == 2
    older = [body for body in mock.log.bodies("/v1/chat/completions") if "max_tokens" in body]
    assert len(older) == 1, "it was told once"


def test_a_known_server_that_refuses_ignore_eos_may_answer_shorter(serve: Serve) -> None:
    subject = look(serve(owner="vllm", refuses=("ignore_eos",)))
    assert subject.dialect.exact is False


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"page": b"<html>hello</html>"}, "is no OpenAI-compatible server: /v1/models did not answer in JSON"),
    ({"page": b'{"models": []}'}, "is no OpenAI-compatible server: /v1/models lists no model"),
    ({"page": b"[]"}, "is no OpenAI-compatible server"),
    ({"key": "secret"}, "wants an API key"),
    ({"chat": False}, "answers neither a chat completion"),
    ({"streams": False}, "does not stream, so no time to a first token can be seen"),
]


@pytest.mark.parametrize(("script", "said"), REFUSALS, ids=[said[:30] for _, said in REFUSALS])
def test_what_cannot_be_measured_is_one_sentence(serve: Serve, script: dict[str, Any], said: str) -> None:
    with pytest.raises(NotReady, match=said) as caught:
        look(serve(**script))
    assert "\n" not in str(caught.value)


def test_a_wrong_key_is_told_from_a_missing_one(serve: Serve) -> None:
    with pytest.raises(NotReady, match="refuses the API key"):
        look(serve(key="secret"), key="another")
    assert look(serve(key="secret"), key="secret").client.model == "mock"


def test_a_refused_connection_says_what_to_do() -> None:
    url = "http://127.0.0.1:9"
    with pytest.raises(NotReady, match=r"connection refused\. Start the server, or mend the URL"):
        probe.look(Client(HttpTransport(url), ""), url)


def test_a_server_that_loads_is_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PAUSE_SECONDS", 0.01)
    assert look(serve(loading=3)).client.model == "mock"
    monkeypatch.setattr(probe, "LOADING_SECONDS", 0.05)
    with pytest.raises(NotReady, match="still loading"):
        look(serve(loading=10_000))


def test_a_server_that_dies_leaves_what_there_was(serve: Serve) -> None:
    mock = serve()
    before = len(mock.log.requests)
    look(mock)
    asked = sum(1 for path, _ in mock.log.requests[before:] if path == "/v1/chat/completions")
    dying = serve(dies_for_good_after=2 * asked + 10)
    result = measured(dying, build.cell(runs=20, warmups=0), build.cell(name="later"))
    assert result.unfinished.startswith("cell decode has ")
    assert "the server is gone" in result.unfinished
    assert samples(result, "ttft"), "what was measured before is kept"
