"""The journal on the disk: one writer at a time, each record on the disk before the deed that it announces."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from . import journal
from .host import Host, beside
from .journal import About, Entry, Ledger, Reading, Record, Step, Subject
from .knob import KnobError

FOLDER: Final = "/var/lib/hostproof"
PATH: Final = f"{FOLDER}/journal.jsonl"
LOCK: Final = f"{FOLDER}/journal.lock"
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o711
"""Others pass through to the models, and see no names (docs/decisions/0005-journal.md)."""


def read(host: Host) -> Reading:
    """The journal as it is; an absent one is empty. Takes no lock and leaves no trace."""
    try:
        return journal.parse(host.at(PATH).read_bytes())
    except FileNotFoundError:
        return Reading()
    except OSError as error:
        mend = "Become root on the host." if isinstance(error, PermissionError) else "Look what lies there."
        what = f"the journal cannot be read: {error.strerror}"
        raise KnobError(what, where=PATH, mend=mend) from error


def refuse_damage(reading: Reading) -> None:
    """Raises KnobError if anything but the last line is damaged: nothing is guessed."""
    if reading.damages:
        entries = journal.ledger(reading.records)
        count = sum(entry.first is not None for entry in entries.values())
        raise KnobError(
            f"the journal is damaged ({'; '.join(map(str, reading.damages))}), so nothing was written; "
            f"{count} of its entries can still be restored",
            where=PATH,
            mend="`./inv undo --host HOST --salvage` restores those and names the others.",
        )


@contextmanager
def opened(host: Host, run_id: str) -> Iterator[Journal]:
    """The journal to write to, held alone. Nothing is made on the disk before the first record."""
    with _held(host, run_id):
        reading = read(host)
        refuse_damage(reading)
        yield Journal(host, run_id, reading)


@contextmanager
def opened_or_salvaged(host: Host, run_id: str, *, salvage: bool) -> Iterator[tuple[Journal, Reading]]:
    """As `opened`, with what was read; with `salvage` a damaged journal is set aside first and a sound one takes its place."""
    with _held(host, run_id):
        reading = read(host)
        if not salvage:
            refuse_damage(reading)
        elif reading.damages:
            _set_aside(host, reading)
        yield Journal(host, run_id, read(host)), reading


class Journal:
    """Appends records; keeps the ledger as it grows."""

    def __init__(self, host: Host, run_id: str, reading: Reading) -> None:
        self._host = host
        self._run = run_id
        self._boot = host.boot_id()
        self._reading = reading
        self._entries = dict(journal.ledger(reading.records))
        self._next = reading.records[-1].seq + 1 if reading.records else 1
        self._ready = False

    @property
    def boot(self) -> str:
        return self._boot

    @property
    def torn(self) -> str:
        return self._reading.torn

    @property
    def entries(self) -> Ledger:
        """A copy: it stays as it is when records are added."""
        return dict(self._entries)

    def entry(self, subject: Subject) -> Entry | None:
        return self._entries.get(subject)

    def add(
        self,
        step: Step,
        subject: Subject,
        about: About,
        value: Mapping[str, Any],
        *,
        before: Mapping[str, Any] | None = None,
        asked: str = "",
    ) -> None:
        """Writes one record and waits until the disk has it."""
        record = Record(
            *(step, subject, about, value, before or {}, asked),
            seq=self._next,
            time=self._host.now(),
            boot=self._boot,
            run=self._run,
        )
        try:
            if not self._ready:
                _make_ready(self._host, self._reading)
                self._ready = True
            _append(self._host, journal.render(record))
        except OSError as error:
            raise _unwritable(error) from error
        self._next += 1
        journal.step(self._entries, record)


def _unwritable(error: OSError) -> KnobError:
    return KnobError(
        f"the journal cannot be written ({error.strerror}), so nothing more was changed",
        where=PATH,
        mend="Make room or make it writable, then run the same again: it goes on from here.",
    )


def _make_ready(host: Host, reading: Reading) -> None:
    """Makes the file if there is none, readable for root alone; cuts a torn last line off."""
    place = host.at(PATH)
    if not place.exists():
        _make_file(host, PATH, b"")
        return
    if reading.torn:
        host.act("truncate", PATH, lambda: _truncate(str(place), reading.sound))
    if place.stat().st_mode & 0o777 != FILE_MODE:
        host.act("chmod", PATH, lambda: place.chmod(FILE_MODE))


def _make_folder(host: Host) -> None:
    place = host.at(FOLDER)
    if place.is_dir():
        return

    def deed() -> None:
        place.mkdir(mode=FOLDER_MODE, parents=True)
        place.chmod(FOLDER_MODE)

    host.act("mkdir", FOLDER, deed)
    host.sync_folder(str(place.relative_to(host.root).parent))


def _make_file(host: Host, path: str, content: bytes) -> None:
    def deed() -> None:
        descriptor = os.open(host.at(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    host.act("create", path, deed)
    host.sync_folder(FOLDER)


def _truncate(place: str, length: int) -> None:
    descriptor = os.open(place, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, length)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(host: Host, line: bytes) -> None:
    descriptor = os.open(host.at(PATH), os.O_WRONLY | os.O_APPEND)
    try:
        host.act("append", PATH, lambda: _write_all(descriptor, line))
        host.act("fsync", PATH, lambda: os.fsync(descriptor))
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, line: bytes) -> None:
    """A full disk takes a part: then the rest fails, and the reader finds a torn last line."""
    while line:
        line = line[os.write(descriptor, line) :]


def _set_aside(host: Host, reading: Reading) -> None:
    """Both files are whole at every moment: the old one gets a second name before the new one takes its place."""
    aside = _free_name(host)
    kept = [record for entry in journal.ledger(reading.records).values() for record in _kept(entry)]
    content = b"".join(journal.render(replace(record, seq=n)) for n, record in enumerate(kept, start=1))
    new = beside(PATH)
    _make_file(host, new, content)
    host.act("link", str(aside), lambda: aside.hardlink_to(host.at(PATH)))
    host.act("rename", PATH, lambda: host.at(new).replace(host.at(PATH)))
    host.sync_folder(FOLDER)


def _free_name(host: Host) -> Path:
    stamp = host.now().replace(":", "").replace("-", "").split(".", maxsplit=1)[0]
    names = (f"{FOLDER}/journal.damaged-{stamp}Z{f'-{n}' if n else ''}.jsonl" for n in itertools.count())
    return next(host.at(name) for name in names if not host.exists(name))


def _kept(entry: Entry) -> list[Record]:
    """Nothing of an entry whose `first` is lost: it could never be undone."""
    if entry.first is None:
        return []
    later = sorted(filter(None, (entry.intent, entry.done)), key=lambda record: record.seq)
    return [entry.first, *later]


@contextmanager
def _held(host: Host, run_id: str) -> Iterator[None]:
    """An flock: it goes with its process, however that ends."""
    try:
        _make_folder(host)
        descriptor = os.open(host.at(LOCK), os.O_RDWR | os.O_CREAT, FILE_MODE)
    except OSError as error:
        raise _unwritable(error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(
            descriptor, json.dumps({"run": run_id, "pid": os.getpid(), "since": host.now()}).encode(), 0
        )
        yield
    except BlockingIOError:
        raise _busy(os.pread(descriptor, 4096, 0)) from None
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _busy(os.pread(descriptor, 4096, 0)) from None


def _busy(content: bytes) -> KnobError:
    try:
        holder = json.loads(content)
        who = f"run {holder['run']}, process {holder['pid']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        who = "a run that has only just started"
    return KnobError(
        f"another run is changing this host's settings: {who}",
        where=LOCK,
        mend="Wait until it ends, then try again.",
    )
