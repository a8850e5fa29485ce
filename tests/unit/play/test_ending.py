"""What became of a run, as an exit status and a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.judge.model import Outcome
from hostproof.play import ending
from hostproof.play.events import Counts, Failure, Progress, Task
from hostproof.play.runner import Finished

from . import reading

GOOD = Finished(0)
UNCHANGED = Progress(counts={"h1": Counts(ok=9)}, finished=True)
CHANGED = Progress(counts={"h1": Counts(ok=9, changed=4)}, finished=True)
VERDICT = Failure("h1", Task("validation", "Judge", "", "hostproof.core.verdict"), "below", unreachable=False)
SERVER = Failure(
    "h1", Task("validation", "Start", "", "ansible.builtin.systemd_service"), "died", unreachable=False
)


def test_a_second_provision_says_that_nothing_changed() -> None:
    made = ending.of_provision(GOOD, UNCHANGED)
    assert made == ending.Ending(ExitStatus.YES, "0 changed: host is as wanted.")


def test_a_first_provision_says_how_much_changed() -> None:
    assert ending.of_provision(GOOD, CHANGED).sentence == "4 changed: host is now as wanted."


def test_a_boot_that_is_pending_is_said_with_how_to_go_on() -> None:
    made = ending.of_provision(GOOD, replace(CHANGED, reboots=frozenset({"h1"})))
    assert made == ending.Ending(
        ExitStatus.YES,
        "4 changed: host is now as wanted, but for a boot that is pending. "
        "`./inv provision --host h1 --allow-reboot` boots once; so does whoever boots it by hand.",
    )


def test_a_plan_with_nothing_but_a_boot_is_a_no() -> None:
    made = ending.of_plan(GOOD, replace(UNCHANGED, reboots=frozenset({"h1"})))
    assert made == ending.Ending(
        ExitStatus.NO, "0 changes pending; nothing was written. h1 would need a boot."
    )


def test_pending_changes_are_a_no() -> None:
    assert ending.of_plan(GOOD, CHANGED).status is ExitStatus.NO
    assert ending.of_plan(GOOD, UNCHANGED).status is ExitStatus.YES


@pytest.mark.parametrize("judge", [ending.of_provision, ending.of_plan])
@pytest.mark.parametrize(
    ("finished", "progress", "part"),
    [
        (Finished(254, interrupted=True), UNCHANGED, "interrupted"),
        (Finished(254, timed_out=True), UNCHANGED, "time limit"),
        (Finished(2), reading.progress("mixed"), "'Start the server' failed on h1"),
        (
            Finished(4),
            reading.progress("wrongkey"),
            "wrongkey is unreachable (ssh was refused: wrong key or wrong user)",
        ),
        (Finished(4), reading.progress("broken_playbook"), "YAML parsing failed"),
        (Finished(250), UNCHANGED, "ended with 250"),
        (GOOD, Progress(), "reached no host"),
    ],
)
def test_trouble_is_could_not(judge, finished: Finished, progress: Progress, part: str) -> None:  # type: ignore[no-untyped-def]
    made = judge(finished, progress)
    assert made.status is ExitStatus.COULD_NOT
    assert part in made.sentence


@pytest.mark.parametrize(
    ("rc", "failures", "verdict", "status"),
    [
        (0, (), Outcome.PROVEN, ExitStatus.YES),
        (2, (VERDICT,), Outcome.BELOW, ExitStatus.NO),
        (2, (VERDICT,), Outcome.INCONCLUSIVE, ExitStatus.INCONCLUSIVE),
        (2, (VERDICT,), Outcome.UNMEASURED, ExitStatus.COULD_NOT),
        # A verdict beside a server that never started is half an answer.
        (2, (VERDICT, SERVER), Outcome.BELOW, ExitStatus.COULD_NOT),
        (2, (SERVER,), Outcome.PROVEN, ExitStatus.COULD_NOT),
        (2, (), Outcome.PROVEN, ExitStatus.COULD_NOT),
        (0, (), None, ExitStatus.COULD_NOT),
    ],
)
def test_a_validation_ends_as_its_verdict(
    rc: int, failures: tuple[Failure, ...], verdict: Outcome | None, status: ExitStatus
) -> None:
    made = ending.of_validate(Finished(rc), replace(UNCHANGED, failures=failures), verdict)
    assert made.status is status
    assert made.sentence


def test_an_interrupted_validation_is_no_answer_even_with_a_verdict() -> None:
    made = ending.of_validate(Finished(254, interrupted=True), UNCHANGED, Outcome.PROVEN)
    assert made.status is ExitStatus.COULD_NOT


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_verdict_is_read_from_its_file(tmp_path: Path, outcome: Outcome) -> None:
    (tmp_path / "verdict.json").write_text(json.dumps({"outcome": outcome}))
    assert ending.read_verdict(tmp_path) is outcome


def test_no_verdict_file_is_no_verdict(tmp_path: Path) -> None:
    assert ending.read_verdict(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"outcome": "great"}'])
def test_a_damaged_verdict_is_an_error_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(HostproofError, match=r"verdict\.json"):
        ending.read_verdict(tmp_path)
