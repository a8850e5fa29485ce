"""Back to what stood there first: walks the journal's knobs, not the inventory's, and proves each before it says `undone`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from . import journal, journal_file, plan, wishes
from .engine import Diff, Report, file_diff, values_diff
from .families import FAMILIES
from .host import Host
from .journal import About, Entry, Ledger, Subject, seen_value
from .journal_file import Journal
from .knob import STANDS_ON, Change, Knob, Layer, Outcome, Seen, State, brief, worst
from .observe import drop_ins
from .plan import FilePlan
from .registry import KINDS
from .states import Said, is_foreign
from .writer import Writer

Verdict = Literal["as-first", "restore", "follows", "foreign", "gone", "bygone"]
"""A live value: stands as first · is ours · comes back with its counterpart · somebody else's · its file is not there
· it belonged to another boot."""
ABSENT = "absent"
"""A problem of a live value: what held it is gone, and it with it, as a card's limits go with the driver."""
STAYS: tuple[Verdict, ...] = ("foreign", "gone")
"""Kept in the journal, so that a later undo can still do it."""


@dataclass(frozen=True)
class Part:
    """One live value to take back."""

    entry: Entry
    now: Seen
    verdict: Verdict
    why: str = ""

    @property
    def first(self) -> Seen:
        return self.entry.first.seen if self.entry.first else Seen(problem="unreadable")


@dataclass(frozen=True)
class Work:
    """What is to be undone, nothing done yet."""

    chosen: Ledger
    """Subjects of the chosen families, files left out."""
    parts: tuple[Part, ...]
    files: tuple[FilePlan, ...]
    boot: str

    @property
    def due(self) -> tuple[FilePlan, ...]:
        return tuple(file for file in self.files if file.due and not file.foreign)


def check(host: Host, *, only: Sequence[str] = (), force: bool = False, salvage: bool = False) -> Report:
    """What `undo` would do; leaves no trace. Raises KnobError."""
    reading = journal_file.read(host)
    if not salvage:
        journal_file.refuse_damage(reading)
    entries = {s: e for s, e in journal.ledger(reading.records).items() if e.first}
    todo = work(host, entries, only, force=force)
    outcomes = [_planned(name, todo) for name in _names(todo.chosen)]
    changed = any(outcome.changed for outcome in outcomes) or bool(todo.due)
    return Report(tuple(outcomes), changed, _diffs(todo), notes=_notes(reading))


def undo(
    host: Host, run_id: str, *, only: Sequence[str] = (), force: bool = False, salvage: bool = False
) -> Report:
    """Restores live and persisted values, then reads all of them again. Raises KnobError.

    `force` takes foreign values and files back too. `salvage` goes on with what is sound in a damaged journal.
    """
    if not host.exists(journal_file.PATH):
        wishes.families((), only)
        return Report((), changed=False)
    with journal_file.opened_or_salvaged(host, run_id, salvage=salvage) as (book, reading):
        host.clear_leftovers(family.path for family in FAMILIES)
        writer = Writer(host, book)
        writer.close_open()
        todo = work(host, book.entries, only, force=force)
        _restore(writer, todo.parts)
        troubles = {file.family.path: trouble for file in todo.due if (trouble := writer.write_file(file))}
        outcomes = _prove(host, book, writer, todo, troubles)
    return Report(
        tuple(outcomes),
        bool(writer.changed) or any(f.differs for f in todo.due),
        _diffs(todo),
        notes=_notes(reading),
    )


def work(host: Host, entries: Ledger, only: Sequence[str], *, force: bool) -> Work:
    """Looks and decides."""
    knobs = {subject: entry for subject, entry in entries.items() if subject.sort != "file"}
    wishes.families((entry.about.area for entry in knobs.values()), only)
    chosen = choose(knobs, only)
    left = {subject: entry for subject, entry in knobs.items() if subject not in chosen}
    files = drop_ins(host)
    boot = host.boot_id()
    seen = {
        s: KINDS[e.about.kind].reads["live"](host, s.place) for s, e in chosen.items() if s.sort == "live"
    }
    lines = plan.as_in_file(plan.in_force(left), files)
    plans = plan.drop_ins(files, entries, lines, (), host.owner)
    if force:
        plans = [replace(file, foreign=False) for file in plans]
    return Work(chosen, tuple(parts(chosen, seen, boot, force=force)), tuple(plans), boot)


def choose(knobs: Ledger, only: Sequence[str]) -> Ledger:
    """Subjects of the named families, or all; whoever is coupled with one of them comes along. Pure."""
    if not only:
        return knobs
    areas = {*only, *(other for name in only for other in STANDS_ON.get(name, ()))}
    groups = {e.about.group for e in knobs.values() if e.about.area in areas and e.about.group}
    return {s: e for s, e in knobs.items() if e.about.area in areas or e.about.group in groups}


