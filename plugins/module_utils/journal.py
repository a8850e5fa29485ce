"""What hostproof found and did on a host, as records: reading them and what follows from them. Pure.

docs/journal.md is the page for people. One JSON object a line, `sum` over the rest, numbered without a gap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from .host import FileState, file_state
from .knob import Knob, Seen

SCHEMA: Final = "hostproof.journal/1"

Step = Literal["first", "intent", "done", "undone"]
Sort = Literal["live", "persisted", "file"]
STEPS: Final = ("first", "intent", "done", "undone")
SORTS: Final = ("live", "persisted", "file")


@dataclass(frozen=True)
class Subject:
    """What a record speaks of: a file of the kernel, a knob's persisted value, or a drop-in file."""

    sort: Sort
    place: str
    """live: path. persisted: `kind:key`. file: path."""

    def __str__(self) -> str:
        return f"{self.sort} {self.place}"


@dataclass(frozen=True)
class About:
    """The knob behind a subject; empty for a file, which may hold many."""

    area: str = ""
    kind: str = ""
    key: str = ""
    group: str = ""

    @classmethod
    def of(cls, knob: Knob) -> About:
        return cls(knob.area, knob.kind, knob.key, knob.group)

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True)
class Record:
    """One line. `value` is a `Seen` or a `FileState`, as `sort` says: what stood there, is to stand, was read back."""

    step: Step
    subject: Subject
    about: About
    value: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    """intent: what stood there just before."""
    asked: str = ""
    """intent, done: the knob's wanted value as it was written (a short pool reads back less)."""
    seq: int = 0
    time: str = ""
    boot: str = ""
    run: str = ""

    @property
    def seen(self) -> Seen:
        return seen_of(self.value)

    @property
    def file(self) -> FileState:
        return file_state(self.value)


@dataclass(frozen=True)
class Damage:
    """A place in the journal that cannot be trusted."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


@dataclass(frozen=True)
class Reading:
    """A journal as it was read. `sound` is how many bytes of it stay when the torn last line goes."""

    records: tuple[Record, ...] = ()
    damages: tuple[Damage, ...] = ()
    torn: str = ""
    sound: int = 0


@dataclass(frozen=True)
class Entry:
    """A subject in its present life: from its `first` until it is undone."""

    subject: Subject
    about: About
    first: Record | None
    """None only in a damaged journal."""
    intent: Record | None = None
    done: Record | None = None
    """The last of each."""

    @property
    def open(self) -> bool:
        """Something was begun and nobody saw how it ended."""
        return self.intent is not None and (self.done is None or self.done.seq < self.intent.seq)

    @property
    def touched(self) -> bool:
        return self.intent is not None or self.done is not None

    @property
    def last(self) -> Record | None:
        return self.intent if self.open else self.done

    @property
    def asked(self) -> str:
        return self.last.asked if self.last else ""


Ledger = Mapping[Subject, Entry]


def seen_value(seen: Seen) -> dict[str, Any]:
    body: dict[str, Any] = {"problem": seen.problem} if seen.problem else {"text": seen.text}
    return {**body, "owner": seen.owner} if seen.owner else body


def seen_of(value: Mapping[str, Any]) -> Seen:
    return Seen(value.get("text", ""), value.get("problem", ""), owner=value.get("owner", ""))


def render(record: Record) -> bytes:
    """The line, its sum last."""
    head = {
        "schema": SCHEMA,
        "seq": record.seq,
        "time": record.time,
        "boot": record.boot,
        "run": record.run,
        "step": record.step,
        "layer": record.subject.sort,
        "place": record.subject.place,
    }
    about = record.about
    rest = {
        "area": about.area,
        "kind": about.kind,
        "key": about.key,
        "group": about.group,
        "asked": record.asked,
    }
    body: dict[str, Any] = {
        **head,
        **{name: text for name, text in rest.items() if text},
        "value": dict(record.value),
    }
    if record.before:
        body["before"] = dict(record.before)
    return (json.dumps({**body, "sum": _sum(body)}, ensure_ascii=True) + "\n").encode("ascii")


def _sum(body: Mapping[str, Any]) -> str:
    """The first 16 digits of SHA-256 over the object without `sum`, keys sorted, no blanks."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


