"""The run as lines of a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.play.checkout import Checkout
from hostproof.play.events import Progress, step
from hostproof.play.plain import PlainLog, clock

from . import reading


def lines(run: str, *, check: bool = False) -> list[str]:
    said: list[str] = []
    log = PlainLog(Checkout(Path("/checkout")), said.append, check=check)
    progress = Progress()
    for event in reading.events(run):
        progress = step(progress, event)
        log.show(progress, event)
    return said


def test_a_run_reads_as_role_changes_progress_and_failures() -> None:
    assert lines("mixed") == [
        "[00:00] alpha",
        "[00:02]   changed: Write a file",
        "[00:02]   changed: Keep a secret",
        "[00:03]   … cell decode run 1",
        "[00:09]   changed: Loop over two",
        "[00:10]   failed: Fail on purpose on h1 (roles/alpha/tasks/main.yml:28)",
        "[00:10]     exit status 1 of `false`",
        "[00:15]   failed: Start the server on h1 (roles/alpha/tasks/main.yml:39)",
        "[00:15]     the server died at start; its last lines:",
    ]


def test_a_dry_run_says_would() -> None:
    assert "[00:02]   would change: Write a file" in lines("mixed", check=True)


def test_an_unreachable_host_is_one_failure() -> None:
    assert lines("refused") == [
        "[00:00]   unreachable: Ask for its name on refused (playbooks/provision.yml:5)",
        "[00:00]     ssh: connect to host 127.0.0.1 port 22623: Connection refused",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "00:00"), (59.9, "00:59"), (61, "01:01"), (3725, "1:02:05")]
)
def test_the_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
