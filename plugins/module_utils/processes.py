"""The process tree as /proc shows it. `proc` is a parameter so that tests can show another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SESSION_NAMES = ("sshd-session", "sshd")
"""OpenSSH since 9.8 has sessions in a program of their own; before, a session is an sshd that forked."""


@dataclass(frozen=True)
class Process:
    """One process; pid and start time together are never used twice within a boot."""

    pid: int
    parent: int
    name: str
    started: int
    """Clock ticks since boot."""


def read(pid: int, proc: Path = PROC) -> Process | None:
    """The process, or None if there is none with this pid."""
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in parentheses and may hold spaces and parentheses itself.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(pid, int(fields[1]), head.partition("(")[2], int(fields[19]))


def ancestors(pid: int, proc: Path = PROC) -> Iterator[Process]:
    """Parent, grandparent and so on, up to PID 1."""
    process = read(pid, proc)
    while process is not None and process.parent > 0:
        process = read(process.parent, proc)
        if process is not None:
            yield process


def session_of(pid: int, proc: Path = PROC) -> Process | None:
    """The ssh session that the process was started from: the nearest such ancestor, if there is one."""
    return next((one for one in ancestors(pid, proc) if one.name in SESSION_NAMES), None)


def lives(pid: int, started: int, proc: Path = PROC) -> bool:
    """Whether this very process is still there: its pid may have been given to another since."""
    found = read(pid, proc)
    return found is not None and found.started == started
