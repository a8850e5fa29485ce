"""Sets of CPUs and nodes as the kernel writes them: lists (`0-5,48-53`) and masks (`ffff,00000000`). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIGHEST = 1 << 16
"""No CPU or node has a higher number: a damaged file must not become a huge set."""
ITEM = re.compile(r"(\d{1,6})(?:-(\d{1,6})(?::(\d{1,6})/(\d{1,6}))?)?")


def parse(text: str) -> frozenset[int]:
    """`0-2,8` → {0, 1, 2, 8}; an empty text is the empty set. Raises ValueError for anything else."""
    found: set[int] = set()
    for item in text.strip().split(",") if text.strip() else ():
        match = ITEM.fullmatch(item.strip())
        if not match:
            raise ValueError(f"not a list of numbers: {text.strip()[:40]!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= HIGHEST:
            raise ValueError(f"not a range: {item.strip()!r}")
        # `0-15:2/4` is two out of each four.
        used, group = int(match[3] or 1), int(match[4] or 1)
        if not 0 < used <= group:
            raise ValueError(f"not a range: {item.strip()!r}")
        found.update(n for n in range(first, last + 1) if (n - first) % group < used)
    return frozenset(found)


def parse_mask(text: str) -> frozenset[int]:
    """`00000000,0000000f` → {0, 1, 2, 3}. Raises ValueError for anything else."""
    words = [word.strip() for word in text.strip().split(",")]
    if not all(re.fullmatch(r"[0-9a-fA-F]{1,16}", word) for word in words) or len(words) * 32 > HIGHEST:
        raise ValueError(f"not a mask: {text.strip()[:40]!r}")
    bits = int("".join(word.rjust(8, "0") for word in words), 16)
    return frozenset(n for n in range(bits.bit_length()) if bits >> n & 1)


def show(numbers: Iterable[int]) -> str:
    """{0, 1, 2, 8} → `0-2,8`, as the kernel writes it."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
