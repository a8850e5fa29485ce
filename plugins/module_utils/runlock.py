"""Who is changing this host now: one small file under /run, and the rules for when it no longer counts.

docs/decisions/0002-run-lock.md says why. `judge` is pure; `taken` and `released` are the only writers.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import processes

SCHEMA = "hostproof.run_lock/1"
PATH = "/run/hostproof/run.lock"


@dataclass(frozen=True)
class Session:
    """The ssh session that a run came through."""

    pid: int
    started: int


@dataclass(frozen=True)
class Holder:
    """A run, as it wrote itself into the lock."""

    run_id: str
    controller_id: str
    since: str
    boot_id: str
    session: Session | None

    def __str__(self) -> str:
        return f"run {self.run_id} of {self.controller_id or 'an unnamed controller'}, since {self.since}"


@dataclass(frozen=True)
class Stand:
    """What the lock means for one who asks: `free`, `ours`, `stale` (with why) or `held`."""

    kind: str
    holder: Holder | None = None
    why: str = ""


class UnreadableError(Exception):
    """The lock file is no lock of ours; nothing is guessed from it."""


def judge(held: Holder | None, asking: Holder, *, session_lives: bool) -> Stand:
    """Pure: may `asking` have the lock that `held` is written in?"""
    if held is None:
        return Stand("free")
    if held.run_id == asking.run_id:
        return Stand("ours", held)
    if held.boot_id != asking.boot_id:
        return Stand("stale", held, "the host was booted since")
    if held.controller_id and held.controller_id == asking.controller_id:
        # That controller lets one run at a time through, so the earlier one is dead.
        return Stand("stale", held, "the same controller asks again")
    if held.session is not None and not session_lives:
        return Stand("stale", held, "its ssh session is gone")
    return Stand("held", held)


def refusal(found: Stand, path: Path) -> str:
    """One sentence for the run that has to wait."""
    session = found.holder.session if found.holder else None
    where = f"ssh session {session.pid}" if session else "no ssh session to watch"
    return (
        f"Another run is changing this host: {found.holder} ({path}, {where}). "
        "Wait until it ends. If it is dead, remove that file on the host and try again."
    )


def parse(text: str) -> Holder:
    """The one place that reads a lock file."""
    try:
        raw: Mapping[str, Any] = json.loads(text)
        if raw["schema"] != SCHEMA:
            raise UnreadableError(f"its schema is {raw['schema']!r}, not {SCHEMA!r}")
        session = raw["session"]
        return Holder(
            str(raw["run_id"]),
            str(raw["controller_id"]),
            str(raw["since"]),
            str(raw["boot_id"]),
            None if session is None else Session(int(session["pid"]), int(session["started"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"it is no run lock: {error!r}") from error


def render(holder: Holder) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(holder)}, indent=1) + "\n"


def stand(path: Path, asking: Holder, proc: Path = processes.PROC) -> Stand:
    """Reads the lock and judges it. Raises UnreadableError for a file that is no lock."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Stand("free")
    held = parse(text)
    session = held.session
    return judge(
        held,
        asking,
        session_lives=session is not None and processes.lives(session.pid, session.started, proc),
    )


def notes(path: Path) -> list[str]:
    """Names of the files beside the lock; none where there is no such folder."""
    try:
        return sorted(found.name for found in path.parent.iterdir() if found != path and found.is_file())
    except FileNotFoundError:
        return []


def take(path: Path, asking: Holder, *, force: bool = False, proc: Path = processes.PROC) -> Stand:
    """Takes the lock unless another living run has it. Returns what stood there before."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _alone(path.parent):
        before = _stand_or_forced(path, asking, proc, force=force)
        if before.kind == "held" and not force:
            return before
        if before.kind != "free":
            path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(render(asking))
    return before


def release(path: Path, asking: Holder, *, force: bool = False, proc: Path = processes.PROC) -> Stand:
    """Removes the lock if it is ours (or anybody's, with force). Returns what stood there."""
    if not path.parent.is_dir():
        return Stand("free")
    with _alone(path.parent):
        before = _stand_or_forced(path, asking, proc, force=force)
        if before.kind == "ours" or (force and before.kind != "free"):
            path.unlink(missing_ok=True)
    return before


def _stand_or_forced(path: Path, asking: Holder, proc: Path, *, force: bool) -> Stand:
    try:
        return stand(path, asking, proc)
    except UnreadableError as error:
        if force:
            return Stand("stale", None, str(error))
        raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Looking and taking is one step: two that find the same stale lock must not both get it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def describe_me(run_id: str, controller_id: str, since: str, proc: Path = processes.PROC) -> Holder:
    """The asking run, seen from the process that runs this."""
    session = processes.session_of(os.getpid(), proc)
    boot_id = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return Holder(
        run_id,
        controller_id,
        since,
        boot_id,
        None if session is None else Session(session.pid, session.started),
    )
