from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostproof.shared.facts import lists

NUMBERS = st.sets(st.integers(0, 2000), max_size=60)


@given(NUMBERS)
def test_a_list_and_back(numbers: set[int]) -> None:
    assert lists.parse(lists.show(numbers)) == numbers


@given(NUMBERS)
def test_a_mask_as_the_kernel_prints_it(numbers: set[int]) -> None:
    value = sum(1 << number for number in numbers)
    words = [f"{value >> shift & 0xFFFFFFFF:08x}" for shift in range(2016, -1, -32)]
    assert lists.parse_mask(",".join(words)) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", []), ("\n", []), ("0", [0]), ("0-2,8", [0, 1, 2, 8]), ("0-15:2/4", [0, 1, 4, 5, 8, 9, 12, 13])],
)
def test_lists_that_the_kernel_writes(text: str, numbers: list[int]) -> None:
    assert lists.parse(text) == set(numbers)


@pytest.mark.parametrize(
    "text", ["x", "1-", "-1", "3-1", "0,,1", "0-9999999", "1:2/4", "0-3:0/4", "0-3:5/4", "²"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        lists.parse(text)


@pytest.mark.parametrize("text", ["", "xyz", "0x1", "1,,2", ",".join(["f"] * 5000)])
def test_no_mask(text: str) -> None:
    with pytest.raises(ValueError, match="not a mask"):
        lists.parse_mask(text)
