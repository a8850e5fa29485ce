"""How the instrument is started as a unit, and what the unit's state means."""

from __future__ import annotations

import pytest

from hostproof.shared import measuring


@pytest.mark.parametrize(
    ("load", "active", "sub", "result", "kind"),
    [
        ("loaded", "activating", "start", "success", "runs"),
        ("loaded", "active", "running", "success", "runs"),
        ("loaded", "deactivating", "stop-sigterm", "success", "runs"),
        ("loaded", "active", "exited", "success", "done"),
        ("loaded", "failed", "failed", "exit-code", "failed"),
        ("loaded", "failed", "failed", "timeout", "failed"),
        ("loaded", "inactive", "dead", "success", "gone"),
        ("not-found", "inactive", "dead", "success", "gone"),
    ],
)
def test_the_unit_s_state(load: str, active: str, sub: str, result: str, kind: str) -> None:
    shown = f"LoadState={load}\nActiveState={active}\nSubState={sub}\nResult={result}\n"
    assert measuring.state(measuring.pairs(shown)).kind == kind


def test_a_hanging_one_is_told_apart_from_a_silent_one() -> None:
    failed = {"LoadState": "loaded", "ActiveState": "failed"}
    assert "longer than its deadline" in measuring.state({**failed, "Result": "timeout"}).why
    assert "without a word" in measuring.state({**failed, "Result": "exit-code"}).why


def test_systemd_ends_one_that_hangs_but_not_before_its_own_deadline() -> None:
    command = measuring.command("/usr/bin/python3", "/opt/hostproof/hostproof.pyz", "/run/x", 600.0)
    limit = next(word for word in command if word.startswith("--property=RuntimeMaxSec="))
    assert int(limit.rpartition("=")[2]) > 600
    assert command[command.index("/opt/hostproof/hostproof.pyz") :][1:] == [
        "measure",
        "--config=/run/x/config.json",
        "--out=/run/x/result.json",
        "--telemetry=/run/x/telemetry.jsonl.gz",
        "--chunks=/run/x/chunks.jsonl.gz",
    ]
    assert f"--unit={measuring.UNIT}" in command


def test_the_last_line_of_progress() -> None:
    assert measuring.last_line("a\n b \n\n") == "b"
    assert measuring.last_line("") == ""
