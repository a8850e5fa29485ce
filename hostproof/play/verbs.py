"""The verbs that run a playbook: names checked, host locked, run recorded, shown and summed up."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from hostproof.exits import ExitStatus
from hostproof.play import checks, ending, inventory, locks, record, reports, runner, summary
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.events import Event, Progress, step
from hostproof.play.plain import PlainLog
from hostproof.play.screen import Screen
from hostproof.play.wished import Wished

INTERRUPTED_LIMIT_SECONDS = 60
INTERRUPTED_PLAYBOOK = "_interrupted"


@dataclass(frozen=True)
class Order:
    """One verb on chosen hosts."""

    task: str
    playbook: str
    hosts: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """As the user gave them; they go into the record and into the command to resume."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    tags: tuple[str, ...] = ()
    """Parts of the playbook; none means all of it."""

    def command(self) -> str:
        """The ./inv line that does this again."""
        words = ["./inv", self.task, *(f"--host {host}" for host in self.arguments.get("host") or ())]
        for name, value in self.arguments.items():
            if name == "host" or not value:
                continue
            several = value if isinstance(value, list) else [value]
            words += [f"--{name}" if one is True else f"--{name} {shlex.quote(str(one))}" for one in several]
        return " ".join(words)


@dataclass(frozen=True)
class Ended:
    """A run that is over, as the verb judges it."""

    ending: Ending
    progress: Progress
    finished: runner.Finished
    folder: Path


AS_IS = Wished()
Judge = Callable[[runner.Finished, Progress, Path], Ending]


def provision(
    checkout: Checkout,
    console: Console,
    names: Sequence[str],
    extra: Mapping[str, Any] | None = None,
    *,
    allow_reboot: bool = False,
    wished: Wished = AS_IS,
) -> Ended:
    """`allow_reboot`: each host may be booted, once, if a setting needs it. Raises HostproofError."""
    hosts = inventory.read(checkout).choose(names)
    arguments = {"host": list(names), "allow-reboot": allow_reboot, **_arguments(wished)}
    # Left out, the inventory's word counts.
    allowed = {"provision_allow_reboot": True} if allow_reboot else {}
    order = Order(
        "provision",
        "provision",
        hosts,
        arguments,
        {**(extra or {}), **wished.values, **allowed},
        tags=wished.tags,
    )
    return carry_out(
        checkout, console, order, lambda finished, progress, _: ending.of_provision(finished, progress)
    )


def plan(checkout: Checkout, console: Console, names: Sequence[str], *, wished: Wished = AS_IS) -> Ended:
    hosts = inventory.read(checkout).choose(names)
    arguments = {"host": list(names), **_arguments(wished)}
    order = Order("plan", "provision", hosts, arguments, wished.values, check=True, tags=wished.tags)
    return carry_out(
        checkout, console, order, lambda finished, progress, _: ending.of_plan(finished, progress)
    )


def _arguments(wished: Wished) -> dict[str, Any]:
    """For the record and the command to resume."""
    return {"tags": ",".join(wished.tags), "set": list(wished.said)}


def validate(checkout: Checkout, console: Console, names: Sequence[str], setups: Sequence[str]) -> Ended:
    found = inventory.read(checkout)
    hosts = found.choose(names or default_host(checkout, found))
    found.check_setups(hosts, setups)
    arguments = {"host": list(names), "setup": ",".join(setups)}
    order = Order(
        "validate", "validate", hosts, arguments, {"validation_only": list(setups)} if setups else {}
    )

    def judge(finished: runner.Finished, progress: Progress, folder: Path) -> Ending:
        return ending.of_validate(finished, progress, ending.read_verdict(folder))

    ended = carry_out(checkout, console, order, judge)
    reports.show(console, ended.folder)
    return ended


def default_host(checkout: Checkout, found: inventory.Inventory) -> tuple[str, ...]:
    """The host of the last good provision, else the only host there is, else nothing (which is refused)."""
    for _folder, run in record.past(checkout.runs):
        if (
            run.task == "provision"
            and run.exit_status == ExitStatus.YES
            and set(run.hosts) <= set(found.hosts)
        ):
            return run.hosts
    return found.hosts if len(found.hosts) == 1 else ()


