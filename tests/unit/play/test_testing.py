"""The stages of `test`: all run, all are shown, one that fails fails the whole."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import testing
from hostproof.play.checkout import Checkout
from hostproof.play.testing import Passed, Said, Stage

LINT = Stage("lint", (("ruff", "check", "."), ("yamllint",), ("shellcheck",)))
UNIT = Stage("unit", (("pytest",),))


def quiet() -> Console:
    return Console(file=io.StringIO(), width=100)


def test_every_command_of_a_stage_runs_although_one_fails() -> None:
    asked: list[str] = []

    def speak(command: testing.Command, _root: Path) -> Said:
        asked.append(command[0])
        return Said(3 if command[0] == "ruff" else 0, "last words")

    passed = testing.run_stage(LINT, Path("/"), quiet(), speak)
    assert asked == ["ruff", "yamllint", "shellcheck"]
    assert passed.failed == ("ruff check (exit status 3)",)
    assert passed.last == "last words"


def test_a_command_is_named_without_its_variables() -> None:
    assert testing.label(("env", "A=b", "ansible-lint", "--offline")) == "ansible-lint --offline"
    assert testing.label(("mypy",)) == "mypy"


def test_stages_keep_their_own_order() -> None:
    assert testing.chosen([LINT, UNIT], ["unit", "lint"]) == (LINT, UNIT)
    assert testing.chosen([LINT, UNIT], []) == (LINT, UNIT)


def test_a_stage_that_wants_to_be_asked_for_runs_only_when_it_is_named() -> None:
    long = testing.Stage("long", (("true",),), asked=True)
    assert testing.chosen([LINT, UNIT, long], []) == (LINT, UNIT)
    assert testing.chosen([LINT, UNIT, long], ["long", "lint"]) == (LINT, long)


def test_an_unknown_stage_is_refused_with_the_known() -> None:
    with pytest.raises(HostproofError) as caught:
        testing.chosen([LINT, UNIT], ["units"])
    assert (
        str(caught.value) == "unknown stage 'units' (--stage). Did you mean unit? Known stages: lint, unit."
    )


def test_the_table_names_what_failed() -> None:
    console = quiet()
    console.print(testing.table([Passed("lint", (), 1.0), Passed("unit", ("pytest (exit status 1)",), 61.0)]))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "FAILED: pytest (exit status 1)" in shown
    assert "01:02" in shown, "the sum of the times"


def test_a_commands_output_goes_through_and_its_last_line_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    program = "print('one'); print('3 passed in 1 s'); print(); raise SystemExit(5)"
    said = testing.spoken((sys.executable, "-c", program), Path("/"))
    assert said == Said(5, "3 passed in 1 s")
    assert capfd.readouterr().out.splitlines()[:2] == ["one", "3 passed in 1 s"]


def test_a_coloured_last_line_is_kept_without_its_colour() -> None:
    program = "print('\\x1b[32m== \\x1b[1m3 passed\\x1b[0m in 0.10s ==\\x1b[0m')"
    assert testing.spoken((sys.executable, "-c", program), Path("/")).last == "== 3 passed in 0.10s =="


def test_a_command_that_hangs_is_stopped_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "STAGE_LIMIT_SECONDS", 0.3)
    # It takes the Ctrl-C and says that all is well.
    program = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: raise SystemExit(0)"
    said = testing.spoken((sys.executable, "-c", program), Path("/"))
    assert said.status == testing.TIMED_OUT
    assert said.last.startswith("stopped: it ran past")


def test_a_command_that_takes_no_ctrl_c_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "STAGE_LIMIT_SECONDS", 0.3)
    monkeypatch.setattr(testing, "CLEAN_UP_SECONDS", 0.2)
    program = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    assert testing.spoken((sys.executable, "-c", program), Path("/")).status == testing.TIMED_OUT


STARTS_A_CHILD = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session={apart})
print(child.pid, flush=True)
"""


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_what_a_command_left_running_is_ended() -> None:
    said = testing.spoken((sys.executable, "-c", STARTS_A_CHILD.format(apart=False)), Path("/"))
    assert said.status == 0
    deadline = time.monotonic() + 5
    while alive(int(said.last)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(said.last))


