"""Finds and ends this lab's QEMUs. A process is taken by its own words, never by a number that was written down."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab.vm import qemu

PROC: Final = Path("/proc")
POLL_SECONDS: Final = 0.1
ASK_SECONDS: Final = 5
KILL_SECONDS: Final = 10


def running() -> dict[str, int]:
    """Name of the machine → process, of every QEMU on this machine that has a name."""
    seen = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (name := qemu.machine_name(words(int(folder.name)))):
            seen[name] = int(folder.name)
    return seen


def words(process: int) -> list[str]:
    """Its command line; empty when it is gone or is a kernel thread."""
    try:
        text = (PROC / str(process) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.decode(errors="surrogateescape").split("\0")[:-1]


def end(name: str) -> bool:
    """Ends the QEMU of that name; whether there was one.

    A pidfd stands for one process and never for a later one with its number; the words are read after it is open.
    """
    process = running().get(name)
    if process is None:
        return False
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return False
    try:
        if qemu.machine_name(words(process)) != name:
            return False
        for number, seconds in ((signal.SIGTERM, ASK_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            try:
                signal.pidfd_send_signal(handle, number)
            except ProcessLookupError:
                return True
            if select.select([handle], [], [], seconds)[0]:
                return True
    finally:
        os.close(handle)
    raise HostproofError(
        f"{name} did not end, though it was killed",
        where=f"process {process}",
        mend="See what it waits for (cat /proc/PID/stack), then run lab.down again.",
    )


def wait_for_end(name: str, seconds: float) -> bool:
    """Whether the machine switched itself off within that time."""
    deadline = time.monotonic() + seconds
    while name in running():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def open_files(process: int) -> list[str]:
    """What it has open, as far as this user may see it."""
    try:
        return [str(entry.readlink()) for entry in (PROC / str(process) / "fd").iterdir()]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
