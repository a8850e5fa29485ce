"""Prompts of exact length, whatever the tokenizer does with words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostproof.measure import prompts
from hostproof.measure.errors import SampleVoid


def by_words(text: str) -> int:
    return len(text.split())


def by_bytes(text: str) -> int:
    return len(text.encode())


def by_threes(text: str) -> int:
    """Long words are several tokens, as with a real vocabulary."""
    return sum(-(-len(word) // 3) for word in text.split())


TOKENIZERS = [by_words, by_bytes, by_threes]


@settings(max_examples=60, deadline=None)
@given(st.integers(24, 5000), st.text(min_size=1, max_size=20), st.sampled_from(TOKENIZERS))
def test_a_prompt_has_exactly_the_tokens_asked_for(
    tokens: int, seed: str, tokenizer: Callable[[str], int]
) -> None:
    try:
        text = prompts.build(tokens, seed, tokenizer)
    except SampleVoid as error:  # a tokenizer by threes leaps over some numbers; then it says so
        assert "padding leaps" in str(error)
        assert tokenizer is by_threes
    else:
        assert tokenizer(text) == tokens


def test_the_same_seed_gives_the_same_prompt_and_another_shares_no_prefix() -> None:
    one, same, other = (prompts.build(64, seed, by_words) for seed in ("a", "a", "b"))
    assert one == same
    assert one.split()[0] != other.split()[0]


def test_a_long_prompt_costs_few_requests() -> None:
    asked: list[int] = []

    def counting(text: str) -> int:
        asked.append(len(text))
        return by_threes(text)

    prompts.build(4640, "seed", counting)
    assert len(asked) <= 20


def test_a_tokenizer_that_never_fits_ends_in_a_sentence() -> None:
    with pytest.raises(SampleVoid, match="padding leaps from"):
        prompts.build(101, "seed", lambda text: 2 * by_words(text))
    with pytest.raises(SampleVoid, match="no room"):
        prompts.build(100, "seed", lambda text: 1000)
