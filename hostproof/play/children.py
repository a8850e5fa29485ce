"""Ends what a run started on the controller.

Ansible's workers leave its process group (they call setsid) and ssh masters leave its process tree, so
neither finds them. Every process of a run carries the path of the run's private folder: in its environment,
or (ssh masters write over theirs) in its command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import psutil

MARK = "HOSTPROOF_RUN_MARK"
POLITE_SECONDS = 3.0
FORCED_SECONDS = 2.0
POLL_SECONDS = 0.1


def marked(mark: str) -> list[psutil.Process]:
    """Processes that carry the mark. Another user's are not readable, and not ours to end."""
    return [process for process in psutil.process_iter() if _carries(process, mark)]


def end(mark: str) -> list[int]:
    """Ends every marked process: SIGTERM, a bounded wait, SIGKILL. Returns the pids that are still there."""
    _signal(marked(mark), psutil.Process.terminate)
    _wait(mark, POLITE_SECONDS)
    # Asked anew: a worker may have started a child between the look and the signal.
    _signal(marked(mark), psutil.Process.kill)
    return [process.pid for process in _wait(mark, FORCED_SECONDS)]


def _wait(mark: str, seconds: float) -> list[psutil.Process]:
    """Until none is left, or so long. Reaps no child, as psutil's own wait would: that is pexpect's part."""
    deadline = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left


def end_ssh_masters(control_folder: str) -> None:
    """Closes the connections that ControlPersist would keep open for a minute."""
    _signal(
        (process for process in psutil.process_iter() if _names(process, control_folder)),
        psutil.Process.terminate,
    )


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark or _names(process, mark)
    except (psutil.Error, OSError):
        return False


def _names(process: psutil.Process, folder: str) -> bool:
    try:
        return any(f"{folder}/" in word for word in process.cmdline())
    except (psutil.Error, OSError):
        return False


def _signal(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.Error:
            continue