def parts(chosen: Ledger, seen: Mapping[Subject, Seen], boot: str, *, force: bool) -> list[Part]:
    """A verdict for each live value, in the order of taking back. Pure."""
    found = [_part(chosen[subject], seen, chosen, boot, force=force) for subject in seen]
    held = {p.entry.about.group for p in found if p.verdict == "foreign"} - {""}
    coupled = [
        replace(p, verdict="foreign", why="coupled with a value that somebody else changed")
        if p.entry.about.group in held and p.verdict == "restore"
        else p
        for p in found
    ]
    # What was set last goes first, but a pool that shrinks gives its memory to one that grows.
    last_first = list(reversed(coupled))
    return sorted(last_first, key=_grows)


def _part(entry: Entry, seen: Mapping[Subject, Seen], chosen: Ledger, boot: str, *, force: bool) -> Part:
    assert entry.first is not None
    now, first, place = seen[entry.subject], entry.first.seen, entry.subject.place
    other = plan.counterpart(place)
    if now.problem:
        # Absent: what held the value is gone, and the value with it.
        here = entry.last and entry.last.boot == boot and now.problem != ABSENT
        return Part(entry, now, "gone" if here else "bygone", now.detail)
    if now == first or not entry.touched:
        return Part(entry, now, "as-first")
    if not force:
        if is_foreign(entry, now, boot) and entry.done:
            return Part(
                entry,
                now,
                "foreign",
                f"somebody changed it from {brief(str(entry.done.seen))} to {brief(str(now))}: {place}",
            )
        if not _is_ours(entry, seen, chosen, boot):
            return Part(entry, now, "bygone", f"{brief(str(now))} since a later boot, not ours: {place}")
    if first.text == "0" and Subject("live", other) in chosen:
        return Part(entry, now, "follows")
    return Part(entry, now, "restore")


def _is_ours(entry: Entry, seen: Mapping[Subject, Seen], chosen: Ledger, boot: str) -> bool:
    """In the boot in which it was written `is_foreign` has decided; in a later one only our very value is ours.

    That is also the value of our drop-in, which the boot applied: an undo may have been cut off between the live value and the file.
    """
    last = entry.last
    if last is None or last.boot == boot:
        return True
    kind, now = KINDS[entry.about.kind], seen[entry.subject]
    if now == last.seen or (last.asked and kind.same(last.asked, now)):
        return True
    persisted = chosen.get(Subject("persisted", entry.about.name))
    if persisted is None or not persisted.asked:
        return False
    # Of a pair the kernel clears the one when the other is set.
    other = seen.get(Subject("live", plan.counterpart(entry.subject.place)))
    cleared = now.text == "0" and other is not None and kind.same(persisted.asked, other)
    return cleared or kind.same(persisted.asked, now)


def _is_back(now: Seen, first: Seen) -> bool:
    """As first, or gone together with what held it."""
    return now == first or now.problem == ABSENT


def _grows(part: Part) -> bool:
    texts = (part.now.text, part.first.text)
    return (
        part.entry.about.kind == "pool" and all(t.isdigit() for t in texts) and int(texts[1]) > int(texts[0])
    )


def _restore(writer: Writer, todo: Sequence[Part]) -> None:
    """Twice where it is needed: taking one value back may have changed another."""
    due = [part for part in todo if part.verdict == "restore"]
    for part in (*due, *due):
        place, now = part.entry.subject.place, writer.look(part.entry)
        if _is_back(now, part.first):
            writer.troubles.pop(place, None)
        elif trouble := writer.set(Change(_knob(part.entry.about), "live", place, now, part.first)):
            writer.troubles[place] = trouble


def _knob(about: About, wanted: str = "") -> Knob:
    return Knob(about.area, about.kind, about.key, wanted, "", "the journal", group=about.group)


def _prove(
    host: Host, book: Journal, writer: Writer, todo: Work, troubles: Mapping[str, Said]
) -> list[Outcome]:
    """Reads everything again; what stands as it was first is `undone`, in the journal too."""
    said: dict[str, list[Said]] = {name: [] for name in _names(todo.chosen)}
    for part in todo.parts:
        said[part.entry.about.name].append(_proved_live(book, writer, part))
    files = {file.family.path: file for file in todo.files}
    for subject, entry in todo.chosen.items():
        if subject.sort == "persisted":
            path = KINDS[entry.about.kind].family(entry.about.key).path
            said[entry.about.name].append(
                _proved_persisted(book, writer, entry, files.get(path), troubles.get(path))
            )
    still = {
        KINDS[e.about.kind].family(e.about.key).path for s, e in book.entries.items() if s.sort == "persisted"
    }
    for path, file in files.items():
        # Last of all: until its knobs are undone, the file is where their lines came from.
        subject = Subject("file", path)
        if path not in still and path not in troubles and not file.foreign and subject in book.entries:
            book.add("undone", subject, About(), host.file(path).as_json())
    return [_outcome(host, name, todo, said[name], changed=name in writer.changed) for name in said]


