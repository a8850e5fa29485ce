"""Conversations: what an agent with tools sends turn by turn, and what an editor sends edit by edit. Pure: data in, messages out.

Texts are made from seeds, so that a session is the same each time; pieces have an exact number of tokens by the server's own
tokenizer. The answers of an edit are known beforehand in both formats: the server generates exactly as many tokens as the format
takes, whatever the model would have said.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from hostproof.measure.errors import ConfigError

Message: TypeAlias = dict[str, str]
Text = Callable[[int, str], str]
"""(tokens, seed) → a text of exactly so many."""

Habit = Literal["none", "timestamp_last", "timestamp_first", "tools_shuffled", "history_edited"]
HABITS: Mapping[str, str] = {
    "none": "nothing that was sent is changed: the prefix stays",
    "timestamp_last": "the time stands in the newest message",
    "timestamp_first": "the time stands at the beginning of the system prompt",
    "tools_shuffled": "the tools come in another order each turn",
    "history_edited": "an early message is rewritten each turn",
}
MENDS: Mapping[str, str] = {
    "timestamp_first": "put the time into the newest message, or leave it out",
    "tools_shuffled": "sort the tools by name, and send them the same way each turn",
    "history_edited": "only ever append to the history; summarise it seldom, and then all at once",
}
Format = Literal["whole", "diff"]
FORMATS = ("whole", "diff")
TOOL_TOKENS = 45
"""About what the schema of one tool below takes; only to see beforehand whether a session fits a context."""
LINE_TOKENS = 18
"""The same of a line of code."""
PATCH_LINES = 8
"""Of a block of SEARCH and REPLACE, its marks counted."""
SHOUT = "Now: 2026-01-01T00:{:02d}:{:02d}Z\n"


@dataclass(frozen=True)
class Session:
    """`agent`: turns of a tool-using conversation. `edit`: the same edits to the same files, in one of two formats."""

    kind: Literal["agent", "edit"]
    turns: int
    """Or edits."""
    system_tokens: int
    habit: Habit = "none"
    tools: int = 0
    turn_tokens: int = 0
    answer_tokens: int = 0
    format: Format = "whole"
    files: int = 0
    lines: int = 0
    """Of a file."""
    map_tokens: int = 0
    """Of the repository map."""

    @property
    def tokens(self) -> int:
        """About how long its last prompt is."""
        if self.kind == "agent":
            return (
                self.system_tokens
                + TOOL_TOKENS * self.tools
                + self.turns * (self.turn_tokens + self.answer_tokens)
            )
        content = LINE_TOKENS * self.lines * self.files
        return self.system_tokens + self.map_tokens + content + (self.turns - 1) * self.answer

    @property
    def answer(self) -> int:
        """About how many tokens an answer has."""
        if self.kind == "agent":
            return self.answer_tokens
        return LINE_TOKENS * (self.lines if self.format == "whole" else PATCH_LINES)


_AGENT = ("kind", "turns", "system_tokens", "tools", "turn_tokens", "answer_tokens", "habit")
_EDIT = ("kind", "turns", "system_tokens", "format", "files", "lines", "map_tokens")


def parse(raw: object, path: str) -> Session:
    """Raises ConfigError with the path of the key that is wrong."""
    if not isinstance(raw, Mapping):
        raise ConfigError(path, f"must be a mapping, not {type(raw).__name__}")
    kinds = {"agent": _AGENT, "edit": _EDIT}
    kind = raw.get("kind")
    if kind not in kinds:
        raise ConfigError(f"{path}.kind", f"must be {' or '.join(kinds)}, not {kind!r}")
    known = kinds[kind]
    for key in raw:
        if key not in known:
            raise ConfigError(f"{path}.{key}", f"unknown key; known: {', '.join(known)}")
    choices = {"habit": tuple(HABITS), "format": FORMATS}
    for key, words in choices.items():
        if key in known and raw.get(key, "none") not in words:
            raise ConfigError(f"{path}.{key}", f"must be one of {', '.join(words)}, not {raw.get(key)!r}")
    numbers = {key: _number(raw, key, path) for key in known if key not in ("kind", *choices)}
    return Session(
        kind=cast("Literal['agent', 'edit']", kind),
        habit=raw.get("habit", "none"),
        format=raw.get("format", "whole"),
        **numbers,
    )


def _number(raw: Mapping[str, Any], key: str, path: str) -> int:
    least = {
        "turns": 2,
        "system_tokens": 16,
        "turn_tokens": 16,
        "answer_tokens": 2,
        "files": 1,
        "lines": 4,
    }.get(key, 0)
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{path}.{key}", f"must be a whole number of at least {least}, not {value!r}")
    return value


@dataclass
class AgentTalk:
    """What an agent sends, turn by turn. `mark` begins the system prompt: two sessions share no prefix."""

    session: Session
    mark: str
    text: Text

    def __post_init__(self) -> None:
        about = self.session
        self._rules = self.text(about.system_tokens, f"{self.mark}/system")
        self._said: list[Message] = []

    def ask(self, turn: int) -> list[Message]:
        """The messages of turn 1, 2, …; the answer to the one before must have been told (`answered`)."""
        about = self.session
        self._said.append(
            {"role": "user", "content": self.text(about.turn_tokens, f"{self.mark}/turn-{turn}")}
        )
        now = SHOUT.format(turn // 60, turn % 60)
        said = [dict(message) for message in self._said]
        if about.habit == "history_edited" and turn > 1:
            said[0]["content"] = f"[rewritten {turn}] {said[0]['content']}"
        if about.habit == "timestamp_last":
            said[-1]["content"] += f"\n{now}"
        first = now if about.habit == "timestamp_first" else ""
        shuffle = turn if about.habit == "tools_shuffled" else 0
        listed = "\n".join(tools(about.tools, shuffle))
        return [{"role": "system", "content": f"{first}{self._rules}\nTools:\n{listed}"}, *said]

    def answered(self, text: str) -> None:
        self._said.append({"role": "assistant", "content": text.strip() or "."})


def tools(number: int, shuffle: int = 0) -> list[str]:
    """Schemas as agents send them. `shuffle` 0: by name; else another order for each number."""
    made = [
        json.dumps(
            {
                "name": f"tool_{index:02d}",
                "description": f"Does step {index} of the job and says how it went.",
                "parameters": {"path": "string", "limit": "integer"},
            }
        )
        for index in range(number)
    ]
    if shuffle:
        random.Random(shuffle).shuffle(made)
    return made


@dataclass(frozen=True)
class Edit:
    """One change, and its answer in the format."""

    messages: list[Message]
    answer: str


def edits(session: Session, mark: str, text: Text) -> Iterator[Edit]:
    """The request of each edit, in the order in which an editor in chat sends it: rules, map, what was done, files as they are now,
    the wish. The answers are the right ones; the next request carries them as history."""
    code = {f"src/part_{number}.py": source(f"{number}", session.lines) for number in range(session.files)}
    rules = f"{mark}\n{text(session.system_tokens, 'edit/system')}\n{_RULES[session.format]}"
    listing = text(session.map_tokens, "edit/map") if session.map_tokens >= 16 else ""
    done: list[Message] = []
    for number in range(session.turns):
        name = list(code)[number % len(code)]
        line = (7 * number + 3) % session.lines
        wish = f"In {name}, add {number + 1} to the result in line {line + 1}."
        before = code[name]
        after = [*before[:line], f"{before[line]} + {number + 1}", *before[line + 1 :]]
        shown = "\n\n".join(_fenced(path, lines) for path, lines in code.items())
        messages = [
            {"role": "system", "content": rules},
            *([{"role": "user", "content": f"Map of the repository:\n{listing}"}, _OK] if listing else []),
            *done,
            {"role": "user", "content": f"The files as they are now:\n\n{shown}"},
            _OK,
            {"role": "user", "content": wish},
        ]
        answer = _fenced(name, after) if session.format == "whole" else _patch(name, before, after, line)
        yield Edit(messages, answer)
        code[name] = after
        done += [{"role": "user", "content": wish}, {"role": "assistant", "content": answer}]


_OK: Message = {"role": "assistant", "content": "Ok."}
_RULES: Mapping[str, str] = {
    "whole": "Answer with the path of each changed file and below it, fenced, the whole new file.",
    "diff": "Answer with the path of each changed file and below it, fenced, blocks of SEARCH and REPLACE.",
}


def source(seed: str, lines: int) -> list[str]:
    """Lines that look like code, the same for the same seed."""
    draw = random.Random(f"code/{seed}")
    names = ("total", "count", "width", "limit", "offset", "rate")
    return [
        f"{draw.choice(names)}_{number} = {draw.choice(names)}({draw.randint(10, 99)}) * {draw.randint(10, 99)}"
        for number in range(lines)
    ]


def _fenced(name: str, lines: Sequence[str]) -> str:
    body = "\n".join(lines)
    return f"{name}\n```python\n{body}\n```"


def _patch(name: str, before: Sequence[str], after: Sequence[str], line: int) -> str:
    """One block with a line of context on both sides."""
    span = slice(max(0, line - 1), line + 2)
    old, new = "\n".join(before[span]), "\n".join(after[span])
    return f"{name}\n```python\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n```"
