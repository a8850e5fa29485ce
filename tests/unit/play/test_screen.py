"""The live picture, drawn into a text."""

from __future__ import annotations

import io

from rich.console import Console, Group

from hostproof.play.events import fold
from hostproof.play.screen import Screen, picture

from . import reading


def drawn(upto: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(Group(*picture(fold(reading.events("mixed")[:upto]), task_seconds=65)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_shows_role_and_task_in_hand_with_the_time_of_the_task() -> None:
    assert "alpha · Start the server  01:05" in drawn()


def test_it_shows_the_counts_of_each_host() -> None:
    assert next(line for line in drawn().split("\n") if line.strip().startswith("h1")).split() == (
        ["h1", "7", "ok", "3", "changed", "1", "failed", "0", "unreachable", "1", "skipped"]
    )


def test_it_shows_the_last_changes_and_failures() -> None:
    assert "changed alpha · Loop over two" in drawn()
    assert "failed  Start the server: the server died at start; its last lines:" in drawn()


def test_it_shows_the_progress_of_a_wait() -> None:
    retried = next(n for n, e in enumerate(reading.events("mixed")) if e["event"] == "runner_retry")
    assert "cell decode run 1" in drawn(retried + 1)


def test_it_draws_before_anything_has_happened() -> None:
    assert drawn(0).strip() == ""


def test_the_live_screen_leaves_no_trace_when_it_ends() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Screen(console, "provision h1") as screen:
        for event in reading.events("mixed"):
            screen.show(fold([event]), event)
    assert isinstance(console.file, io.StringIO)
    assert "provision h1" in console.file.getvalue()
    assert console.file.getvalue().endswith("\x1b[2K"), "the picture is wiped, the summary takes its place"
