"""The run as a live picture on a terminal: role and task in hand, elapsed time, counts, last changes."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from hostproof.play.events import Counts, Event, Progress
from hostproof.play.plain import clock

LAST_CHANGES = 6
_STYLES = {
    "ok": "green",
    "changed": "yellow",
    "failed": "bold red",
    "unreachable": "bold red",
    "skipped": "dim",
}


class Screen:
    """A context manager around a rich Live; `show` only stores, the refresh thread draws."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._started = time.monotonic()
        self._task_started = self._started
        self._progress = Progress()
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=5, transient=True)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, progress: Progress, _event: Event) -> None:
        if progress.task != self._progress.task:
            self._task_started = time.monotonic()
        self._progress = progress

    def _draw(self) -> Group:
        now = time.monotonic()
        self._spinner.update(text=Text.assemble((self._title, "bold"), f"  {clock(now - self._started)}"))
        return Group(self._spinner, *picture(self._progress, now - self._task_started))


def picture(progress: Progress, task_seconds: float) -> list[Text | Table]:
    """Everything below the title line, for a task that has run so long."""
    parts: list[Text | Table] = []
    if task := progress.task:
        role = (task.role or progress.play, "cyan")
        parts.append(Text.assemble("  ", role, " · ", task.name, (f"  {clock(task_seconds)}", "dim")))
    if progress.note:
        parts.append(Text(f"  {progress.note}", style="italic", no_wrap=True, overflow="ellipsis"))
    if progress.counts:
        parts.append(_counts(progress))
    parts += [
        Text.assemble("  ", ("changed ", "yellow"), f"{c.task.role or progress.play} · {c.task.name}")
        for c in progress.changes[-LAST_CHANGES:]
    ]
    parts += [
        Text(f"  failed  {f.task.name}: {f.message.splitlines()[0] if f.message else ''}", style="bold red")
        for f in progress.failures[-2:]
    ]
    return parts


def _counts(progress: Progress) -> Table:
    table = Table.grid(padding=(0, 2))
    for host, counts in progress.counts.items():
        table.add_row(Text(f"  {host}"), *(_count(name, counts) for name in _STYLES))
    return table


def _count(name: str, counts: Counts) -> Text:
    number = getattr(counts, name)
    return Text(f"{number} {name}", style=_STYLES[name] if number else "dim")