def test_what_left_the_group_and_holds_the_output_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "DRAIN_SECONDS", 0.3)
    started = time.monotonic()
    said = testing.spoken((sys.executable, "-c", STARTS_A_CHILD.format(apart=True)), Path("/"))
    took = time.monotonic() - started
    os.kill(int(said.last), signal.SIGKILL)
    assert said.status == 0
    assert took < 10


def test_ctrl_c_reaches_the_command_and_is_passed_on(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = (
        "import pathlib, sys, time\n"
        "print('ready', flush=True)\n"
        "try: time.sleep(60)\n"
        f"except KeyboardInterrupt: pathlib.Path({str(seen)!r}).touch()\n"
    )
    outer = (
        "import sys; from pathlib import Path; from hostproof.play import testing\n"
        f"testing.spoken((sys.executable, '-c', {program!r}), Path('/'))\n"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", outer], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert running.returncode != 0
    assert "KeyboardInterrupt" in err
    assert seen.exists()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["12 passed in 1.50s", "==== 1 failed, 3 passed, 2 skipped in 2.25s ===="],
            "1 failed, 15 passed, 2 skipped in 3.75s",
        ),
        (["= 1 passed, 1 error in 61.00s (0:01:01) =", "2 errors in 0.10s"], "1 passed, 3 errors in 61.10s"),
        (["proven: every threshold is met.", "", "7 passed tests I know of"], ""),
        ([], ""),
    ],
)
def test_the_counts_of_all_test_runs_are_added(lines: list[str], told: str) -> None:
    assert testing.total(lines) == told


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> dict[str, Said]:
    """What each program says, instead of running it; no package is looked for."""
    said: dict[str, Said] = {}
    monkeypatch.setattr(testing, "stages", lambda _root: (LINT, UNIT))
    monkeypatch.setattr(testing, "spoken", lambda command, _root: said.get(command[0], Said(0)))
    monkeypatch.setattr(testing.checks, "ensure", lambda *_, **__: None)
    return said


def test_one_failed_command_fails_the_whole_and_the_rest_still_runs(played: dict[str, Said]) -> None:
    played["yamllint"] = Said(1)
    played["pytest"] = Said(0, f"{'=' * 60} 3 passed in 0.50s {'=' * 60}")
    console = quiet()
    ending = testing.run(Checkout(Path("/")), console, [])
    assert (ending.status, ending.sentence) == (ExitStatus.COULD_NOT, "failed: lint.")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines()[-2:] == [
        f"unit: {'=' * 60} 3 passed in 0.50s {'=' * 60}",
        "tests: 3 passed in 0.50s",
    ]


def test_all_passed_is_yes(played: dict[str, Said]) -> None:
    ending = testing.run(Checkout(Path("/")), quiet(), ["unit"])
    assert (ending.status, ending.sentence) == (ExitStatus.YES, "passed: unit.")


def test_pytest_without_a_test_is_no_pass(played: dict[str, Said]) -> None:
    played["pytest"] = Said(5, "no tests ran in 0.01s")
    assert testing.run(Checkout(Path("/")), quiet(), ["unit"]).status is ExitStatus.COULD_NOT


def test_the_doors_of_the_project_are_all_there() -> None:
    root = Path(__file__).parents[3]
    names = [stage.name for stage in testing.stages(root)]
    assert names == ["lint", "types", "unit", "integration", "lab", "molecule", "vm", "e2e", "long"]
    assert tuple(names) == testing.NAMES
    programs = {
        next(word for word in command if word != "env" and "=" not in word)
        for stage in testing.stages(root)
        for command in stage.commands
    }
    assert {"ruff", "yamllint", "ansible-lint", "shellcheck", "mypy", "pytest", "molecule"} <= programs
