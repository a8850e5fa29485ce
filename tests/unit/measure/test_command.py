"""The command line, as a process of its own: statuses, sentences, signals, one measurement at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostproof.measure import lock
from hostproof.measure.errors import ConfigError, HostBusy
from hostproof.measure.result import from_json

from . import build
from .conftest import Serve
from .mock_server import Mock

LIMIT = 60


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "hostproof.measure", *arguments, "--config", str(folder / "c.json")]


def measuring(folder: Path) -> list[str]:
    out, locking = str(folder / "r.json"), str(folder / "lock")
    return [*command(folder, "measure"), "--out", out, "--lock", locking, "--events", str(folder / "e.jsonl")]


def write(folder: Path, mock: Mock, **changes: Any) -> None:
    raw = build.config(**{"server": build.server(url=mock.url), **changes})
    (folder / "c.json").write_text(json.dumps(raw), encoding="utf-8")


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT, check=False)


def test_measure_writes_a_result_and_an_event_a_run(serve: Serve, tmp_path: Path) -> None:
    write(tmp_path, serve())
    done = run(measuring(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert from_json((tmp_path / "r.json").read_text()).run_id == "run-1"
    events = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [(e["cell"], e["run"], e["warmup"]) for e in events] == [
        ("decode", 1, True),
        ("decode", 1, False),
        ("decode", 2, False),
    ]
    assert "cell decode run 2/2: " in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.json", "e.jsonl", "lock", "r.json"]


def test_ready_answers_yes_or_the_last_reason(serve: Serve, tmp_path: Path) -> None:
    write(tmp_path, serve())
    done = run([*command(tmp_path, "ready"), "--timeout", "20"])
    assert (done.returncode, done.stderr) == (0, "")
    write(tmp_path, serve(loading=10_000))
    done = run([*command(tmp_path, "ready"), "--timeout", "0.5"])
    assert done.returncode == 1
    assert "the last reason: loading (HTTP 503" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_configuration_is_one_sentence(serve: Serve, tmp_path: Path) -> None:
    write(tmp_path, serve(), workload=build.workload(sells=1))
    done = run(measuring(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("hostproof: workload.sells: unknown key")
    assert done.stderr.count("\n") == 1


def test_a_result_that_cannot_be_written_is_one_sentence(serve: Serve, tmp_path: Path) -> None:
    write(tmp_path, serve())
    arguments = measuring(tmp_path)
    arguments[arguments.index("--out") + 1] = str(tmp_path / "none" / "r.json")
    done = run(arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_leaves_no_half_result(
    serve: Serve, tmp_path: Path, kind: signal.Signals
) -> None:
    write(tmp_path, serve(ttft=30.0))
    with subprocess.Popen(
        measuring(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("check answers"), "it had not begun"
        process.send_signal(kind)
        _, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert stderr == "hostproof: stopped by a signal; no result was written\n"
    assert not [p.name for p in tmp_path.iterdir() if "r.json" in p.name]


def test_a_second_measurement_is_told_who_measures_since_when(serve: Serve, tmp_path: Path) -> None:
    write(tmp_path, serve())
    with lock.held(tmp_path / "lock", "first-run"):
        done = run(measuring(tmp_path))
    assert done.returncode == 1
    assert f"being measured already: run first-run, process {os.getpid()}, since 20" in done.stderr
    assert run(measuring(tmp_path)).returncode == 0, "the lock is free again"


def test_a_lock_nobody_signed_is_still_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.held(path, "first"):
        path.write_text("")
        with pytest.raises(HostBusy, match="has not signed"), lock.held(path, "second"):
            pytest.fail("two measure")


def test_a_lock_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the lock cannot be opened"), lock.held(tmp_path / "no" / "l", "x"):
        pytest.fail("locked nothing")
