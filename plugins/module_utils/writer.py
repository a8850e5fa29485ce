"""The hands of the engine: every write is announced in the journal first and read back afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from .host import CommandError, FileState, Host, why
from .journal import About, Entry, Ledger, Subject, seen_value
from .journal_file import Journal
from .kinds._kernel_file import is_unsupported
from .knob import Change, Layer, Observation, Seen
from .plan import FilePlan, Line, counterpart, group_of
from .registry import KINDS
from .states import Said


class Writer:
    """Writes for one run. What went wrong is in `troubles`, whose live value moved in `changed`."""

    def __init__(self, host: Host, journal: Journal) -> None:
        self._host = host
        self._journal = journal
        self.troubles: dict[str, Said] = {}
        self.changed: set[str] = set()

    @property
    def entries(self) -> Ledger:
        return self._journal.entries

    # Before the first write

    def close_open(self) -> None:
        """What a killed run began: observes how it stands and writes that down. Files are settled by their plans."""
        for subject, entry in self._journal.entries.items():
            if entry.open and subject.sort != "file" and entry.about.kind in KINDS:
                self._done(entry.subject, entry.about, self.look(entry), entry.asked)

    def look(self, entry: Entry) -> Seen:
        """How a subject that is no file stands now."""
        layer: Layer = "live" if entry.subject.sort == "live" else "persisted"
        return KINDS[entry.about.kind].reads[layer](
            self._host, entry.subject.place if layer == "live" else entry.about.key
        )

    def note_first(self, observed: Iterable[Observation], plans: Iterable[FilePlan]) -> None:
        """What stood there before hostproof ever touched it; nothing where that is known already."""
        for observation in observed:
            about = About.of(observation.knob)
            for place, seen in observation.places.items():
                self.note_live(about, place, seen)
            self._first(Subject("persisted", about.name), about, observation.seen["persisted"])
        for plan in plans:
            subject = Subject("file", plan.family.path)
            if self._journal.entry(subject) is None:
                self._journal.add("first", subject, About(), plan.before.as_json())

    def note_live(self, about: About, place: str, seen: Seen) -> None:
        """What stood in one file of the kernel first, and in the one that changes along with it."""
        self._first(Subject("live", place), about, seen)
        if other := counterpart(place):
            self._first(Subject("live", other), about, KINDS[about.kind].reads["live"](self._host, other))

    def _first(self, subject: Subject, about: About, seen: Seen) -> None:
        if self._journal.entry(subject) is None and seen.problem not in ("unsupported", "unreadable"):
            self._journal.add("first", subject, about, seen_value(seen))

    # Live values

    def set_all(self, changes: Iterable[Change]) -> None:
        """In order; where one of a group is refused, the group goes back to where it was."""
        for _, members in groupby(changes, lambda c: group_of(c.knob.kind, c.knob.group, c.place)):
            self._set_group(list(members))

    def _set_group(self, changes: Sequence[Change]) -> None:
        done: list[Change] = []
        for change in changes:
            trouble = self.set(change)
            if trouble is None:
                done.append(change)
                continue
            self.troubles[change.knob.name] = trouble
            if trouble[0] == "refused" and change.knob.group:
                self._give_up(change, done, changes)
                return

    def _give_up(self, failed: Change, done: Sequence[Change], changes: Sequence[Change]) -> None:
        for change in reversed(done):
            self.set(Change(change.knob, "live", change.place, change.after, change.before))
            self.changed.discard(change.knob.name)
        for change in changes:
            reason = f"coupled with {failed.knob.name}, which was refused, and left as it was"
            self.troubles.setdefault(change.knob.name, ("refused", reason))

    def set(self, change: Change) -> Said | None:
        """One value: intent, write, read back, done. What went wrong, or None."""
        about, asked = About.of(change.knob), change.knob.wanted
        subjects = [Subject("live", place) for place in (change.place, counterpart(change.place)) if place]
        subjects = [subject for subject in subjects if self._journal.entry(subject)]
        for subject in subjects:
            after = change.after if subject.place == change.place else Seen("0")
            before = change.before if subject.place == change.place else self._read(about, subject.place)
            self._intend(subject, about, before, after, asked if subject.place == change.place else "")
        trouble = self._try(about.kind, change.place, change.after.text)
        for subject in subjects:
            seen = self._read(about, subject.place)
            self._done(subject, about, seen, asked if subject.place == change.place else "")
            if subject.place == change.place and seen != change.before:
                self.changed.add(about.name)
        return trouble

    def _try(self, kind: str, place: str, value: str) -> Said | None:
        try:
            KINDS[kind].write(self._host, place, value)
        except OSError as error:
            return "unsupported" if is_unsupported(error) else "refused", why(error, place)
        except CommandError as error:
            return "refused", str(error)
        return None

    def _read(self, about: About, place: str) -> Seen:
        return KINDS[about.kind].reads["live"](self._host, place)

    def _intend(self, subject: Subject, about: About, before: Seen, after: Seen, asked: str) -> None:
        self._journal.add("intent", subject, about, seen_value(after), before=seen_value(before), asked=asked)

    def _done(self, subject: Subject, about: About, seen: Seen, asked: str) -> None:
        self._journal.add("done", subject, about, seen_value(seen), asked=asked)

    # Drop-in files

    def write_files(
        self, plans: Iterable[FilePlan], lines: Iterable[Line], abouts: Mapping[str, About]
    ) -> None:
        """Each file that is due, then its reader, then what the next boot will read of it."""
        everything = list(lines)
        for plan in plans:
            if plan.due:
                there = plan.before.text.splitlines()
                mine = [line for line in everything if line.family is plan.family and line.name in abouts]
                new = [line for line in mine if line.text not in there]
                self._announce(new, abouts)
                if trouble := self.write_file(plan):
                    self.troubles |= {line.name: trouble for line in mine}
                    continue
                self._settle(new)

    def _announce(self, lines: Iterable[Line], abouts: Mapping[str, About]) -> None:
        for line in lines:
            entry = self._journal.entry(Subject("persisted", line.name))
            if entry is not None:
                self._intend(entry.subject, abouts[line.name], self.look(entry), Seen(line.value), line.value)

    def _settle(self, lines: Iterable[Line]) -> None:
        for line in lines:
            entry = self._journal.entry(Subject("persisted", line.name))
            if entry is not None:
                self._done(entry.subject, entry.about, self.look(entry), line.value)

    def write_file(self, plan: FilePlan) -> Said | None:
        """One file: intent, write, read back, tell its reader, done. What went wrong, or None."""
        family, subject = plan.family, Subject("file", plan.family.path)
        self._journal.add("intent", subject, About(), plan.after.as_json(), before=plan.before.as_json())
        try:
            # An absence is made again also where it stands: its folders may have been made already.
            if plan.differs or plan.after.absent:
                self._host.place(family.path, plan.after)
            found = self._host.file(family.path)
            if family.activate and not (family.optional and not self._host.has(family.activate[0])):
                self._host.run(family.activate)
        except OSError as error:
            return "refused", why(error, family.path)
        except CommandError as error:
            return "refused", str(error)
        self._journal.add("done", subject, About(), found.as_json())
        return (
            None
            if found.same(plan.after)
            else ("refused", f"reads back otherwise than written: {family.path}")
        )


def text_of(state: FileState) -> str:
    return "" if state.absent else state.text
