"""One run a host from this checkout: an flock dies with its process, so a crash never blocks the next run.

Other controllers are kept out on the host itself, by the role `preflight`.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from hostproof.errors import HostproofError


@contextmanager
def held(folder: Path, hosts: Iterable[str], run_id: str, since: str) -> Iterator[None]:
    """Holds the lock of every host; raises at once if another run has one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Always in the same order, so that two runs over the same hosts cannot wait for each other.
        for host in sorted(hosts):
            _take(
                stack.enter_context((folder / f"{host}.lock").open("a+", encoding="utf-8")),
                host,
                run_id,
                since,
            )
        yield


def _take(file: IO[str], host: str, run_id: str, since: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _busy(file, host) from None
    file.seek(0)
    file.truncate()
    json.dump({"run_id": run_id, "pid": os.getpid(), "since": since}, file)
    file.flush()


def _busy(file: IO[str], host: str) -> HostproofError:
    file.seek(0)
    try:
        holder = json.load(file)
        who = f"run {holder['run_id']}, process {holder['pid']}, since {holder['since']}"
    except (json.JSONDecodeError, KeyError, TypeError):
        who = "a run that has only just started"
    return HostproofError(
        f"host {host} is held by another run",
        where=who,
        mend="Wait until it ends or stop it with Ctrl-C, then try again.",
    )
