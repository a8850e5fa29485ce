from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostproof.shared import runlock
from hostproof.shared.runlock import Holder, Session
from tests.unit.plugins.fake_proc import BOOT, boot_id, process

ME = Holder("run-2", "me@here:1", "2026-11-24T12:00:00Z", BOOT, Session(20, 2))
OTHER = Holder("run-1", "you@there:2", "2026-11-24T11:00:00Z", BOOT, Session(30, 3))


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Both sessions live."""
    folder = tmp_path / "proc"
    boot_id(folder)
    process(folder, 20, 1, "sshd", started=2)
    process(folder, 30, 1, "sshd", started=3)
    return folder


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "run/hostproof/run.lock"


def taken_by(lock: Path, holder: Holder) -> None:
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(runlock.render(holder), encoding="utf-8")


def test_a_free_lock_is_taken_and_released(lock: Path, proc: Path) -> None:
    assert runlock.take(lock, ME, proc=proc).kind == "free"
    assert runlock.parse(lock.read_text()) == ME
    assert lock.stat().st_mode & 0o777 == 0o644
    assert runlock.release(lock, ME, proc=proc).kind == "ours"
    assert not lock.exists()


def test_what_lies_beside_the_lock_is_told_by_name(lock: Path, proc: Path) -> None:
    assert runlock.notes(lock) == []
    runlock.take(lock, ME, proc=proc)
    (lock.parent / "measure").mkdir()
    assert runlock.notes(lock) == []
    (lock.parent / "ab-found.json").write_text("{}", encoding="utf-8")
    assert runlock.notes(lock) == ["ab-found.json"]


def test_another_living_run_keeps_its_lock(lock: Path, proc: Path) -> None:
    taken_by(lock, OTHER)
    found = runlock.take(lock, ME, proc=proc)
    assert found.kind == "held"
    assert runlock.parse(lock.read_text()) == OTHER
    said = runlock.refusal(found, lock)
    for part in ("run-1", "you@there:2", "2026-11-24T11:00:00Z", str(lock), "session 30"):
        assert part in said


def test_a_run_whose_session_is_gone_loses_its_lock(lock: Path, proc: Path) -> None:
    taken_by(lock, dataclasses.replace(OTHER, session=Session(30, 2)))  # pid 30 is another process by now
    found = runlock.take(lock, ME, proc=proc)
    assert (found.kind, found.why) == ("stale", "its ssh session is gone")
    assert runlock.parse(lock.read_text()) == ME


def test_the_same_controller_takes_over(lock: Path, proc: Path) -> None:
    taken_by(lock, dataclasses.replace(OTHER, controller_id=ME.controller_id))
    assert runlock.take(lock, ME, proc=proc).why == "the same controller asks again"


def test_controllers_without_a_name_are_not_the_same(lock: Path, proc: Path) -> None:
    taken_by(lock, dataclasses.replace(OTHER, controller_id=""))
    assert runlock.take(lock, dataclasses.replace(ME, controller_id=""), proc=proc).kind == "held"


def test_without_a_session_nothing_says_that_a_run_is_dead(lock: Path, proc: Path) -> None:
    taken_by(lock, dataclasses.replace(OTHER, session=None))
    assert runlock.take(lock, ME, proc=proc).kind == "held"


def test_a_lock_of_an_earlier_boot_does_not_count(lock: Path, proc: Path) -> None:
    taken_by(lock, dataclasses.replace(OTHER, boot_id="another"))
    assert runlock.take(lock, ME, proc=proc).why == "the host was booted since"


def test_force_takes_a_held_lock(lock: Path, proc: Path) -> None:
    taken_by(lock, OTHER)
    assert runlock.take(lock, ME, force=True, proc=proc).kind == "held"
    assert runlock.parse(lock.read_text()) == ME


def test_another_run_cannot_release_ours(lock: Path, proc: Path) -> None:
    taken_by(lock, OTHER)
    assert runlock.release(lock, ME, proc=proc).kind == "held"
    assert lock.exists()
    runlock.release(lock, ME, force=True, proc=proc)
    assert not lock.exists()


def test_releasing_what_nobody_took_makes_nothing(lock: Path, proc: Path) -> None:
    assert runlock.release(lock, ME, proc=proc).kind == "free"
    assert not lock.parent.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"schema": "other/1"})])
def test_a_file_that_is_no_lock_is_never_guessed_at(lock: Path, proc: Path, text: str) -> None:
    lock.parent.mkdir(parents=True)
    lock.write_text(text)
    with pytest.raises(runlock.UnreadableError):
        runlock.take(lock, ME, proc=proc)
    assert lock.read_text() == text
    assert runlock.take(lock, ME, force=True, proc=proc).kind == "stale"


def test_of_many_that_find_a_stale_lock_one_gets_it(lock: Path, proc: Path) -> None:
    taken_by(lock, dataclasses.replace(OTHER, boot_id="another"))
    asking = [Holder(f"asker-{n}", f"controller-{n}", "now", BOOT, Session(20, 2)) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        kinds = list(pool.map(lambda one: runlock.take(lock, one, proc=proc).kind, asking))
    assert sorted(kinds) == ["held"] * 7 + ["stale"]


def test_me_is_described_from_proc(tmp_path: Path) -> None:
    boot_id(tmp_path)
    me = runlock.describe_me("run", "controller", "now", tmp_path)
    assert me == Holder("run", "controller", "now", BOOT, None)
