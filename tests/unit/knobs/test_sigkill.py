"""A process of its own, killed with SIGKILL at chosen deeds and at a moment that nobody chose."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hostproof.shared import engine, undoing
from tests.unit.knobs import wanted
from tests.unit.knobs.fake_host import FakeHost, everything, make

ROOT = Path(__file__).parents[3]
VICTIM = """
import os, signal, sys, time
from pathlib import Path
from hostproof.shared import engine, undoing
from tests.unit.knobs.fake_host import FakeHost
from tests.unit.knobs.wanted import EVERYTHING

host, which, number = FakeHost(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
def watch(now, moment):
    if moment == "after" and now == number:
        os.kill(os.getpid(), signal.SIGKILL)
    if number < 0:
        time.sleep(0.01)
host.watch = watch
print("started", flush=True)
engine.apply(host, EVERYTHING, "victim") if which == "apply" else undoing.undo(host, "victim")
"""


def start(root: Path, which: str, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(root), which, str(number)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [2, 61, 128, 190, 240])
def test_sigkill_in_apply_is_undone(tmp_path: Path, number: int) -> None:
    host = make(tmp_path)
    before = everything(host)
    assert start(tmp_path, "apply", number).wait(30) == -signal.SIGKILL
    undoing.undo(FakeHost(tmp_path), "after")
    assert everything(host) == before


@pytest.mark.parametrize("number", [3, 70, 120])
def test_sigkill_in_undo_is_finished(tmp_path: Path, number: int) -> None:
    host = make(tmp_path)
    before = everything(host)
    engine.apply(host, wanted.EVERYTHING, "before")
    assert start(tmp_path, "undo", number).wait(30) == -signal.SIGKILL
    undoing.undo(FakeHost(tmp_path), "after")
    assert everything(host) == before


@pytest.mark.parametrize("seconds", [0.2, 0.9])
def test_sigkill_at_any_moment_is_undone_and_frees_the_lock(tmp_path: Path, seconds: float) -> None:
    host = make(tmp_path)
    before = everything(host)
    victim = start(tmp_path, "apply", -1)
    assert victim.stdout is not None and victim.stdout.readline() == "started\n"
    time.sleep(seconds)
    victim.kill()
    assert victim.wait(30) == -signal.SIGKILL
    undoing.undo(FakeHost(tmp_path), "after")
    assert everything(host) == before
