"""`lint` and `test`: the project's own checks, stage by stage, their output visible, a table at the end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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
DRAIN_SECONDS = 5
TIMED_OUT = 124
"""As `timeout` of coreutils says it."""

NAMES = ("lint", "types", "unit", "integration", "lab", "molecule", "vm", "e2e", "long")
COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
TOOK = re.compile(r"\bin ([\d.]+)s")

Command = tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """Commands that run one after the other; every one of them runs, so that all findings come at once."""

    name: str
    commands: tuple[Command, ...]
    tools: tuple[checks.Tool, ...] = ()
    asked: bool = False
    """Only run when it is named: longer than anybody waits for each change."""


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


SCRIPTS = (
    *("inv", ".ci/run"),
    *(f"lab/gpu/host/{name}" for name in ("modprobe", "rmmod", "lab-podman4")),
    *(f"lab/vm/files/{name}.sh" for name in ("identity", "prepare", "settle")),
)


def stages(root: Path) -> tuple[Stage, ...]:
    """In the order in which they run: the quick ones first."""
    scripts = tuple(name for name in SCRIPTS if (root / name).is_file())
    lint: tuple[Command, ...] = (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("yamllint", "--strict", "."),
        # A home of its own: an old copy of this collection under ~/.ansible would be found in place of this one.
        ("env", "ANSIBLE_HOME=.ansible", "ansible-lint", "--profile", "production", "--offline"),
        ("shellcheck", *scripts),
    )
    return (
        Stage("lint", lint, checks.LINT),
        Stage("types", (("mypy",),)),
        Stage("unit", (("pytest", "tests/unit"),), checks.GCC),
        Stage(
            "integration",
            (("pytest", "tests/integration", "tests/sabotage", "-m", "not lab and not vm"),),
            (checks.SSH,),
        ),
        Stage(
            "lab", (("pytest", "tests/integration", "-m", "lab and not long"),), (*checks.LAB, *checks.GPU)
        ),
        Stage(
            "molecule",
            tuple(("molecule", "test", "--scenario-name", name) for name in ("default", "tuning", "gpu")),
            (*checks.LAB, *checks.GPU),
        ),
        Stage(
            "vm",
            (
                ("pytest", "tests/integration", "-m", "vm and not long"),
                ("molecule", "test", "--scenario-name", "vm"),
            ),
            (*checks.VM, *checks.HOST),
        ),
        Stage("e2e", (("invoke", "demo", "--name", "e2e", "--setup", "cpu"),), checks.LAB),
        Stage(
            "long",
            (
                ("pytest", "tests/integration", "-m", "long"),
                ("molecule", "test", "--scenario-name", "vllm"),
            ),
            (*checks.LAB, *checks.GPU, *checks.VM),
            asked=True,
        ),
    )


def chosen(known: Sequence[Stage], names: Sequence[str]) -> tuple[Stage, ...]:
    """The named stages in their own order, or all but those that want to be asked for; raises for an unknown name."""
    by_name = {stage.name: stage for stage in known}
    for name in names:
        if name not in by_name:
            mend = f"{nearest(name, by_name)} {listing('stages', by_name)}".strip()
            raise HostproofError(f"unknown stage {name!r}", where="--stage", mend=mend)
    return tuple(stage for stage in known if (stage.name in names if names else not stage.asked))


def lint(checkout: Checkout, console: Console) -> Ending:
    return run(checkout, console, ["lint", "types"])


def run(checkout: Checkout, console: Console, names: Sequence[str], *, install: bool = False) -> Ending:
    """Runs the stages to the end, whatever fails on the way."""
    todo = chosen(stages(checkout.root), names)
    checks.ensure("test", [tool for stage in todo for tool in stage.tools], install=install)
    done = [run_stage(stage, checkout.root, console, spoken) for stage in todo]
    console.print(table(done))
    for one in done:
        if one.stage not in {"lint", "types", "molecule"} and one.last:
            console.print(f"{one.stage}: {one.last}", markup=False, highlight=False, soft_wrap=True)
    if tests := total(one.last for one in done):
        console.print(f"tests: {tests}", markup=False, highlight=False, soft_wrap=True)
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
            failed.append(f"{label(command)} (exit status {said.status})")
    return Passed(stage.name, tuple(failed), time.monotonic() - started, said.last)


def label(command: Command) -> str:
    """Two words that say which command it was, without the variables set before it."""
    words = [word for word in command if word != "env" and "=" not in word]
    return " ".join(words[:2])


def table(done: Sequence[Passed]) -> Table:
    made = Table("stage", "result", "time")
    for one in done:
        made.add_row(
            one.stage, f"FAILED: {', '.join(one.failed)}" if one.failed else "passed", clock(one.seconds)
        )
    made.add_row("", "", clock(sum(one.seconds for one in done)), style="bold")
    return made


def total(lines: Iterable[str]) -> str:
    """The sum of pytest's closing lines in pytest's own words, `12 passed, 1 skipped in 3.41s`; "" without any.

    A line without a duration is none of pytest's.
    """
    counts: Counter[str] = Counter()
    seconds = 0.0
    for line in lines:
        if took := TOOK.search(line):
            counts.update({word.rstrip("s"): int(number) for number, word in COUNT.findall(line)})
            seconds += float(took[1])
    if counts["error"] > 1:
        counts["errors"] = counts.pop("error")
    words = ("failed", "passed", "skipped", "xfailed", "xpassed", "error", "errors")
    told = ", ".join(f"{counts[word]} {word}" for word in words if counts[word])
    return told and f"{told} in {seconds:.2f}s"


def spoken(command: Command, root: Path) -> Said:
    """Runs a command of this environment; its output goes through as it comes, its last line is kept.

    It has a process group of its own, so that what it started is ended with it: by a time limit, by Ctrl-C, and at
    its end whatever it left running.
    """
    colour = {"FORCE_COLOR": "1"} if sys.stdout.isatty() else {"NO_COLOR": "1"}
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    child = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, **colour, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )
    assert child.stdout is not None
    last: list[str] = []
    reader = threading.Thread(target=_pass_on, args=(child.stdout, last), daemon=True)
    reader.start()
    timed_out = False
    try:
        child.wait(STAGE_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        timed_out = True
        _interrupt(child)
    except KeyboardInterrupt:
        _interrupt(child)
        raise
    finally:
        _signal(child, signal.SIGKILL)
        child.wait()
        # A process that left the group can still hold the pipe: it is not waited for.
        reader.join(DRAIN_SECONDS)
    if timed_out:
        return Said(TIMED_OUT, f"stopped: it ran past {clock(STAGE_LIMIT_SECONDS)}")
    return Said(child.returncode, last[0] if last else "")


def _pass_on(stream: IO[str], last: list[str]) -> None:
    with stream:
        for line in stream:
            print(line, end="", flush=True)
            if text := COLOUR.sub("", line).strip():
                last[:] = [text]


def _interrupt(child: subprocess.Popen[str]) -> None:
    """Ctrl-C for the whole group: it cleans up, and is given a while for that, not forever."""
    _signal(child, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(CLEAN_UP_SECONDS)


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
