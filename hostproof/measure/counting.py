"""How many tokens a text has, asked of the server in the way that it knows.

Where there is no /tokenize, the usage of a one-token answer says it. Asking so for a whole prompt would put it into the prefix
cache. Therefore a prompt is made of words that are one token each, which a few short requests show; its length is then exact as
long as the tokenizer does not join words. Whether it did, the usage of each measured run tells (remarks.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cached_property

from hostproof.measure import prompts
from hostproof.measure.client import Client
from hostproof.measure.dialect import Dialect, greedy
from hostproof.measure.errors import NoCounts

OPENING = "Text:"
"""Begins every prompt made of words, so that the first word stands after a blank like all others."""
GROUP = 14
"""Words that are asked for together; of a group that is not one token a word, none is taken."""

Count = Callable[[str], int]


def with_tokenizer(client: Client, dialect: Dialect, text: str) -> int:
    """By the server's own tokenizer. Raises NoCounts if it does not tell, SampleFailed if it does not answer."""
    told = client.post_json("/tokenize", dialect.tokenize(client.model, text))
    tokens = told.get("tokens") if isinstance(told, dict) else None
    if not isinstance(tokens, list):
        raise NoCounts(f"/tokenize answered {str(told)[:80]!r}")
    return len(tokens)


def with_usage(client: Client, text: str) -> int:
    """Prompt tokens of a one-token answer, chat template included. Raises NoCounts, SampleFailed."""
    usage = client.chat(text, greedy(1)).usage
    if usage is None:
        raise NoCounts("no answer of this server has usage")
    return usage.prompt


def tokens_of(client: Client, dialect: Dialect, text: str) -> int:
    """Of a text that goes into no prompt. Without any count a word is taken for a token. Raises NoCounts, SampleFailed."""
    if dialect.counting == "tokenize":
        return with_tokenizer(client, dialect, text)
    if dialect.counting == "usage":
        return max(2, with_usage(client, text) - with_usage(client, "a") + 1)
    return max(2, len(text.split()))


class WordBook:
    """Makes prompts of words. What it learned of them is kept for the whole measurement."""

    def __init__(self, count: Count | None) -> None:
        """`count`: tokens of a short text, template included. None: nobody counts, a word is taken for a token."""
        self._count = count

    def prompt(self, tokens: int, seed: str) -> str:
        """`tokens` tokens, the template not counted; two seeds have the same words in another order.

        Raises NoCounts if the server does not say how many tokens there are, SampleFailed if it does not answer.
        """
        words = [self.words[number % len(self.words)] for number in range(tokens - self._opening)]
        random.Random(seed).shuffle(words)
        return " ".join([OPENING, *words])

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Those that are one token each."""
        if self._count is None:
            return tuple(prompts.WORDS)
        groups = [prompts.WORDS[at : at + GROUP] for at in range(0, len(prompts.WORDS), GROUP)]
        bare = self._count(OPENING)
        good = [group for group in groups if self._count(" ".join([OPENING, *group])) - bare == len(group)]
        if not good:
            raise NoCounts(
                "common English words are not one token each for this model, and it has no /tokenize"
            )
        return tuple(word for group in good for word in group)

    @cached_property
    def _opening(self) -> int:
        """Tokens of the opening: what it has beyond one letter, which is one."""
        return 2 if self._count is None else max(1, self._count(OPENING) - self._count("a") + 1)
