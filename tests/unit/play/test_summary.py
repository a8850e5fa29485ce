"""What stays on the screen after a run."""

from __future__ import annotations

from pathlib import Path

from hostproof.play import summary
from hostproof.play.checkout import Checkout
from hostproof.play.events import Counts, Progress, Warned

from . import reading

CHECKOUT = Checkout(Path("/checkout"))


def test_changes_are_told_per_role() -> None:
    assert list(summary.changes(reading.progress("mixed"), check=False)) == [
        "alpha: 3 changed",
        "  Write a file",
        "  Keep a secret",
        "  Loop over two",
    ]


def test_a_plan_shows_the_diffs() -> None:
    lines = list(summary.changes(reading.progress("mixed"), check=True))
    assert lines[:2] == ["alpha: 3 would change", "  Write a file"]
    assert "    +a" in lines


def test_nothing_changed_says_nothing() -> None:
    assert list(summary.changes(Progress(), check=False)) == []


def test_a_failure_has_task_message_and_place() -> None:
    assert list(summary.failures(CHECKOUT, reading.progress("mixed"))) == [
        "FAILED on h1: alpha : Start the server",
        "  the server died at start; its last lines:",
        "  line one",
        "  line two",
        "  at roles/alpha/tasks/main.yml:39",
    ]


def test_an_unreachable_host_has_cause_and_mend() -> None:
    lines = list(summary.failures(CHECKOUT, reading.progress("wrongkey")))
    assert lines[0] == "UNREACHABLE on wrongkey: Ask for its name"
    assert "  cause: ssh was refused: wrong key or wrong user" in lines
    assert any(line.startswith("  mend:  Check the host's ansible_user") for line in lines)


def test_ansibles_own_error_is_shown_with_its_place() -> None:
    lines = list(summary.failures(CHECKOUT, reading.progress("missing_role")))
    assert lines[0].startswith("[ERROR]: the role 'nosuchrole' was not found")
    assert lines[1] == "Origin: /checkout/playbooks/provision.yml:3:11"
    assert summary.first_complaint(reading.progress("missing_role")).startswith(
        "the role 'nosuchrole' was not found"
    )


def test_totals_are_one_line_a_host() -> None:
    assert list(summary.totals(reading.progress("mixed"))) == ["h1: 7 ok, 3 changed, 1 skipped, 1 failed"]
    assert list(summary.totals(reading.progress("refused"))) == [
        "refused: 0 ok, 0 changed, 0 skipped, unreachable"
    ]


def test_a_warning_of_several_hosts_is_one_line_that_names_them() -> None:
    warned = (Warned("h1", "tuning", "no clock"), Warned("h2", "tuning", "no clock"), Warned("h2", "", "old"))
    both = Progress(counts={"h1": Counts(), "h2": Counts()}, warnings=warned)
    assert list(summary.warnings(both)) == ["note on h1, h2: tuning: no clock", "note on h2: old"]
    one = Progress(counts={"h1": Counts()}, warnings=warned[:1])
    assert list(summary.warnings(one)) == ["note: tuning: no clock"]
