"""Questions with known answers: what any working model passes, and no broken kernel."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hostproof.measure import canary, config, run
from hostproof.measure.errors import ConfigError, SampleVoid
from hostproof.measure.result import Check
from hostproof.measure.run import Voice

from . import build
from .conftest import Serve
from .mock_server import Mock

SHORT = {
    "France": " Paris.",
    "Count": " 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
    "next": " 12",
    "Japan": "Tokyo",
}


def works(prompt: str) -> str:
    """As a good model: it reads."""
    if asked := re.search(r"which parcel does r(oom .+) hold\?", prompt):
        line = re.search(rf"^R{asked[1]} holds parcel (\d+)\.$", prompt, re.MULTILINE)
        return f" {line[1]}" if line else " none"
    return next((said for word, said in SHORT.items() if word in prompt), " yes")


def forgets(prompt: str) -> str:
    """As kernels that go wrong with size: short prompts are right."""
    return works(prompt) if len(prompt) < 4000 else "!!!!!!!!!!!!"


def checks(mock: Mock, **changes: Any) -> dict[str, Check]:
    server = build.server(url=mock.url, context=32_768)
    raw = build.config(server=server, workload=build.workload(runs=1, warmups=0), canary=True, **changes)
    result = run.measure(config.parse(raw), Voice(lambda _: None, lambda _: None))
    return {check.name: check for check in result.checks}


def test_a_server_that_works_passes_both(serve: Serve) -> None:
    found = checks(serve(answer=works))
    short = found["canary_short"]
    assert (short.passed, short.detail) == (True, "4 of 4 known answers are right")
    assert found["canary_long"].passed, found["canary_long"].detail
    assert re.fullmatch(r"2 of 2 numbers were found in 4,3\d\d tokens", found["canary_long"].detail)
    assert all(check.passed for check in found.values())


def test_kernels_that_go_wrong_with_size_fail_the_long_one_alone(serve: Serve) -> None:
    found = checks(serve(answer=forgets))
    assert found["canary_short"].passed
    assert not found["canary_long"].passed
    assert "one character over and over" in found["canary_long"].detail


@pytest.mark.parametrize(
    "said", ["", " ", "!!!!!!!!", "the the the", "Paris", "1 2 3 4 5 6 7 8 9 10 11 12 Paris"]
)
def test_what_does_not_read_the_question_fails_the_long_one(said: str) -> None:
    asked = canary.long_questions(lambda text: len(text.split()))
    assert not canary.long_verdict(asked, [said, said])[0]
    assert not canary.long_verdict(asked, [works(asked.questions[0].text), said])[0]


@pytest.mark.parametrize(
    "said", ["", "!!!!!!!!", "the the the the", "0000000000", "Paris, the sea, and 12 ships"]
)
def test_garbage_fails_the_short_ones(said: str) -> None:
    assert not canary.short_verdict([said] * len(canary.SHORT))[0]


def test_a_small_model_may_miss_one_of_the_short_ones() -> None:
    answers = [*SHORT.values()]
    assert canary.short_verdict([*answers[:3], "Kyoto"]) == (
        True,
        "3 of 4 known answers are right; 'What is the capital of Japan? Answer with one word.' was answered 'Kyoto'",
    )
    assert not canary.short_verdict([*answers[:2], "Kyoto", "7"])[0]


def test_what_the_labs_small_model_really_said_passes() -> None:
    """Gemma 3 270M on llama-server build 11669, 25 Nov 2026."""
    said = [
        " Paris.\n",
        " 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.\n",
        " 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26,",
        " Tokyo.\n",
    ]
    assert canary.short_verdict(said)[0]


@pytest.mark.parametrize("each", [1, 4, 30])
def test_the_long_text_is_long_for_any_tokenizer_and_the_same_each_time(each: int) -> None:
    def tokenizer(text: str) -> int:
        return len(text) // each + 1

    first, second = canary.long_questions(tokenizer), canary.long_questions(tokenizer)
    assert first == second
    assert canary.LEAST_TOKENS <= first.tokens < canary.LONG_TOKENS + canary.ROOM
    assert [works(q.text).strip() in q.answer for q in first.questions] == [True, True]


def test_a_tokenizer_that_counts_nothing_is_told() -> None:
    with pytest.raises(SampleVoid, match="a text of 4096 tokens was wanted"):
        canary.long_questions(lambda _: 5)


def test_an_answer_stands_in_the_text_once() -> None:
    for question in canary.long_questions(lambda text: len(text.split())).questions:
        assert len(re.findall(question.answer, question.text)) == 1


def test_nobody_is_asked_unless_the_setup_says_so(serve: Serve) -> None:
    raw = build.config(server=build.server(url=serve().url))
    result = run.measure(config.parse(raw), Voice(lambda _: None, lambda _: None))
    assert not [check for check in result.checks if check.name.startswith("canary")]


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_canary_is_true_or_false(value: object) -> None:
    with pytest.raises(ConfigError, match=r"config\.canary: must be true or false"):
        config.parse(build.config(canary=value))


def test_a_context_that_the_canary_does_not_fit_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="takes 4600 tokens of context, the server has 4096"):
        config.parse(build.config(canary=True))
