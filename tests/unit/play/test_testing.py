"""The stages of `test`: all run, all are shown, one that fails fails the whole."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.play import testing
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


def test_stages_keep_their_own_order() -> None:
    assert testing.chosen([LINT, UNIT], ["unit", "lint"]) == (LINT, UNIT)
    assert testing.chosen([LINT, UNIT], []) == (LINT, UNIT)


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


def test_a_command_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "STAGE_LIMIT_SECONDS", 0.2)
    assert testing.spoken((sys.executable, "-c", "import time; time.sleep(60)"), Path("/")).status == -15


def test_the_doors_of_the_project_are_all_there() -> None:
    root = Path(__file__).parents[3]
    names = [stage.name for stage in testing.stages(root)]
    assert names == ["lint", "types", "unit", "integration", "molecule", "e2e"]
    programs = {command[0] for stage in testing.stages(root) for command in stage.commands}
    assert {"ruff", "yamllint", "ansible-lint", "shellcheck", "mypy", "pytest", "molecule"} <= programs