def _proved_live(book: Journal, writer: Writer, part: Part) -> Said:
    entry = book.entries.get(part.entry.subject, part.entry)
    now = writer.look(entry)
    if part.verdict in STAYS:
        return ("foreign" if part.verdict == "foreign" else "unsupported"), part.why
    if part.verdict == "bygone" or _is_back(now, part.first) or not part.entry.touched:
        book.add("undone", entry.subject, entry.about, seen_value(now))
        return ("changed" if part.verdict == "restore" else "ok"), part.why
    place = entry.subject.place
    if place in writer.troubles:
        return writer.troubles[place]
    short = _grows(replace(part, now=now))
    return (
        "short" if short else "refused"
    ), f"was {brief(str(part.first))} first, reads back {brief(str(now))}: {place}"


def _proved_persisted(
    book: Journal, writer: Writer, entry: Entry, file: FilePlan | None, trouble: Said | None
) -> Said:
    if trouble:
        return trouble
    if file is not None and file.foreign:
        return "foreign", f"somebody else wrote or edited {file.family.path}"
    now = writer.look(entry)
    book.add("undone", entry.subject, entry.about, seen_value(now))
    if not entry.touched:
        return "ok", ""
    if entry.first is not None and now != entry.first.seen:
        return (
            "changed",
            f"persisted was {brief(str(entry.first.seen))} first and is now {brief(str(now))} by {now.owner or 'no file'}",
        )
    return "changed", ""


def _outcome(host: Host, name: str, todo: Work, said: Sequence[Said], *, changed: bool) -> Outcome:
    entry = next(e for e in todo.chosen.values() if e.about.name == name)
    kind = KINDS[entry.about.kind]
    asked = next((e.asked for s, e in todo.chosen.items() if s == Subject("persisted", name)), "")
    everything = list(said)
    seen: dict[Layer, Seen] = {
        layer: read(host, entry.about.key) for layer, read in kind.reads.items() if layer != "live"
    }
    if (
        asked
        and "booted" in seen
        and kind.same(asked, seen["booted"])
        and not kind.same(asked, seen["persisted"])
    ):
        everything.append(("needs-reboot", f"this boot still has {seen['booted']}"))
    state = worst(*(state for state, _ in everything))
    details = "; ".join(dict.fromkeys(why for _, why in everything if why))
    restored = changed or any(state == "changed" for state, _ in everything)
    return Outcome(_knob(entry.about), state, seen, details, restored)


def _planned(name: str, todo: Work) -> Outcome:
    entries = [e for e in todo.chosen.values() if e.about.name == name]
    about = entries[0].about
    mine = [p for p in todo.parts if p.entry.about.name == name]
    path = KINDS[about.kind].family(about.key).path
    file = next((f for f in todo.files if f.family.path == path), None)
    written = any(e.touched for e in entries if e.subject.sort == "persisted")
    said: list[Said] = [(_FUTURE[p.verdict], p.why) for p in mine]
    if written and file is not None:
        said.append(("foreign", f"somebody else wrote or edited {path}") if file.foreign else ("pending", ""))
    state = worst(*(state for state, _ in said))
    details = "; ".join(dict.fromkeys(why for _, why in said if why))
    return Outcome(_knob(about), state, {}, details, any(state == "pending" for state, _ in said))


_FUTURE: Mapping[Verdict, State] = {
    "as-first": "ok",
    "restore": "pending",
    "follows": "pending",
    "foreign": "foreign",
    "gone": "unsupported",
    "bygone": "ok",
}


def _names(chosen: Ledger) -> list[str]:
    return list(dict.fromkeys(entry.about.name for entry in chosen.values()))


def _diffs(todo: Work) -> tuple[Diff, ...]:
    pairs = [
        (p.entry.subject.place, p.now, p.first) for p in todo.parts if p.verdict in ("restore", "follows")
    ]
    return (*values_diff(pairs), *(file_diff(file) for file in todo.files if file.differs))


def _notes(reading: journal.Reading) -> tuple[str, ...]:
    gone = journal.lost(journal.ledger(reading.records)) if reading.damages else ()
    notes = [reading.torn] if reading.torn else []
    notes += [f"the journal was damaged: {'; '.join(map(str, reading.damages))}"] if reading.damages else []
    notes += [f"cannot be restored, since what stood there first is lost: {', '.join(gone)}"] if gone else []
    return tuple(notes)