def carry_out(checkout: Checkout, console: Console, order: Order, judge: Judge) -> Ended:
    """Runs the order and prints what came of it; the record says the same."""
    checks.ensure(order.task, checks.HOST)
    start = record.now()
    run_id = record.run_id(order.task, order.hosts, start)
    run = record.Run(
        run_id,
        order.task,
        order.arguments,
        order.hosts,
        record.versions(),
        record.git_state(checkout.root),
        start,
    )
    with locks.held(checkout.locks, order.hosts, run_id, start), record.opened(checkout.runs, run) as book:
        finished, progress = _watch(checkout, console, order, book)
        ended = judge(finished, progress, book.folder)
        if finished.interrupted:
            ended = replace(ended, sentence=_tidy_up(checkout, console, order, book, finished))
        for line in _closing_lines(checkout, order, progress, ended, book.folder):
            console.print(line, style=_style(line), markup=False, highlight=False, soft_wrap=True)
            book.say(line)
        book.end(ended.status, ended.sentence, progress, interrupted=finished.interrupted)
    return Ended(ended, progress, finished, book.folder)


def _watch(
    checkout: Checkout, console: Console, order: Order, book: record.Record
) -> tuple[runner.Finished, Progress]:
    """Runs the playbook with a display; every event goes to the display, the log and the record."""
    progress = Progress()
    log = PlainLog(checkout, book.say, check=order.check)
    title = f"{order.task} {', '.join(order.hosts)}"
    with contextlib.ExitStack() as stack:
        display: Screen | PlainLog
        if console.is_terminal:
            display = stack.enter_context(Screen(console, title))
        else:
            display = PlainLog(checkout, _printer(console), check=order.check)

        def on_event(event: Event) -> None:
            nonlocal progress
            progress = step(progress, event)
            book.add(event)
            log.show(progress, event)
            display.show(progress, event)

        finished = runner.run(checkout, _job(checkout, order, book), on_event)
    return finished, progress


def _printer(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)


def _job(checkout: Checkout, order: Order, book: record.Record) -> runner.Job:
    extra = {
        "hostproof_run_id": book.run.run_id,
        "hostproof_run_dir": str(book.folder),
        "hostproof_controller_id": controller_id(checkout),
        **order.extra,
    }
    return runner.Job(checkout.playbook(order.playbook), order.hosts, extra, order.check, tags=order.tags)


def controller_id(checkout: Checkout) -> str:
    """Names this checkout on this machine, the same in every run.

    So a run may take over the host-side lock of one that died; a living one is kept out by the local lock.
    """
    place = hashlib.sha256(f"{_machine()}:{checkout.root}".encode()).hexdigest()[:8]
    return f"{getpass.getuser()}@{platform.node()}:{place}"


def _machine() -> str:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        return str(os.getuid())


def _tidy_up(
    checkout: Checkout, console: Console, order: Order, book: record.Record, finished: runner.Finished
) -> str:
    """After Ctrl-C: lets the host go, as far as possible within a minute. Returns the closing sentence."""
    resume = f"To continue: {order.command()}"
    if finished.left:
        pids = ", ".join(map(str, finished.left))
        return f"interrupted; processes {pids} could not be ended. {resume}"
    playbook = checkout.playbook(INTERRUPTED_PLAYBOOK)
    if order.check or not playbook.is_file():
        return f"interrupted; nothing of the run is left on this machine. {resume}"
    _printer(console)("interrupted: letting the host go (Ctrl-C again to leave it at that)")
    job = replace(
        _job(checkout, order, book), playbook=playbook, check=False, limit_seconds=INTERRUPTED_LIMIT_SECONDS
    )
    done = runner.run(checkout, job, book.add)
    if done.rc == 0:
        return f"interrupted; the host was let go and the next run continues from here. {resume}"
    return f"interrupted; the host could not be asked to let go, the next run takes over. {resume}"


def _style(line: str) -> str:
    if line.startswith(("FAILED", "UNREACHABLE", "[ERROR")):
        return "bold red"
    return "bold" if line.startswith("  mend:") else ""


def _but_the_verdict(progress: Progress, folder: Path) -> Progress:
    """Where there is a verdict its report says what it fails for, once."""
    if ending.read_verdict(folder) is None:
        return progress
    return replace(
        progress, failures=tuple(f for f in progress.failures if not ending.is_verdict(f)), complaints=()
    )


def _closing_lines(
    checkout: Checkout, order: Order, progress: Progress, ended: Ending, folder: Path
) -> list[str]:
    lines = [*summary.changes(progress, check=order.check), *summary.warnings(progress)]
    if ended.status is ExitStatus.COULD_NOT:
        lines += summary.failures(checkout, _but_the_verdict(progress, folder))
    lines += summary.totals(progress)
    lines.append(f"record: {checkout.short(str(folder))}")
    if ended.status is ExitStatus.COULD_NOT and "To continue" not in ended.sentence:
        lines.append(f"to resume: {order.command()}")
    return lines
