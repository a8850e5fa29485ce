"""What a run started is found by its mark and ended, whatever group or tree it left."""

from __future__ import annotations

import os
import subprocess
import sys

from hostproof.play import children

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def started(program: str, mark: str, *words: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        env={**os.environ, children.MARK: mark},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    return child


def test_a_child_in_a_session_of_its_own_is_ended() -> None:
    child = started(SLEEP, "/tmp/mark-one")
    assert children.end("/tmp/mark-one") == []
    assert child.wait(timeout=5) == -15, "pexpect, not we, must find the exit status"


def test_a_child_that_ignores_the_request_is_killed(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(children, "POLITE_SECONDS", 0.2)
    child = started(STUBBORN, "/tmp/mark-two")
    assert children.end("/tmp/mark-two") == []
    assert child.wait(timeout=5) == -9


def test_one_that_overwrote_its_environment_is_found_by_its_command_line() -> None:
    child = started(SLEEP, "", "/tmp/mark-three/cp/abc [mux]")
    assert [process.pid for process in children.marked("/tmp/mark-three")] == [child.pid]
    children.end_ssh_masters("/tmp/mark-three/cp")
    assert child.wait(timeout=5) == -15


def test_another_runs_processes_are_left_alone() -> None:
    child = started(SLEEP, "/tmp/mark-four")
    assert children.end("/tmp/mark-fou") == []
    assert child.poll() is None
    child.kill()
    child.wait(timeout=5)


def test_nothing_to_end_is_fine() -> None:
    assert children.end("/tmp/mark-none") == []
