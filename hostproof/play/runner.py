"""Runs one playbook through ansible-runner and hands on its events; interrupted, it ends its children."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import ansible_runner

from hostproof.errors import HostproofError
from hostproof.play import children
from hostproof.play.checkout import Checkout
from hostproof.play.events import Event

POLL_SECONDS = 1
CONTROL_FOLDER = "cp"
LONGEST_TEMPORARY = 40
"""ssh's control sockets lie two folders deeper, and a socket's path may have 107 characters."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Job:
    """One playbook on some hosts. `extra` crosses to Ansible as JSON, so nothing in it needs quoting."""

    playbook: Path
    hosts: tuple[str, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    limit_seconds: int | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished:
    """How ansible-playbook ended: its own exit status, and whether we stopped it."""

    rc: int
    interrupted: bool = False
    timed_out: bool = False
    left: tuple[int, ...] = ()
    """Processes that could not be ended."""


class Interrupt:
    """Set by the first Ctrl-C (or SIGTERM, SIGHUP); read by the loop that waits for Ansible."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def listening() -> Iterator[Interrupt]:
    """Turns stop signals into a flag while a playbook runs, so that no moment is a bad one for Ctrl-C."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, interrupt.ask) for number in STOP_SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(checkout: Checkout, job: Job, on_event: Callable[[Event], None]) -> Finished:
    """Runs the job to its end or to the first stop signal; nothing it started here outlives it."""
    if not job.playbook.is_file():
        raise HostproofError(
            f"playbook {job.playbook.name} is missing",
            where=str(job.playbook),
            mend="Is the checkout complete?",
        )
    with _private_folder() as private, listening() as interrupt:
        hands = _Hands(private, interrupt, on_event)
        try:
            done = ansible_runner.run(
                **_arguments(checkout, job, private),
                event_handler=hands.event,
                cancel_callback=hands.stop_wanted,
            )
        except BaseException:
            children.end(private)
            raise
        if hands.trouble:
            raise HostproofError(
                f"the run was stopped, since its record could not be written: {hands.trouble}",
                where=str(checkout.runs),
                mend="Mend that, then run the same command again.",
            ) from hands.trouble
        timed_out = done.status == "timeout"
        if interrupt.asked or timed_out:
            return Finished(int(done.rc), interrupt.asked, timed_out, tuple(children.end(private)))
        children.end_ssh_masters(f"{private}/{CONTROL_FOLDER}")
    return Finished(int(done.rc))


class _Hands:
    """What ansible-runner calls back: with each event, and once a second to ask whether to stop."""

    def __init__(self, private: str, interrupt: Interrupt, on_event: Callable[[Event], None]) -> None:
        self._private = private
        self._interrupt = interrupt
        self._on_event = on_event
        self.trouble: OSError | None = None

    def event(self, event: Event) -> bool:
        try:
            self._on_event(event)
        except OSError as error:
            # ansible-runner would let it go with a debug line, and the rest of the run with it.
            self.trouble = error
        return False  # no file of it beside our own record

    def stop_wanted(self) -> bool:
        if self._interrupt.asked or self.trouble:
            children.end(self._private)
            return True
        return False


def _private_folder() -> tempfile.TemporaryDirectory[str]:
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= LONGEST_TEMPORARY else "/tmp"
    return tempfile.TemporaryDirectory(prefix="hostproof-", dir=short)


def _arguments(checkout: Checkout, job: Job, private: str) -> dict[str, Any]:
    return {
        "private_data_dir": private,
        "project_dir": str(checkout.root),
        "playbook": str(job.playbook),
        "inventory": checkout.inventory(),
        "limit": ",".join(job.hosts),
        "extravars": dict(job.extra),
        "cmdline": "--check --diff" if job.check else "--diff",
        "tags": ",".join(job.tags) or None,
        "quiet": True,
        "timeout": job.limit_seconds,
        "settings": {"pexpect_timeout": POLL_SECONDS},
        "envvars": {
            "ANSIBLE_CONFIG": str(checkout.config),
            # ansible-playbook's siblings (ansible-connection, …) must be those of this environment.
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            # A folder of our own, so that its connections can be closed and no other run's are touched.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{private}/{CONTROL_FOLDER}",
            "ANSIBLE_NOCOLOR": "1",
            # ansible-runner turns host key checking off for everybody who does not insist.
            "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
            children.MARK: private,
        },
    }
