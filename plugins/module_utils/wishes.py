"""Refuses a list of knobs that contradicts itself, the journal or its own format, before anything is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .knob import OWNERS, Knob, KnobError, Observation
from .plan import counterpart
from .registry import KINDS

_POOL = re.compile(r"pool:(global|node\d+)/(\d+kB)")


def check(knobs: Sequence[Knob], in_journal: Iterable[str] = ()) -> None:
    """Raises KnobError for the first thing that is wrong. `in_journal`: `kind:key` of what is not undone."""
    for knob in knobs:
        _one(knob)
    _twice(knobs)
    _pools(knobs, in_journal)


def _one(knob: Knob) -> None:
    where = f"{knob.name}, wanted by {knob.area}"
    if knob.kind not in KINDS:
        raise KnobError(f"unknown kind {knob.kind!r}", where=where, mend=f"Known kinds: {', '.join(KINDS)}.")
    if problem := KINDS[knob.kind].refusal(knob.key, knob.wanted):
        raise KnobError(f"knob {knob.key!r} {problem}", where=where, mend="Correct the wish.")


def _twice(knobs: Sequence[Knob]) -> None:
    owners: dict[str, Knob] = {}
    for knob in knobs:
        other = owners.setdefault(knob.name, knob)
        if other is not knob:
            raise KnobError(
                f"{knob.name} has two owners: {other.area} wants {other.wanted!r}, {knob.area} wants {knob.wanted!r}",
                where=f"{other.area}, {knob.area}",
                mend="Leave it to one of them.",
            )


def _pools(knobs: Sequence[Knob], in_journal: Iterable[str]) -> None:
    """Global and per-node counts write the same pages; mixed, the last writer wins and nobody knows the sum."""
    wanted = [knob.name for knob in knobs]
    sizes: dict[str, dict[bool, str]] = {}
    for name in (*wanted, *in_journal):
        if found := _POOL.fullmatch(name):
            sizes.setdefault(found[2], {}).setdefault(found[1] == "global", name)
    for both in sizes.values():
        if len(both) > 1 and not set(both.values()).isdisjoint(wanted):
            old = [name for name in both.values() if name not in wanted]
            raise KnobError(
                f"one page size is set both per node and over all nodes: {both[False]} and {both[True]}",
                where=f"{old[0]} is still set by an earlier run" if old else "the same list of knobs",
                mend="Undo that first: ./inv undo --host HOST --only hugepages."
                if old
                else "Choose one of the two.",
            )


def check_places(observed: Iterable[Observation]) -> None:
    """Raises KnobError if two knobs want different values of one file: globs may overlap, and pairs exclude each other."""
    owners: dict[str, tuple[Knob, str]] = {}
    for observation in observed:
        knob, wanted = observation.knob, KINDS[observation.knob.kind].normalise(observation.knob.wanted)
        for place in observation.places:
            other, value = owners.setdefault(place, (knob, wanted))
            if value != wanted:
                raise _conflict(other, knob, "want different values of one file", place)
            pair, both = owners.get(counterpart(place), (knob, "0"))
            if "0" not in (wanted, both):
                raise _conflict(pair, knob, "exclude each other (writing one sets the other to 0)", place)


def _conflict(one: Knob, other: Knob, how: str, where: str) -> KnobError:
    wants = " and ".join(f"{knob.name} = {knob.wanted}" for knob in (one, other))
    return KnobError(f"two knobs {how}: {wants}", where=where, mend="Leave it to one of them.")


def families(in_journal: Iterable[str], only: Sequence[str]) -> None:
    """Raises KnobError for a family that is neither one of OWNERS nor in the journal."""
    known = sorted({*OWNERS, *in_journal})
    for name in only:
        if name not in known:
            mend = f"Known: {', '.join(known)}."
            raise KnobError(f"unknown family {name!r}", where="only", mend=mend)