class _UnreadableError(Exception):
    """A line that is no sound record."""


def parse(content: bytes) -> Reading:
    """Reads a whole journal. A last line that is cut off counts as never written; nothing else is forgiven."""
    lines = content.split(b"\n")
    tail = lines.pop()
    records: list[Record] = []
    damages: list[Damage] = []
    torn = _torn(len(lines) + 1, tail)
    sound = len(content) - len(tail)
    if not tail and lines and _is_scrap(lines[-1]):
        # The length reached the disk and the text did not.
        torn, sound = _torn(len(lines), lines[-1]), sound - len(lines.pop()) - 1
    expected = 1
    for number, line in enumerate(lines, start=1):
        try:
            record = _record(line)
        except _UnreadableError as error:
            damages.append(Damage(number, str(error)))
            expected += 1
            continue
        if record.seq != expected and not (damages and damages[-1].line == number - 1):
            damages.append(Damage(number, f"record {expected} should stand here, not {record.seq}"))
        expected = record.seq + 1
        records.append(record)
    return Reading(tuple(records), tuple(damages), torn, sound)


def _torn(number: int, tail: bytes) -> str:
    return f"line {number}, the last one, was cut off by a crash and is left out" if tail else ""


def _is_scrap(line: bytes) -> bool:
    return not line.strip(b"\0") or not line.endswith(b"}")


def _record(line: bytes) -> Record:
    try:
        body = json.loads(line)
        found = body.pop("sum")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise _UnreadableError("it is no record") from None
    if body.get("schema") != SCHEMA:
        raise _UnreadableError(f"its schema is {body.get('schema')!r}, this version reads {SCHEMA!r}")
    if found != _sum(body):
        raise _UnreadableError("its check sum is wrong")
    try:
        record = Record(
            step=body["step"],
            subject=Subject(body["layer"], body["place"]),
            about=About(*(body.get(name, "") for name in ("area", "kind", "key", "group"))),
            value=body["value"],
            before=body.get("before", {}),
            asked=body.get("asked", ""),
            seq=body["seq"],
            time=body["time"],
            boot=body["boot"],
            run=body["run"],
        )
        _check(record)
    except (KeyError, TypeError, ValueError) as error:
        raise _UnreadableError(f"it lacks what a record needs: {error!r}") from None
    return record


def _check(record: Record) -> None:
    if record.step not in STEPS or record.subject.sort not in SORTS or not isinstance(record.seq, int):
        raise ValueError(record.step)
    if record.subject.sort == "file":
        file_state(record.value)
    elif set(record.value).isdisjoint(("text", "problem")):
        raise ValueError("value")


def ledger(records: Iterable[Record]) -> Ledger:
    """Every subject that is not undone, in the order in which they were first seen."""
    entries: dict[Subject, Entry] = {}
    for record in records:
        step(entries, record)
    return entries


def step(entries: dict[Subject, Entry], record: Record) -> None:
    """One more record. `first` is never replaced within a life."""
    entry = entries.get(record.subject) or Entry(record.subject, record.about, None)
    if record.step == "undone":
        entries.pop(record.subject, None)
    elif record.step == "first":
        entries[record.subject] = replace(entry, first=entry.first or record)
    elif record.step == "intent":
        entries[record.subject] = replace(entry, about=record.about, intent=record)
    else:
        entries[record.subject] = replace(entry, about=record.about, done=record)


def lost(entries: Ledger) -> tuple[str, ...]:
    """What cannot be restored, since the record of what stood there first is damaged."""
    return tuple(str(subject) for subject, entry in entries.items() if entry.first is None)
