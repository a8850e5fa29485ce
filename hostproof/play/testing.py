"""`lint` and `test`: the project's own checks, stage by stage, their output visible, a table at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import checks
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.inventory import listing, nearest
from hostproof.play.plain import clock

STAGE_LIMIT_SECONDS = 30 * 60
CLEAN_UP_SECONDS = 90

NAMES = ("lint", "types", "unit", "integration", "molecule", "e2e")

Command = tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """Commands that run one after the other; every one of them runs, so that all findings come at once."""

    name: str
    commands: tuple[Command, ...]
    tools: tuple[checks.Tool, ...] = ()


@dataclass(frozen=True)
class Passed:
    """How a stage went. `last` is the closing line of its last command, such as pytest's count."""

    stage: str
    failed: tuple[str, ...]
    seconds: float
    last: str = ""


@dataclass(frozen=True)
class Said:
    """A command that ended."""

    status: int
    last: str = ""


def stages(root: Path) -> tuple[Stage, ...]:
    """In the order in which they run: the quick ones first."""
    scripts = tuple(name for name in ("inv", ".ci/run") if (root / name).is_file())
    lint: tuple[Command, ...] = (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("yamllint", "--strict", "."),
        ("ansible-lint", "--profile", "production", "--offline"),
        ("shellcheck", *scripts),
    )
    return (
        Stage("lint", lint, checks.LINT),
        Stage("types", (("mypy",),)),
        Stage("unit", (("pytest", "tests/unit"),)),
        Stage("integration", (("pytest", "tests/integration", "-m", "not lab"),), (checks.SSH,)),
        Stage("molecule", (("molecule", "test", "--scenario-name", "default"),), checks.LAB),
        Stage("e2e", (("invoke", "demo", "--name", "e2e", "--setup", "cpu"),), checks.LAB),
    )


def chosen(known: Sequence[Stage], names: Sequence[str]) -> tuple[Stage, ...]:
    """The named stages in their own order, or all of them; raises for an unknown name."""
    by_name = {stage.name: stage for stage in known}
    for name in names:
        if name not in by_name:
            mend = f"{nearest(name, by_name)} {listing('stages', by_name)}".strip()
            raise HostproofError(f"unknown stage {name!r}", where="--stage", mend=mend)
    return tuple(stage for stage in known if not names or stage.name in names)


def lint(checkout: Checkout, console: Console) -> Ending:
    return run(checkout, console, ["lint", "types"])


def run(checkout: Checkout, console: Console, names: Sequence[str], *, install: bool = False) -> Ending:
    """Runs the stages to the end, whatever fails on the way."""
    todo = chosen(stages(checkout.root), names)
    checks.ensure("test", [tool for stage in todo for tool in stage.tools], install=install)
    done = [run_stage(stage, checkout.root, console, spoken) for stage in todo]
    console.print(table(done))
    for one in done:
        if one.stage in {"unit", "integration", "e2e"} and one.last:
            console.print(f"{one.stage}: {one.last}", markup=False, highlight=False)
    if failed := [one.stage for one in done if one.failed]:
        return Ending(ExitStatus.COULD_NOT, f"failed: {', '.join(failed)}.")
    return Ending(ExitStatus.YES, f"passed: {', '.join(one.stage for one in done)}.")


def run_stage(stage: Stage, root: Path, console: Console, speak: Callable[[Command, Path], Said]) -> Passed:
    """One stage; `speak` runs a command with its output visible."""
    console.rule(stage.name)
    started = time.monotonic()
    failed: list[str] = []
    said = Said(0)
    for command in stage.commands:
        console.print(f"$ {' '.join(command)}", style="bold", markup=False, highlight=False)
        said = speak(command, root)
        if said.status != 0:
            failed.append(f"{' '.join(command[:2])} (exit status {said.status})")
    return Passed(stage.name, tuple(failed), time.monotonic() - started, said.last)


def table(done: Sequence[Passed]) -> Table:
    made = Table("stage", "result", "time")
    for one in done:
        made.add_row(
            one.stage, f"FAILED: {', '.join(one.failed)}" if one.failed else "passed", clock(one.seconds)
        )
    made.add_row("", "", clock(sum(one.seconds for one in done)), style="bold")
    return made


def spoken(command: Command, root: Path) -> Said:
    """Runs a command of this environment; its output goes through as it comes, its last line is kept."""
    last = ""
    colour = {"FORCE_COLOR": "1"} if sys.stdout.isatty() else {"NO_COLOR": "1"}
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    env = {**os.environ, **colour, "PATH": path}
    with subprocess.Popen(
        command,
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        assert child.stdout is not None
        limit = threading.Timer(STAGE_LIMIT_SECONDS, child.terminate)
        limit.start()
        try:
            for line in child.stdout:
                print(line, end="", flush=True)
                last = line.strip() or last
            return Said(child.wait(), last)
        except KeyboardInterrupt:
            # The child got the same Ctrl-C and cleans up; it is given a while, not forever.
            _wait(child)
            raise
        finally:
            limit.cancel()


def _wait(child: subprocess.Popen[str]) -> None:
    try:
        child.wait(timeout=CLEAN_UP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
