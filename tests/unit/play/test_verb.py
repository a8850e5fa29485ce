"""The wrapper of every task, apart from what test_tasks.py sees of it."""

from __future__ import annotations

import os
import signal

import pytest

from hostproof.exits import ExitStatus
from hostproof.play.ending import Ending
from hostproof.play.verb import guarded, names_in


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stop_signal_unwinds_and_cleans_up(number: int) -> None:
    cleaned: list[bool] = []

    def call() -> Ending:
        try:
            os.kill(os.getpid(), number)
        finally:
            cleaned.append(True)
        return Ending(ExitStatus.YES, "not stopped")

    before = signal.getsignal(number)
    assert guarded(call) == Ending(ExitStatus.COULD_NOT, "interrupted.")
    assert cleaned == [True]
    assert signal.getsignal(number) is before


def test_a_bug_keeps_its_traceback() -> None:
    def call() -> Ending:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(call)


def test_names_between_commas() -> None:
    assert names_in(" a,b ,, ") == ["a", "b"]
    assert names_in("") == []
