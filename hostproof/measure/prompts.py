"""Prompts of an exact number of tokens, by the server's own tokenizer, the same for the same seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from itertools import count as counting

from hostproof.measure.errors import SampleVoid

WORDS = (  # noqa: SIM905  (shorter so)
    "time year people way day man thing woman life child world school state family student group "
    "country problem hand part place case week company system program question work government number "
    "night point home water room mother area money story fact month lot right study book eye job word "
    "business issue side kind head house service friend father power hour game line end member law car "
    "city community name team minute idea body information back parent face others level office door "
    "health person art war history party result change morning reason research girl guy moment air "
    "teacher force education "
).split()
FILLERS = (" a", "a", ".", "!", " the")
MOST_REQUESTS = 64
CLOSE = 8
"""So near, padding is cheaper than another guess."""

Tokenizer = Callable[[str], int]


def build(tokens: int, seed: str, tokenizer: Tokenizer) -> str:
    """A prompt of exactly `tokens` tokens. It begins with digits of the seed: two seeds share no prefix.

    Raises SampleVoid when the tokenizer leaps over the wanted number however the text is padded.
    """
    asked = counting(1)

    def length(text: str) -> int:
        if next(asked) > MOST_REQUESTS:
            raise SampleVoid(f"no prompt of exactly {tokens} tokens found in {MOST_REQUESTS} tries")
        return tokenizer(text)

    words, found = _most_words(tokens, seed, length)
    return _padded(_text(words, seed), found, tokens, length)


def _most_words(tokens: int, seed: str, length: Tokenizer) -> tuple[int, int]:
    """How many words fit, give or take what padding fills, and their tokens: a search between two bounds."""
    words, found = 0, length(_text(0, seed))
    if found > tokens:
        raise SampleVoid(f"a prompt of {tokens} tokens has no room for what makes it unique")
    too_many = tokens - found + 1  # a word is a token at least
    each = 1.0
    while too_many - words > 1 and tokens - found > CLOSE:
        guess = words + int((tokens - CLOSE / 2 - found) / each)
        guess = min(max(guess, words + 1), too_many - 1)
        tried = length(_text(guess, seed))
        each = max(1.0, tried / guess)
        if tried <= tokens:
            words, found = guess, tried
        else:
            too_many = guess
    return words, found


def _padded(text: str, found: int, tokens: int, length: Tokenizer) -> str:
    while found < tokens:
        for filler in FILLERS:
            longer = length(text + filler)
            if found < longer <= tokens:
                text, found = text + filler, longer
                break
        else:
            raise SampleVoid(f"no prompt of exactly {tokens} tokens: padding leaps from {found}")
    return text


def _text(words: int, seed: str) -> str:
    draw = random.Random(seed)
    mark = hashlib.sha256(seed.encode()).hexdigest()[:8]
    return " ".join([mark, *draw.choices(WORDS, k=words)])
