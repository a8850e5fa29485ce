"""Settings switched to and fro, to see what they do: A is what stood first, B is what is wanted. Live values alone.

What is persisted is never touched, so a boot ends in what was there before. Every write goes through the journal, whose
`first` stays; what was unknown to it before is `undone` again when the settings are given back. A note under /run says what
was found, so that whoever comes after a run that was cut short can put it back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from . import journal, journal_file, plan, states
from .host import CommandError, FileState, Host
from .journal import About, Ledger, Subject, seen_value
from .knob import AREAS, Change, Knob, KnobError, Observation, Seen
from .observe import observe
from .registry import KINDS
from .writer import Writer

SCHEMA: Final = "hostproof.ab_found/1"
PATH: Final = "/run/hostproof/ab-found.json"
Arm = Literal["a", "b", "found"]


@dataclass(frozen=True)
class Place:
    """One file of the kernel with its values, normalised."""

    area: str
    kind: str
    key: str
    group: str
    path: str
    a: str
    b: str
    found: str
    asked: str
    """What the journal says that `found` was asked as (a short pool reads back less); empty: nobody of ours asked."""
    known: bool
    """Whether the journal knew the place before."""

    @property
    def about(self) -> About:
        return About(self.area, self.kind, self.key, self.group)

    def value(self, arm: Arm) -> str:
        return {"a": self.a, "b": self.b, "found": self.found}[arm]


@dataclass(frozen=True)
class Left:
    """A knob that is not compared, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Comparison:
    """What is switched, and what is not."""

    places: tuple[Place, ...] = ()
    left: tuple[Left, ...] = ()


@dataclass(frozen=True)
class Reading:
    """A place after a switch."""

    path: str
    wanted: str
    got: str

    @property
    def as_wanted(self) -> bool:
        return self.wanted == self.got


@dataclass(frozen=True)
class Note:
    """What was found, and which drop-ins of ours lie under /run meanwhile."""

    run: str
    boot: str
    places: tuple[Place, ...] = ()
    units: tuple[str, ...] = ()
    """Units that have a drop-in of ours for the time being."""
    arms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Unit → arm → the drop-in's text."""


def choose(knobs: Iterable[Knob], words: Sequence[str], parts: Iterable[str] = ()) -> tuple[Knob, ...]:
    """Knobs that a word names: an area, a family such as `governor`, a key or `kind:key`. `parts`: words that name no knob.

    Raises KnobError for a word that names nothing here, with what there is.
    """
    everything, chosen = list(knobs), dict[str, Knob]()
    for word in words:
        named = [k for k in everything if word in (k.area, k.reason, k.key, k.name)]
        if not named and word not in parts:
            known = dict.fromkeys([*(k.area for k in everything), *(k.reason for k in everything), *parts])
            keys = ", ".join(k.key for k in everything)
            raise KnobError(
                f"this host has no knob of {word!r}"
                if word in AREAS
                else f"no knob of this host is called {word!r}",
                where="--knobs",
                mend=f"There is: {', '.join(filter(None, known)) or 'nothing'}{f'; or by key: {keys}' if keys else ''}.",
            )
        chosen |= {k.name: k for k in named}
    return tuple(k for k in everything if k.name in chosen)


def compare(observed: Iterable[Observation], entries: Ledger, boot: str) -> Comparison:
    """A and B of each knob, or why it cannot be compared. Pure."""
    everything = list(observed)
    found: list[Place] = []
    left: list[Left] = []
    foreign = {
        o.knob.group
        for o in everything
        if o.knob.group and any(_foreign(path, seen, entries, boot) for path, seen in o.places.items())
    }
    for observation in everything:
        why = _hindrance(observation, entries, boot, foreign)
        if why:
            left.append(Left(observation.knob.name, why))
        else:
            found += [
                _place(observation.knob, path, seen, entries) for path, seen in observation.places.items()
            ]
    return Comparison(tuple(found), tuple(left))


def _hindrance(o: Observation, entries: Ledger, boot: str, foreign: Iterable[str]) -> str:
    knob, kind = o.knob, KINDS[o.knob.kind]
    if "live" not in o.seen:
        return f"acts only after {kind.family(knob.key).needs or 'a reboot'}"
    for path, seen in o.places.items():
        if why := _barred(path, seen, entries, boot):
            return why
    if knob.group in foreign:
        return "coupled with a value that somebody else changed"
    first = {_first(path, seen, entries).text for path, seen in o.places.items()}
    if all(kind.same(knob.wanted, Seen(text)) for text in first):
        return f"{knob.wanted} is what stood there first: there is nothing to compare"
    return ""


def _barred(path: str, seen: Seen, entries: Ledger, boot: str) -> str:
    """Why one file of the kernel cannot be switched to and fro."""
    if seen.problem or seen.detail:
        return f"{seen.problem or 'unsupported'}: {seen.detail or path}"
    if other := plan.counterpart(path):
        return f"the kernel changes {other} along with it"
    if _foreign(path, seen, entries, boot):
        return f"somebody else changed it to {seen}: {path}"
    return ""


def _foreign(path: str, seen: Seen, entries: Ledger, boot: str) -> bool:
    entry = entries.get(Subject("live", path))
    return entry is not None and states.is_foreign(entry, seen, boot)


def _first(path: str, seen: Seen, entries: Ledger) -> Seen:
    entry = entries.get(Subject("live", path))
    return entry.first.seen if entry and entry.first and not entry.first.seen.problem else seen


