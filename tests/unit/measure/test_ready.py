"""Health is not proof: what counts as ready, and what each check finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostproof.measure import ready
from hostproof.measure.checks import Checker, stop_text
from hostproof.measure.client import Client
from hostproof.measure.dialect import DIALECTS
from hostproof.measure.errors import NotReady
from hostproof.measure.result import Check
from hostproof.measure.transport import HttpTransport

from .conftest import Serve
from .mock_server import MODEL, Mock


def client(mock: Mock, key: str = "", model: str = MODEL) -> Client:
    return Client(HttpTransport(mock.url), model, key)


def checks(mock: Mock, key: str = "") -> dict[str, Check]:
    speaker = client(mock, key)
    first = ready.wait(speaker, 5)
    return {c.name: c for c in Checker(speaker, DIALECTS["vllm_server"], "salt").all(first)}


def test_a_server_that_loads_first_is_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "PAUSE_SECONDS", 0.01)
    assert ready.wait(client(serve(loading=3)), 10).text.strip()


@pytest.mark.parametrize(
    ("script", "model", "said"),
    [
        ({"loading": 10_000}, MODEL, "the last reason: loading .HTTP 503: .*Loading model"),
        ({}, "other", "it serves mock, not other"),
        ({"words": [""]}, MODEL, "wrong answer: no text in it"),
        ({"short_by": -4}, MODEL, "wrong answer: 12 tokens, asked for 8"),
    ],
)
def test_when_time_is_up_the_last_reason_is_told(
    serve: Serve, script: dict[str, Any], model: str, said: str
) -> None:
    with pytest.raises(NotReady, match=said):
        ready.wait(client(serve(**script), model=model), 0.3)


def test_nobody_there_is_told() -> None:
    nobody = Client(HttpTransport("http://127.0.0.1:1"), MODEL)
    with pytest.raises(NotReady, match=r"within 0 s; the last reason: .*connection refused"):
        ready.wait(nobody, 0.2)


def test_a_wrong_key_is_told_at_once(serve: Serve) -> None:
    with pytest.raises(NotReady, match="refuses the API key"):
        ready.wait(client(serve(key="right"), key="wrong"), 3600)


def test_a_good_server_passes_every_check(serve: Serve) -> None:
    found = checks(serve(key="right"), key="right")
    assert {name for name, check in found.items() if check.passed} == {
        "answers",
        "served_model",
        "wrong_key_refused",
        "max_tokens",
        "streamed_equals_whole",
        "stop",
        "eos",
    }
    assert all(check.detail for check in found.values())


def test_without_a_key_there_is_no_check_of_keys(serve: Serve) -> None:
    assert "wrong_key_refused" not in checks(serve())


@pytest.mark.parametrize(
    ("script", "key", "failing"),
    [
        ({"key": "right", "ignores_key": True}, "right", "wrong_key_refused"),
        ({"short_by": 2}, "", "max_tokens"),
        ({"stream_differs": True}, "", "streamed_equals_whole"),
        ({"die_after": 3}, "", "streamed_equals_whole"),
        ({"ignores_stop": True}, "", "stop"),
        ({"ends_after": 10_000}, "", "eos"),
    ],
)
def test_each_check_finds_its_fault_and_no_other(
    serve: Serve, script: dict[str, Any], key: str, failing: str
) -> None:
    found = checks(serve(**script), key)
    assert [name for name, check in found.items() if not check.passed] == [failing]


def test_every_check_asks_past_the_prefix_cache(serve: Serve) -> None:
    mock = serve()
    checks(mock)
    bodies = mock.log.bodies("/v1/chat/completions")[1:]
    salts = [body["cache_salt"] for body in bodies]
    assert len(set(salts)) == len(salts) >= 4


@given(st.text(alphabet="ab ", min_size=1, max_size=40))
def test_a_stop_text_first_occurs_where_the_answer_is_already_begun(text: str) -> None:
    found = stop_text(text)
    if found is not None:
        assert text.find(found) > 0
        assert found.strip() == found != ""


def test_an_answer_that_repeats_itself_still_has_a_stop_text() -> None:
    assert stop_text(" 1, 2, 2, 2, 2, 2, 2, 2, 2") is not None
    assert stop_text("aaaa") is None
