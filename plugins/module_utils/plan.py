"""What is to be done, from wishes, one observation and the journal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .families import FAMILIES, Family
from .host import FileState
from .journal import Entry, Ledger, Subject
from .kinds import pool, sysctl
from .knob import Change, Knob, Observation, Seen
from .registry import KINDS


@dataclass(frozen=True)
class Line:
    """One line of a drop-in file, and the knob that it stands for."""

    kind: str
    key: str
    value: str

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.key}"

    @property
    def text(self) -> str:
        return KINDS[self.kind].line(self.key, self.value)

    @property
    def family(self) -> Family:
        return KINDS[self.kind].family(self.key)


@dataclass(frozen=True)
class FilePlan:
    """A drop-in file: as it is, as it is to be, and why it may not be touched."""

    family: Family
    before: FileState
    after: FileState
    foreign: bool
    """Neither ours nor what stood there first."""
    unsettled: bool
    """A killed run may not have told its reader, or its reader has not taken it up: tell it again."""

    @property
    def differs(self) -> bool:
        return not self.before.same(self.after)

    @property
    def due(self) -> bool:
        return self.differs or self.unsettled


def live(observed: Iterable[Observation]) -> list[Change]:
    """The writes to the kernel, in order; what is not there or read-only is left out (its state says why)."""
    changes = [
        Change(o.knob, "live", place, seen, Seen(KINDS[o.knob.kind].normalise(o.knob.wanted)))
        for o in observed
        for place, seen in o.places.items()
        if not KINDS[o.knob.kind].same(o.knob.wanted, seen) and not seen.problem and not seen.detail
    ]
    return in_order(changes)


def in_order(changes: Sequence[Change]) -> list[Change]:
    """Groups stay together where their first member stands; a pool that shrinks goes before one that grows."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(group_of(change.knob.kind, change.knob.group, change.place), []).append(change)
    return [change for members in groups.values() for change in sorted(members, key=_grows)]


def group_of(kind: str, group: str, place: str) -> str:
    """Pools share their node's memory, so they are coupled unless they are told to be otherwise."""
    return group or (pool.KIND.name if kind == pool.KIND.name else place)


def _grows(change: Change) -> bool:
    texts = (change.before.text, change.after.text)
    numbers = all(text.isdigit() for text in texts)
    return change.knob.kind == pool.KIND.name and numbers and int(texts[1]) > int(texts[0])


def persistable(observation: Observation) -> bool:
    """A setting that this kernel lacks would only be an error at every boot."""
    persisted, live_seen = observation.seen.get("persisted"), observation.seen.get("live")
    if live_seen is not None and live_seen.problem:
        return False
    return persisted is None or persisted.problem not in ("unsupported", "unreadable")


def in_force(entries: Ledger) -> list[Line]:
    """The lines that earlier runs wrote (or were about to write) and nobody has undone."""
    return [
        Line(entry.about.kind, entry.about.key, entry.asked)
        for subject, entry in entries.items()
        if subject.sort == "persisted" and entry.touched and entry.about.kind in KINDS
    ]


def wanted_lines(observed: Iterable[Observation], old: Iterable[Line]) -> list[Line]:
    """Lines for these knobs: those that no other file provides already, and those that are ours by now."""
    ours = {line.name for line in old}
    return [
        Line(o.knob.kind, o.knob.key, o.knob.wanted)
        for o in observed
        if persistable(o)
        and (o.knob.name in ours or not KINDS[o.knob.kind].same(o.knob.wanted, o.seen["persisted"]))
    ]


def merged(old: Sequence[Line], new: Sequence[Line]) -> list[Line]:
    """Old lines stay where they are; new values take their place, new knobs follow, and `new` keeps its own order.

    So a run over a part of the knobs (`--tags`) never reorders a file, and coupled knobs stand in their order.
    """
    return [
        line
        for family in FAMILIES
        for line in _merged([o for o in old if o.family is family], [n for n in new if n.family is family])
    ]


def _merged(old: Sequence[Line], new: Sequence[Line]) -> list[Line]:
    values = {line.name: line for line in (*old, *new)}
    names = list(values)
    slots = sorted(names.index(line.name) for line in new)
    for slot, line in zip(slots, new, strict=True):
        names[slot] = line.name
    return [values[name] for name in names]


def as_in_file(lines: Sequence[Line], files: Mapping[str, FileState]) -> list[Line]:
    """Lines of the journal in the order in which they stand in their files."""

    def place(line: Line) -> int:
        found = files[line.family.path].text.splitlines()
        return found.index(line.text) if line.text in found else len(found)

    return sorted(lines, key=place)


def drop_ins(
    files: Mapping[str, FileState],
    entries: Ledger,
    lines: Sequence[Line],
    observed: Iterable[Observation],
    owner: tuple[int, int],
) -> list[FilePlan]:
    """What becomes of each drop-in file that has lines or that we have written before."""
    stale = {_stale(o) for o in observed}
    plans = []
    for family in FAMILIES:
        entry = entries.get(Subject("file", family.path))
        ours = [line.text for line in lines if line.family is family]
        if not ours and (entry is None or entry.first is None):
            continue
        before = files[family.path]
        after = FileState(family.render(ours), 0o644, *owner) if ours else entry.first.file  # type: ignore[union-attr]
        unsettled = (entry is not None and entry.open) or (bool(family.activate) and family.path in stale)
        plans.append(FilePlan(family, before, after, is_foreign(before, entry, after), unsettled))
    return plans


def _stale(observation: Observation) -> str:
    """The file of ours that says what is wanted while its reader has not taken it up."""
    seen = observation.seen.get("persisted")
    if seen is None or KINDS[observation.knob.kind].same(observation.knob.wanted, seen):
        return ""
    return seen.owner


def is_foreign(found: FileState, entry: Entry | None, wanted: FileState) -> bool:
    """A file under our name that we did not write, or that was edited since."""
    if found.same(wanted):
        return False
    if entry is None or entry.first is None:
        return not found.absent
    known = [entry.first.file]
    if entry.done:
        known.append(entry.done.file)
    if entry.open and entry.intent:
        known.append(entry.intent.file)
    return not any(found.same(state) for state in known)


def counterpart(place: str) -> str:
    """The file that the kernel changes along with this one, or nothing."""
    both = {**sysctl.COUNTERPARTS, **{ratio: size for size, ratio in sysctl.COUNTERPARTS.items()}}
    return both.get(place, "")


def orphans(entries: Ledger, knobs: Iterable[Knob]) -> dict[str, list[Entry]]:
    """`kind:key` → what of it is not undone, for knobs that nobody wants any more."""
    wanted = {knob.name for knob in knobs}
    found: dict[str, list[Entry]] = {}
    for subject, entry in entries.items():
        if subject.sort != "file" and entry.touched and entry.about.name not in wanted:
            found.setdefault(entry.about.name, []).append(entry)
    return found
