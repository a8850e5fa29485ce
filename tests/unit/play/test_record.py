"""runs/<run id>/ holds the run, however it ended."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import record

from . import reading

START = "2026-11-24T15:18:52+00:00"


def a_run(task: str = "provision", start: str = START) -> record.Run:
    return record.Run(
        record.run_id(task, ["h1"], start), task, {"host": ["h1"]}, ("h1",), {"python": "3"}, {}, start
    )


def test_the_run_id_is_time_task_and_host() -> None:
    assert record.run_id("validate", ["epyc01"], START) == "20261124T151852Z-validate-epyc01"
    assert record.run_id("plan", ["a", "b", "c"], START) == "20261124T151852Z-plan-a+2"


def test_a_good_run_leaves_record_events_log_and_diffs(tmp_path: Path) -> None:
    with record.opened(tmp_path, a_run()) as book:
        for event in reading.events("mixed"):
            book.add(event)
        book.say("[00:01]   changed: Write a file")
        book.end(ExitStatus.COULD_NOT, "it failed", reading.progress("mixed"), interrupted=False)
    folder = tmp_path / "latest"
    run = record.load(folder)
    assert run is not None
    assert (run.exit_status, run.sentence, run.interrupted) == (1, "it failed", False)
    assert run.counts["h1"]["changed"] == 3
    assert len((folder / "events.jsonl").read_text().splitlines()) == len(reading.events("mixed"))
    assert (folder / "log.txt").read_text() == "[00:01]   changed: Write a file\n"
    assert "+one" in (folder / "changes.diff").read_text().splitlines()


def test_a_run_in_progress_has_a_record_without_an_end(tmp_path: Path) -> None:
    with record.opened(tmp_path, a_run()) as book:
        run = record.load(book.folder)
        assert run is not None
        assert (run.end, run.exit_status) == ("", None)
        book.end(ExitStatus.YES, "done", reading.progress("mixed"), interrupted=False)


def test_a_crash_is_written_down_as_one(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), record.opened(tmp_path, a_run()):
        raise RuntimeError("boom")
    run = record.load(tmp_path / "latest")
    assert run is not None
    assert (run.exit_status, run.interrupted) == (1, True)


def test_a_refusal_is_written_down_with_its_sentence(tmp_path: Path) -> None:
    refusal = HostproofError("playbook is missing", where="playbooks", mend="Fetch it.")
    with pytest.raises(HostproofError), record.opened(tmp_path, a_run()):
        raise refusal
    run = record.load(tmp_path / "latest")
    assert run is not None
    assert (run.sentence, run.interrupted) == ("playbook is missing (playbooks). Fetch it.", False)


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    for second in ("10", "20"):
        with record.opened(tmp_path, a_run(start=f"2026-11-24T15:18:{second}+00:00")):
            pass
    assert (tmp_path / "latest").readlink() == Path("20261124T151820Z-provision-h1")
    assert [run.start[-8:-6] for _folder, run in record.past(tmp_path)] == ["20", "10"]


def test_foreign_and_damaged_folders_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "20261124T151820Z-plan-h1").mkdir()
    (tmp_path / "20261124T151821Z-plan-h1").mkdir()
    (tmp_path / "20261124T151821Z-plan-h1" / "run.json").write_text('{"schema": "hostproof.run/1", "odd": 1}')
    (tmp_path / "20261124T151822Z-plan-h1").mkdir()
    (tmp_path / "20261124T151822Z-plan-h1" / "run.json").write_text("{")
    assert list(record.past(tmp_path)) == []
    assert list(record.past(tmp_path / "nowhere")) == []


def test_the_git_state_is_commit_and_dirt(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    assert record.git_state(tmp_path) == {}
    git("init")
    git("commit", "--allow-empty", "-m", "first")
    clean = record.git_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "new").touch()
    assert record.git_state(tmp_path) == {"commit": clean["commit"], "dirty": True}


def test_run_json_is_plain_json_with_a_schema(tmp_path: Path) -> None:
    with record.opened(tmp_path, a_run()) as book:
        book.end(ExitStatus.YES, "done", reading.progress("mixed"), interrupted=False)
    raw = json.loads((tmp_path / "latest" / "run.json").read_text())
    assert raw["schema"] == "hostproof.run/1"
    assert raw["hosts"] == ["h1"]
