"""Looks at knobs and at the drop-in files, and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from .families import FAMILIES
from .host import FileState, Host, why
from .knob import Knob, KnobError, Layer, Observation, Seen
from .registry import KINDS


def observe(host: Host, knobs: Iterable[Knob]) -> tuple[Observation, ...]:
    """Each knob beside what is there, layer by layer."""
    return tuple(one(host, knob) for knob in knobs)


def one(host: Host, knob: Knob) -> Observation:
    kind = KINDS[knob.kind]
    seen: dict[Layer, Seen] = {}
    places: dict[str, Seen] = {}
    for layer, read in kind.reads.items():
        if layer == "live":
            places = {place: read(host, place) for place in kind.places(host, knob.key)}
            seen[layer] = together(places.values())
        else:
            seen[layer] = read(host, knob.key)
    return Observation(knob, seen, places)


def together(found: Iterable[Seen]) -> Seen:
    """One value for all the files of a glob: theirs if they agree, else each with its count. Pure.

    A file that went away between listing and reading (a CPU was taken offline) does not count beside others.
    """
    everything = list(found)
    there = [seen for seen in everything if seen.problem != "unsupported"] or everything
    values = Counter(map(str, there))
    if len(values) == 1:
        return next((seen for seen in there if seen.detail), there[0])
    text = ", ".join(f"{value} ×{count}" for value, count in values.most_common())
    return Seen(text, detail=next((seen.detail for seen in there if seen.detail), ""))


def drop_ins(host: Host) -> Mapping[str, FileState]:
    """Our drop-in files as they lie there now, by path."""
    found = {}
    for family in FAMILIES:
        try:
            found[family.path] = host.file(family.path)
        except OSError as error:
            raise KnobError(
                f"a drop-in file of ours cannot be read: {why(error, family.path)}",
                where=family.path,
                mend="Look what lies there, and move it away.",
            ) from error
    return found
