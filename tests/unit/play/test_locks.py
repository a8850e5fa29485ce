"""One run a host at a time; a lock dies with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.play import locks


def test_a_second_run_of_the_host_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with (
        locks.held(tmp_path, ["a"], "first", "12:00"),
        pytest.raises(HostproofError) as caught,
        locks.held(tmp_path, ["b", "a"], "second", "12:01"),
    ):
        pytest.fail("the second run got the lock")
    assert "host a is held by another run" in str(caught.value)
    assert f"run first, process {os.getpid()}, since 12:00" in str(caught.value)


def test_a_refused_run_lets_go_of_what_it_already_had(tmp_path: Path) -> None:
    with locks.held(tmp_path, ["b"], "first", "12:00"):
        with pytest.raises(HostproofError), locks.held(tmp_path, ["a", "b"], "second", "12:01"):
            pytest.fail("the second run got the lock")
        with locks.held(tmp_path, ["a"], "third", "12:02"):
            pass


def test_other_hosts_are_free(tmp_path: Path) -> None:
    with locks.held(tmp_path, ["a"], "first", "12:00"), locks.held(tmp_path, ["b"], "second", "12:00"):
        pass


def test_the_lock_is_free_again_after_a_run_that_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), locks.held(tmp_path, ["a"], "first", "12:00"):
        raise ValueError("boom")
    with locks.held(tmp_path, ["a"], "second", "12:01"):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path; from hostproof.play import locks\n"
        "with locks.held(Path(sys.argv[1]), ['a'], 'dead', '12:00'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -9
    with locks.held(tmp_path, ["a"], "next", "12:01"):
        pass


def test_an_unreadable_holder_is_still_a_refusal(tmp_path: Path) -> None:
    with locks.held(tmp_path, ["a"], "first", "12:00"):
        (tmp_path / "a.lock").write_text("{")
        with (
            pytest.raises(HostproofError, match="only just started"),
            locks.held(tmp_path, ["a"], "second", "12:01"),
        ):
            pytest.fail("the second run got the lock")
