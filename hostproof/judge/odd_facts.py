"""What differs in the passports of hosts that should be alike. Pure: facts in (`hostproof.facts/1`, as a run keeps them), differences out.

Lists of things (DIMMs, drives, GPUs) are counted, not compared one by one: `8 × 64 GiB` against `7 × 64 GiB`. What changes from minute to
minute is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostproof.judge.comparison import CHANGING
from hostproof.measure.result import Result

NONE = "–"
VOLATILE = re.compile(
    r"(^|\.)(schema|unreadable|recording|uuid|address|index|processes|problems|unsupported|iommu_group|in_use)(\.|$)"
    r"|(^|\.)(available|free|used|reserved)_bytes$|\.(free|reserved|surplus)$"
    r"|\.(draw_watts|energy_joules|temperature_celsius|utilization_percent|performance_state|throttle)$"
    r"|\.clocks\.(graphics|sm|memory)_mhz$|\.link\.(generation|speed_gts|read)$"
    r"|^(gpu\.)?(facts\.)?memory\.available"
)
FIRST = (
    "memory.", "numa.", "cpu.", "power.", "gpus.", "driver.", "pci.", "kernel.", "iommu.", "server flag", "environment", "os.",
)  # fmt: skip
"""What decides speed most often stands first."""
ROUGHLY = 0.01
"""Sizes that differ by less are the same: kernels keep different shares of one memory for themselves."""


@dataclass(frozen=True)
class Difference:
    """`usual`: what most hosts have; None: there is no most. `odd`: those that have something else."""

    key: str
    values: Mapping[str, str]
    usual: str | None
    odd: tuple[str, ...]


def differences(
    passports: Mapping[str, Mapping[str, Any]], results: Sequence[Result]
) -> tuple[Difference, ...]:
    """Of facts, of circumstances that the instrument noted, and of the servers' flags. By host; fewer than two hosts differ in nothing."""
    told = {host: dict(_flat(passports.get(host, {}))) for host in _hosts(passports, results)}
    for result in results:
        told[result.host] |= dict(_circumstances(result))
    if len(told) < 2:
        return ()
    keys = dict.fromkeys(key for each in told.values() for key in each)
    found = [_difference(key, {host: each.get(key, NONE) for host, each in told.items()}) for key in keys]
    return tuple(sorted((each for each in found if each), key=lambda each: _weight(each.key)))


def _hosts(passports: Mapping[str, object], results: Sequence[Result]) -> dict[str, None]:
    return dict.fromkeys([*(result.host for result in results), *passports])


def _circumstances(result: Result) -> Iterator[tuple[str, str]]:
    for name, value in result.environment.items():
        if name not in CHANGING:
            yield f"environment {name}", str(value)
    for name, value in result.setup.flags.items():
        yield f"server flag {name} ({result.setup.name})", str(value)


def _weight(key: str) -> tuple[int, str]:
    return next((rank for rank, start in enumerate(FIRST) if key.startswith(start)), len(FIRST)), key


def _difference(key: str, values: Mapping[str, str]) -> Difference | None:
    """None if all have the same."""
    kinds: list[str] = []
    shown: dict[str, str] = {}
    for host, value in values.items():
        shown[host] = next((kind for kind in kinds if _same(kind, value)), value)
        kinds.append(shown[host])
    counts = Counter(shown.values())
    if len(counts) == 1:
        return None
    usual, number = counts.most_common(1)[0]
    if number * 2 <= len(values):
        return Difference(key, values, None, tuple(values))
    return Difference(key, values, usual, tuple(host for host, kind in shown.items() if kind != usual))


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        a, b = float(one), float(other)
    except ValueError:
        return False
    return abs(a - b) <= ROUGHLY * max(abs(a), abs(b))


def _flat(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    if VOLATILE.search(key):
        return
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        yield from _counted(value, key)
    elif isinstance(value, list):
        yield key, " ".join(map(_word, value)) or NONE
    else:
        yield key, _word(value)


def _counted(things: Sequence[object], key: str) -> Iterator[tuple[str, str]]:
    """Each property with how many of the things have it."""
    yield f"{key} (number)", str(len(things))
    every: dict[str, Counter[str]] = {}
    for thing in things:
        for name, value in _flat(thing):
            if not VOLATILE.search(f"{key}.{name}"):
                every.setdefault(name, Counter())[value] += 1
    for name, counts in every.items():
        yield f"{key}.{name}", ", ".join(f"{number} × {value}" for value, number in sorted(counts.items()))


def _word(value: object) -> str:
    if value is None or value == "":
        return NONE
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
