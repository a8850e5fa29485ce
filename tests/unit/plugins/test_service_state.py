"""What `systemctl show` of systemd 257 said of real units, in `recorded/systemctl-show`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hostproof.shared import service_state
from hostproof.shared.service_state import Service

RECORDED = Path(__file__).parent / "recorded" / "systemctl-show"
NAMES = sorted(path.stem for path in RECORDED.iterdir())
BEGAN = datetime(2026, 11, 25, 2, 43, 47, 508737, UTC).timestamp()


def service(name: str) -> Service:
    return service_state.parse((RECORDED / f"{name}.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_every_property_that_is_asked_for_is_answered(name: str) -> None:
    answered = {line.partition("=")[0] for line in (RECORDED / f"{name}.txt").read_text().splitlines()}
    assert answered == set(service_state.PROPERTIES)


def test_a_running_service() -> None:
    found = service("running")
    assert (found.there, found.runs, found.gave_up, found.needs_reload) == (True, True, False, False)
    assert found.began == pytest.approx(BEGAN, abs=1e-6)


def test_only_the_changed_file_asks_for_a_reload() -> None:
    assert [name for name in NAMES if service(name).needs_reload] == ["running-file-changed"]


def test_which_ones_gave_up() -> None:
    gave_up = {name for name in NAMES if service(name).gave_up}
    assert gave_up == {"exit-3", "no-program", "killed", "start-timeout", "auto-restart"}


def test_which_ones_run() -> None:
    assert {name for name in NAMES if service(name).runs} == {"running", "running-file-changed", "oneshot"}


def test_only_a_unit_that_systemd_knows_is_there() -> None:
    assert [name for name in NAMES if not service(name).there] == ["no-unit"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("exit-3", "exit-code, status 3"),
        ("no-program", "exit-code, status 203"),
        ("killed", "signal, signal 9"),
        ("start-timeout", "timeout, signal 15"),
    ],
)
def test_how_it_ended_is_told(name: str, told: str) -> None:
    assert service(name).status == told


@pytest.mark.parametrize("name", ["stopped", "no-unit"])
def test_one_that_never_began(name: str) -> None:
    assert service(name).began == 0


def test_an_empty_answer_is_a_service_that_is_not_there() -> None:
    found = service_state.parse("")
    assert (found.there, found.runs, found.gave_up, found.began) == (False, False, False, 0)


@pytest.mark.parametrize(
    ("name", "newest", "wanted", "action"),
    [
        ("running", BEGAN - 1, "started", "none"),
        ("running", BEGAN + 1, "started", "restart"),
        ("running", 0, "stopped", "stop"),
        ("stopped", 0, "started", "start"),
        ("stopped", BEGAN, "stopped", "none"),
        ("exit-3", 0, "started", "restart"),
        ("exit-3", 0, "stopped", "stop"),
        ("auto-restart", 0, "started", "restart"),
        ("auto-restart", 0, "stopped", "stop"),
        ("no-unit", 0, "stopped", "none"),
    ],
)
def test_what_is_to_be_done(name: str, newest: float, wanted: str, action: str) -> None:
    assert service_state.action(service(name), wanted, newest) == action


def test_the_end_of_a_log() -> None:
    journal = "".join(f"line {number}\n\n" for number in range(100))
    assert service_state.log_tail(journal, lines=2) == "line 98\nline 99"
    assert service_state.log_tail("x" * 500, width=10) == "x" * 10 + "…"
    assert service_state.log_tail("\n \n") == "(its log is empty)"


def test_one_that_still_starts_is_left_to_it_unless_its_files_changed_since() -> None:
    shown = "LoadState=loaded\nActiveState=activating\nSubState=start\nExecMainStartTimestamp=Wed 2026-11-25 02:00:00.000000 UTC\n"
    service = service_state.parse(shown)
    assert service_state.action(service, "started", service.began - 1) == "none"
    assert service_state.action(service, "started", service.began + 1) == "restart"
