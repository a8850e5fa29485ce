"""Conversations as data: what stays the same from turn to turn, and what a habit breaks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hostproof.measure import session
from hostproof.measure.errors import ConfigError
from hostproof.measure.session import HABITS, AgentTalk, Message, edits, parse

AGENT: dict[str, Any] = {
    "kind": "agent",
    "turns": 4,
    "system_tokens": 40,
    "tools": 6,
    "turn_tokens": 20,
    "answer_tokens": 8,
}
EDIT: dict[str, Any] = {
    "kind": "edit",
    "format": "whole",
    "turns": 3,
    "system_tokens": 30,
    "map_tokens": 20,
    "files": 2,
    "lines": 10,
}


def words(tokens: int, seed: str) -> str:
    return " ".join([seed.replace("/", "_")] * tokens)


def prompts(habit: str) -> list[str]:
    talk = AgentTalk(parse({**AGENT, "habit": habit}, "s"), "mark", words)
    found = []
    for turn in range(1, 5):
        found.append(flat(talk.ask(turn)))
        talk.answered(f"answer {turn}")
    return found


def flat(messages: list[Message]) -> str:
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)


def common(one: str, other: str) -> float:
    """Share of the first that the second begins with."""
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    return same / len(one)


@pytest.mark.parametrize(
    ("habit", "least", "most"),
    [
        ("none", 1.0, 1.0),
        ("timestamp_last", 0.85, 1.0),
        ("timestamp_first", 0.0, 0.1),
        ("tools_shuffled", 0.1, 0.75),
        ("history_edited", 0.3, 0.9),
    ],
)
def test_what_a_habit_leaves_of_the_prefix(habit: str, least: float, most: float) -> None:
    shares = [common(early, late) for early, late in pairwise(prompts(habit))]
    assert all(least <= share <= most for share in shares), shares


def test_every_habit_is_explained_and_every_breaking_one_has_a_mend() -> None:
    assert set(session.MENDS) <= set(HABITS)
    assert set(HABITS) - set(session.MENDS) == {"none", "timestamp_last"}


def test_the_same_session_is_the_same_each_time_and_two_marks_share_nothing() -> None:
    assert prompts("tools_shuffled") == prompts("tools_shuffled")
    one, other = (flat(AgentTalk(parse(AGENT, "s"), mark, words).ask(1)) for mark in ("a-mark", "b-mark"))
    assert common(one, other) < 0.1


def test_both_formats_are_asked_for_the_same_edits() -> None:
    whole, diff = (list(edits(parse({**EDIT, "format": name}, "s"), "m", words)) for name in session.FORMATS)
    assert [each.messages[-1] for each in whole] == [each.messages[-1] for each in diff]
    for long, short in zip(whole, diff, strict=True):
        assert len(long.answer.splitlines()) == 10 + 3
        assert "<<<<<<< SEARCH" in short.answer
        old, _, new = short.answer.partition("=======")
        assert sum(line in new for line in old.splitlines()[3:]) >= 1, "context stands on both sides"


def test_an_edit_is_in_the_files_of_the_next_request_and_in_its_history() -> None:
    first, second, third = edits(parse(EDIT, "s"), "m", words)
    files = [
        message["content"] for message in second.messages if "files as they are now" in message["content"]
    ]
    assert first.answer in files[0]
    assert [m["content"] for m in third.messages].count(first.answer) == 1
    assert second.answer in flat(third.messages)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "talk"}, "s.kind: must be agent or edit"),
    ({**AGENT, "habit": "rude"}, "s.habit: must be one of none"),
    ({**AGENT, "turns": 1}, "s.turns: must be a whole number of at least 2"),
    ({**AGENT, "files": 2}, "s.files: unknown key"),
    ({**EDIT, "format": "udiff"}, "s.format: must be one of whole, diff"),
    ({key: value for key, value in AGENT.items() if key != "tools"}, "s.tools: must be a whole number"),
]


@pytest.mark.parametrize(("raw", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_session_is_one_sentence(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        parse(raw, "s")
    with pytest.raises(ConfigError, match="must be a mapping"):
        parse([], "s")
