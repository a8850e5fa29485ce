"""Questions with known answers: whether the kernels compute what the weights say. Data and pure functions.

Not about how clever a model is: any instruct model that works knows the short ones and finds a number that stands in its prompt.
Kernels that give zeros or noise get none of them. The long prompt is for kernels that go wrong with size.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from hostproof.measure.errors import SampleVoid

ANSWER_TOKENS = 48
LONG_TOKENS = 4300
"""Of the long prompt: what silently went wrong did so from about 4 thousand tokens."""
LEAST_TOKENS = 4096
ROOM = 300
"""Tokens of context for the question, the chat template and the answer."""
LEAST_RIGHT = 3
"""Of the short ones: a small model may miss one."""
SHOWN = 60
SEED = "canary"


@dataclass(frozen=True)
class Question:
    text: str
    answer: str
    """A regular expression that must occur; capitals do not count."""

    def right(self, said: str) -> bool:
        return re.search(self.answer, said, re.IGNORECASE) is not None


SHORT = (
    Question("What is the capital of France? Answer with one word.", r"\bparis\b"),
    Question("Count from 1 to 12.", r"9\W+10\W+11\W+12"),
    Question("Which number comes next? 2, 4, 6, 8, 10,", r"\b12\b"),
    Question("What is the capital of Japan? Answer with one word.", r"\btokyo\b"),
)

_PLACES = (  # noqa: SIM905  (shorter so)
    "harbour library station market bridge tower garden museum theatre school mill castle island airport "
    "hospital factory chapel stadium"
).split()
_COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey", "silver", "golden")
AT = (0.1, 0.85)
"""Where in the long text the two numbers that are asked for stand."""

Tokenizer = Callable[[str], int]


@dataclass(frozen=True)
class Long:
    """One text, two questions about it."""

    questions: tuple[Question, ...]
    tokens: int
    """Of each prompt, by the server's own tokenizer."""


def long_questions(tokenizer: Tokenizer, tokens: int = LONG_TOKENS) -> Long:
    """A text of at least so many tokens for this tokenizer, the same each time.

    Raises SampleVoid if no such text is found.
    """
    few = 50
    each = max(1.0, tokenizer("\n".join(_lines(few))) / few)
    lines = int(tokens / each) + 1
    found = tokenizer("\n".join(_lines(lines)))
    if found < LEAST_TOKENS:
        raise SampleVoid(f"a text of {LEAST_TOKENS} tokens was wanted, and {lines} lines make {found}")
    text = _lines(lines)
    wanted = [int(share * lines) for share in AT]
    return Long(tuple(_about(text, line) for line in wanted), found)


def _lines(count: int) -> list[str]:
    """Each place has a number of its own: room 17 of the blue library holds parcel 482913."""
    draw = random.Random(SEED)
    return [
        f"Room {number} of the {draw.choice(_COLOURS)} {draw.choice(_PLACES)} holds parcel {draw.randint(100_000, 999_999)}."
        for number in range(1, count + 1)
    ]


def _about(lines: list[str], at: int) -> Question:
    room, _, parcel = lines[at].removesuffix(".").partition(" holds parcel ")
    asked = f"{room[0].lower()}{room[1:]}"
    text = "\n".join(
        [
            "Here is a list of parcels. Read it, and answer the question below it.",
            *lines,
            f"Question: which parcel does {asked} hold? Answer with its six digits.",
        ]
    )
    return Question(text, rf"(?<!\d){parcel}(?!\d)")


def short_verdict(answers: list[str]) -> tuple[bool, str]:
    """Passed or not, and a sentence; `answers` in the order of `SHORT`."""
    wrong = [(q, said) for q, said in zip(SHORT, answers, strict=True) if not q.right(said)]
    right = len(SHORT) - len(wrong)
    told = f"{right} of {len(SHORT)} known answers are right"
    if wrong:
        question, said = wrong[0]
        told += f"; {question.text!r} was answered {shown(said)}"
    return right >= LEAST_RIGHT, told


def long_verdict(asked: Long, answers: list[str]) -> tuple[bool, str]:
    """Both numbers must be found."""
    wrong = [said for q, said in zip(asked.questions, answers, strict=True) if not q.right(said)]
    told = f"{len(answers) - len(wrong)} of {len(answers)} numbers were found in {asked.tokens:,} tokens"
    return not wrong, told + (f"; instead came {shown(wrong[0])}" if wrong else "")


def shown(said: str) -> str:
    """The beginning, and what is plain about it."""
    text = said.strip()
    if not text:
        return "with nothing"
    if len(text) >= 8 and len(set(text.replace(" ", ""))) <= 2:
        return f"{text[:SHOWN]!r}, which is one character over and over"
    return repr(text[:SHOWN])