def _place(knob: Knob, path: str, seen: Seen, entries: Ledger) -> Place:
    entry = entries.get(Subject("live", path))
    asked = entry.done.asked if entry and entry.done and entry.done.seen == seen else ""
    return Place(
        *(knob.area, knob.kind, knob.key, knob.group, path),
        a=_first(path, seen, entries).text,
        b=KINDS[knob.kind].normalise(knob.wanted),
        found=seen.text,
        asked=asked,
        known=entry is not None,
    )


def look(host: Host, knobs: Sequence[Knob]) -> Comparison:
    """Reads only. Raises KnobError for a damaged journal."""
    reading = journal_file.read(host)
    journal_file.refuse_damage(reading)
    return compare(observe(host, knobs), journal.ledger(reading.records), host.boot_id())


# The note


def render(note: Note) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(note)}, indent=1) + "\n"


def parse(text: str) -> Note:
    """Raises KnobError for a note that says nothing that can be gone by."""
    try:
        raw = json.loads(text)
        if raw["schema"] != SCHEMA:
            raise ValueError(f"its schema is {raw['schema']!r}, not {SCHEMA!r}")
        places = tuple(Place(**place) for place in raw["places"])
        return Note(raw["run"], raw["boot"], places, tuple(raw["units"]), raw["arms"])
    except (ValueError, KeyError, TypeError) as error:
        raise KnobError(
            f"the note of what a comparison found cannot be read: {error}",
            where=PATH,
            mend="A boot of the host puts every live setting back; or look with ./inv drift, and remove the note.",
        ) from error


def read_note(host: Host) -> Note | None:
    """None if no comparison is under way, or if it was in an earlier boot."""
    try:
        note = parse(host.read(PATH))
    except FileNotFoundError:
        return None
    return note if note.boot == host.boot_id() else None


def begin(host: Host, note: Note) -> None:
    """Writes down what was found, before anything is changed."""
    host.place(PATH, FileState(render(note).encode(), 0o600, *host.owner))


# Switching


def switch(host: Host, note: Note, arm: Arm) -> tuple[Reading, ...]:
    """Sets every place and reads it back. Raises KnobError if one is refused; what fell short is in the readings."""
    if not note.places:
        return ()
    with journal_file.opened(host, note.run) as book:
        writer = Writer(host, book)
        writer.close_open()
        for place in note.places:
            writer.note_live(place.about, place.path, _now(host, place))
        _set(host, writer, note.places, arm)
        readings = tuple(Reading(p.path, p.value(arm), _now(host, p).text) for p in note.places)
        if arm == "found":
            _forget(host, book, [p for p in note.places if not p.known], readings)
    return readings


def _now(host: Host, place: Place) -> Seen:
    return KINDS[place.kind].reads["live"](host, place.path)


def _set(host: Host, writer: Writer, places: Sequence[Place], arm: Arm) -> None:
    """In order, back in reverse; twice where it is needed: one value may move, or be barred by, another."""
    ordered = list(places) if arm == "b" else list(reversed(places))
    troubles: dict[str, str] = {}
    for _ in range(2):
        troubles = {}
        changes = [_change(host, place, arm) for place in ordered]
        due = [change for change in changes if change.before != change.after]
        for change in plan.in_order(due):
            if trouble := writer.set(change):
                troubles[change.place] = trouble[1]
    if troubles:
        raise KnobError(
            f"a setting could not be switched: {'; '.join(troubles.values())}",
            where=f"arm {arm}",
            mend="Leave that knob out of --knobs.",
        )


def _change(host: Host, place: Place, arm: Arm) -> Change:
    asked = place.asked or place.found if arm == "found" else place.value(arm)
    knob = Knob(*(place.area, place.kind, place.key, asked, "", "a comparison"), group=place.group)
    return Change(knob, "live", place.path, _now(host, place), Seen(place.value(arm)))


def _forget(
    host: Host, book: journal_file.Journal, places: Iterable[Place], readings: Iterable[Reading]
) -> None:
    """What the journal did not know before stands as it did: nothing is left to undo."""
    back = {reading.path for reading in readings if reading.as_wanted}
    for place in places:
        subject = Subject("live", place.path)
        if place.path in back and book.entry(subject):
            book.add("undone", subject, place.about, seen_value(_now(host, place)))


# Drop-ins of services


def drop_in(unit: str) -> str:
    """Under /run: a boot forgets it."""
    return f"/run/systemd/system/{unit}.d/90-hostproof-ab.conf"


def place_drop_ins(host: Host, note: Note, arm: Arm) -> None:
    """The services' words of an arm; `found`: no drop-in of ours, nor its folder if that was ours. Raises KnobError."""
    if not note.units:
        return
    try:
        for unit in note.units:
            path = drop_in(unit)
            if arm == "found":
                host.place(path, FileState(None, made_folders=(f"/run/systemd/system/{unit}.d",)))
            else:
                host.place(path, FileState(note.arms[unit][arm].encode(), 0o644, *host.owner))
        host.run(["systemctl", "daemon-reload"])
    except (OSError, CommandError) as error:
        raise KnobError(
            f"a service could not be told its words: {error}",
            where="/run/systemd/system",
            mend="Mend that first.",
        ) from error


def restore(host: Host, note: Note) -> tuple[Reading, ...]:
    """Everything as it was found, read again. Raises KnobError if a place is not: the note stays, for the next try."""
    place_drop_ins(host, note, "found")
    readings = switch(host, note, "found")
    wrong = [f"{r.path} was {r.wanted} and is {r.got}" for r in readings if not r.as_wanted]
    if wrong:
        raise KnobError(
            f"{len(wrong)} of {len(readings)} settings are not as they were found: {'; '.join(wrong)}",
            where=PATH,
            mend="Try again, or boot the host: what is persisted was not touched.",
        )
    return readings


def forget(host: Host) -> None:
    """The comparison is over."""
    host.place(PATH, FileState(None))
