"""observe → plan → journal → write → read back → persist, for a whole list of knobs at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import journal, journal_file, plan, states, wishes
from .families import FAMILIES
from .host import FileState, Host
from .journal import About, Ledger
from .knob import Change, Knob, Observation, Outcome, Seen
from .observe import drop_ins, observe
from .plan import FilePlan, Line
from .states import Scene
from .writer import Writer, text_of

Diff = Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """What a run did, or would do."""

    outcomes: tuple[Outcome, ...]
    changed: bool
    diffs: tuple[Diff, ...] = ()
    """As Ansible shows them: before, after, and a heading for each."""
    orphans: tuple[str, ...] = ()
    """`kind:key` of knobs that earlier runs set and nobody wants any more."""
    notes: tuple[str, ...] = ()
    """What a reader should know besides."""


@dataclass(frozen=True)
class Work:
    """Everything that is to be done, nothing done yet."""

    observed: tuple[Observation, ...]
    changes: tuple[Change, ...]
    files: tuple[FilePlan, ...]
    lines: tuple[Line, ...]
    entries: Ledger
    boot: str

    @property
    def due(self) -> tuple[FilePlan, ...]:
        return tuple(file for file in self.files if file.due and not file.foreign)

    @property
    def nothing(self) -> bool:
        return not (self.changes or self.due or any(entry.open for entry in self.entries.values()))

    @property
    def foreign(self) -> frozenset[str]:
        return frozenset(file.family.path for file in self.files if file.foreign)


def work(
    host: Host, knobs: Sequence[Knob], entries: Ledger, *, force: bool = False, skip: Iterable[str] = ()
) -> Work:
    """Looks at the host and plans. `skip` names knobs (`kind:key`) whose drop-in lines stay as they are."""
    observed = observe(host, knobs)
    wishes.check_places(observed)
    files = drop_ins(host)
    old = plan.as_in_file(plan.in_force(entries), files)
    skipped = set(skip)
    lines = plan.merged(old, plan.wanted_lines([o for o in observed if o.knob.name not in skipped], old))
    plans = plan.drop_ins(files, entries, lines, observed, host.owner)
    if force:
        plans = [FilePlan(p.family, p.before, p.after, foreign=False, unsettled=p.unsettled) for p in plans]
    return Work(observed, tuple(plan.live(observed)), tuple(plans), tuple(lines), entries, host.boot_id())


def check(
    host: Host, knobs: Sequence[Knob], *, force: bool = False, evidence: Mapping[str, str] | None = None
) -> Report:
    """What `apply` would do. Leaves no trace, takes no lock. Raises KnobError."""
    todo, torn = _look(host, knobs, force=force)
    return _planned(todo, knobs, evidence or {}, torn)


def _look(host: Host, knobs: Sequence[Knob], *, force: bool) -> tuple[Work, str]:
    reading = journal_file.read(host)
    journal_file.refuse_damage(reading)
    entries = journal.ledger(reading.records)
    wishes.check(knobs, (entry.about.name for entry in entries.values()))
    return work(host, knobs, entries, force=force), reading.torn


def apply(
    host: Host,
    knobs: Sequence[Knob],
    run_id: str,
    *,
    force: bool = False,
    evidence: Mapping[str, str] | None = None,
) -> Report:
    """Makes the host as wanted. Where nothing is to be done, nothing is written, the journal included.

    Raises KnobError for wishes that contradict each other, a damaged journal, another run at the same time.
    """
    todo, torn = _look(host, knobs, force=force)
    if todo.nothing:
        return _planned(todo, knobs, evidence or {}, torn)
    with journal_file.opened(host, run_id) as book:
        host.clear_leftovers(family.path for family in FAMILIES)
        writer = Writer(host, book)
        writer.close_open()
        # Looked at anew: until the lock was ours, another run may have been at work.
        todo = work(host, knobs, book.entries, force=force)
        _carry_out(host, writer, todo, knobs, force=force)
        after = work(host, knobs, book.entries, force=force)
        changed = _moved(todo, after)
        scene = Scene(
            *("applied", book.boot, book.entries, after.foreign),
            troubles=writer.troubles,
            changed=changed,
            evidence=evidence or {},
        )
        outcomes = tuple(states.judge(o, scene) for o in after.observed)
    return Report(
        outcomes,
        bool(changed) or _rewritten(todo, after),
        _diffs(todo, after),
        tuple(plan.orphans(after.entries, knobs)),
        _notes(torn, todo),
    )


def _moved(before: Work, after: Work) -> frozenset[str]:
    """Knobs of which a live or persisted value is another one now."""
    pairs = zip(before.observed, after.observed, strict=True)
    return frozenset(
        now.knob.name
        for was, now in pairs
        if (was.places, was.seen["persisted"]) != (now.places, now.seen["persisted"])
    )


def _rewritten(before: Work, after: Work) -> bool:
    was = {file.family.path: file.before for file in before.files}
    return any(not file.before.same(was[file.family.path]) for file in after.files if file.family.path in was)


def _carry_out(host: Host, writer: Writer, todo: Work, knobs: Sequence[Knob], *, force: bool) -> None:
    touched = _touched(todo)
    writer.note_first([o for o in todo.observed if o.knob.name in touched], todo.due)
    writer.set_all(todo.changes)
    # What the kernel refused is not persisted: it would be an error at every boot.
    refused = [name for name, (state, _) in writer.troubles.items() if state == "refused"]
    left = work(host, knobs, writer.entries, force=force, skip=refused)
    writer.write_files(
        left.due, left.lines, {knob.name: About.of(knob) for knob in knobs if knob.name not in refused}
    )


def _touched(todo: Work) -> set[str]:
    """Knobs that get a new value or a new line."""
    due = {file.family.path for file in todo.due}
    return {change.knob.name for change in todo.changes} | {
        line.name for line in todo.lines if line.family.path in due
    }


def _planned(todo: Work, knobs: Sequence[Knob], evidence: Mapping[str, str], torn: str) -> Report:
    pending = [
        c
        for c in todo.changes
        if not states.is_known_short(c.knob, c.place, c.before, todo.entries, todo.boot)
    ]
    names = {change.knob.name for change in pending}
    due = {file.family.path: file for file in todo.due if file.differs}
    names |= {
        line.name
        for line in todo.lines
        if (f := due.get(line.family.path)) and line.text not in _lines(f.before)
    }
    scene = Scene("plan", todo.boot, todo.entries, todo.foreign, changed=frozenset(names), evidence=evidence)
    return Report(
        tuple(states.judge(o, scene) for o in todo.observed),
        bool(pending or todo.due),
        _diffs(todo, None),
        tuple(plan.orphans(todo.entries, knobs)),
        _notes(torn, todo),
    )


def _lines(state: FileState) -> list[str]:
    return state.text.splitlines()


def _diffs(todo: Work, after: Work | None) -> tuple[Diff, ...]:
    """Live values in one diff, each file in its own; a foreign one against what would be written."""
    now = {place: seen for o in after.observed for place, seen in o.places.items()} if after else {}
    pairs = [(c.place, c.before, now.get(c.place, c.after)) for c in todo.changes]
    return (*values_diff(pairs), *(file_diff(file) for file in todo.files if file.differs))


def values_diff(pairs: Iterable[tuple[str, Seen, Seen]]) -> tuple[Diff, ...]:
    """Path, before, after → one diff, or none if nothing differs."""
    rows = [(place, before, after) for place, before, after in pairs if before != after]
    if not rows:
        return ()
    before, after = ("".join(f"{row[0]} = {row[which]}\n" for row in rows) for which in (1, 2))
    return (_diff("live values", before, after),)


def file_diff(file: FilePlan) -> Diff:
    path = file.family.path
    heading = f"{path} (foreign: left as it is)" if file.foreign else path
    return _diff(heading, text_of(file.before), text_of(file.after))


def _diff(heading: str, before: str, after: str) -> Diff:
    return {"before_header": heading, "after_header": heading, "before": before, "after": after}


def _notes(torn: str, todo: Work) -> tuple[str, ...]:
    crashed = sorted({str(s) for s, e in todo.entries.items() if e.open})
    return tuple(
        note
        for note in (
            torn,
            f"an earlier run was cut off while it changed {', '.join(crashed)}" if crashed else "",
        )
        if note
    )
