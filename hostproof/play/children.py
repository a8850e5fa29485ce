"""Ends what a run started on the controller.

Ansible's workers leave its process group (they call setsid) and ssh masters leave its process tree, so both are
found by a mark in their environment, not by their parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psutil

MARK = "HOSTPROOF_RUN_MARK"
POLITE_SECONDS = 3.0
FORCED_SECONDS = 2.0


def marked(mark: str) -> list[psutil.Process]:
    """Processes that carry the mark. Another user's are not readable, and not ours to end."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def end(mark: str) -> list[int]:
    """Ends every marked process: SIGTERM, a bounded wait, SIGKILL. Returns the pids that are still there."""
    _signal(marked(mark), psutil.Process.terminate)
    _gone, alive = psutil.wait_procs(marked(mark), timeout=POLITE_SECONDS)
    # Asked anew: a worker may have started a child between the look and the signal.
    _signal({*alive, *marked(mark)}, psutil.Process.kill)
    psutil.wait_procs(marked(mark), timeout=FORCED_SECONDS)
    return [process.pid for process in marked(mark)]


def end_ssh_masters(mark: str) -> None:
    """Closes the connections that ControlPersist would keep open for a minute."""
    _signal((p for p in marked(mark) if _name(p) == "ssh"), psutil.Process.terminate)


def _signal(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.Error:
            continue


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""
