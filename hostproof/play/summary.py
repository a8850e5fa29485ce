"""What a run did, in the lines that stay on the screen after it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hostproof.play.checkout import Checkout
from hostproof.play.diagnose import diagnose
from hostproof.play.events import Change, Failure, Progress

SHOWN_COMPLAINTS = 30
_ERROR = "[ERROR"


def changes(progress: Progress, *, check: bool) -> Iterator[str]:
    """Per role what changed; the diffs only where nothing was done yet (plan): else the record has them."""
    by_role = Counter(_role(change) for change in progress.changes)
    for role, number in by_role.items():
        word = "would change" if check else "changed"
        yield f"{role}: {number} {word}"
        for change in progress.changes:
            if _role(change) == role:
                yield f"  {change.task.name}{f' on {change.host}' if len(progress.counts) > 1 else ''}"
                if check:
                    yield from (f"    {line}" for line in change.diff.splitlines())


def _role(change: Change) -> str:
    return change.task.role or "the playbook"


def warnings(progress: Progress) -> Iterator[str]:
    """What tasks had to say besides, each sentence once, with the hosts that it holds for where there are several."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for one in progress.warnings:
        hosts.setdefault((one.role, one.text), []).append(one.host)
    for (role, text), named in hosts.items():
        on = f" on {', '.join(named)}" if len(progress.counts) > 1 else ""
        yield f"note{on}: {f'{role}: ' if role else ''}{text}"


def totals(progress: Progress) -> Iterator[str]:
    """One line a host."""
    for host, c in progress.counts.items():
        parts = [f"{c.ok} ok", f"{c.changed} changed", f"{c.skipped} skipped"]
        parts += [f"{c.failed} failed"] if c.failed else []
        parts += ["unreachable"] if c.unreachable else []
        yield f"{host}: {', '.join(parts)}"


def failures(checkout: Checkout, progress: Progress) -> Iterator[str]:
    """Each failure: task, host's own message, cause and mend where they can be told, file:line."""
    for failure in progress.failures:
        yield from _failure(checkout, failure)
    if not progress.failures:
        yield from complaints(progress)


def _failure(checkout: Checkout, failure: Failure) -> Iterator[str]:
    word = "UNREACHABLE" if failure.unreachable else "FAILED"
    role = f"{failure.task.role} : " if failure.task.role else ""
    yield f"{word} on {failure.host}: {role}{failure.task.name}"
    yield from (f"  {line}" for line in failure.message.splitlines())
    if cause := diagnose(failure.message):
        yield f"  cause: {cause.what}"
        yield f"  mend:  {cause.mend}"
    yield f"  at {checkout.short(failure.task.where)}"


def complaints(progress: Progress) -> Iterator[str]:
    """Ansible's own words when it stopped outside any task (an unreadable playbook, a missing role)."""
    lines = [line for said in progress.complaints for line in said.splitlines()]
    start = next((n for n, line in enumerate(lines) if line.startswith(_ERROR)), 0)
    yield from lines[start : start + SHOWN_COMPLAINTS]


def first_complaint(progress: Progress) -> str:
    """The first error that Ansible named outside any task, or nothing."""
    errors = (said for said in progress.complaints if said.startswith(_ERROR))
    return next(errors, "").removeprefix(_ERROR).lstrip("]:! ").rstrip(".")
