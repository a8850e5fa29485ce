from __future__ import annotations

import os
from pathlib import Path

import pytest

from hostproof.shared import processes
from tests.unit.plugins.fake_proc import process


def test_a_name_with_spaces_and_parentheses_does_not_shift_the_fields(tmp_path: Path) -> None:
    process(tmp_path, 42, 7, "a (b) c", started=900)
    assert processes.read(42, tmp_path) == processes.Process(42, 7, "a (b) c", 900)


def test_the_real_proc_is_read() -> None:
    me = processes.read(os.getpid())
    assert me is not None
    assert me.parent == os.getppid()
    assert processes.lives(me.pid, me.started)


@pytest.mark.parametrize("name", ["sshd", "sshd-session"])
def test_the_nearest_ssh_process_is_the_session(tmp_path: Path, name: str) -> None:
    process(tmp_path, 1, 0, "systemd")
    process(tmp_path, 10, 1, "sshd", started=1)  # the listener, which outlives every session
    process(tmp_path, 20, 10, name, started=2)
    process(tmp_path, 30, 20, "sudo")
    process(tmp_path, 40, 30, "python3")
    session = processes.session_of(40, tmp_path)
    assert session is not None
    assert (session.pid, session.started) == (20, 2)


def test_without_ssh_there_is_no_session(tmp_path: Path) -> None:
    process(tmp_path, 1, 0, "systemd")
    process(tmp_path, 40, 1, "python3")
    assert processes.session_of(40, tmp_path) is None


def test_a_pid_that_was_given_to_another_process_is_not_the_one_that_was(tmp_path: Path) -> None:
    process(tmp_path, 20, 1, "sshd", started=2)
    assert processes.lives(20, 2, tmp_path)
    assert not processes.lives(20, 1, tmp_path)
    assert not processes.lives(21, 2, tmp_path)
