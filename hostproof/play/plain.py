"""The run as lines, for a log or a CI page: each role, each change, each failure, and a wait's progress."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from hostproof.play.checkout import Checkout
from hostproof.play.events import Event, Failure, Progress

NOTE_SECONDS = 10


class PlainLog:
    """Takes each event with the picture after it and says what is new. Its clock is the events' own."""

    def __init__(self, checkout: Checkout, say: Callable[[str], None], *, check: bool = False) -> None:
        self._checkout = checkout
        self._say = say
        self._changed_word = "would change" if check else "changed"
        self._start: datetime | None = None
        self._role = ""
        self._noted = -NOTE_SECONDS
        self._last = Progress()

    def show(self, progress: Progress, event: Event) -> None:
        stamp = self._stamp(event)
        before, self._last = self._last, progress
        many = len(progress.counts) > 1
        if progress.task and progress.task.role != self._role:
            self._role = progress.task.role
            self._say(f"{stamp} {self._role or progress.play}")
        for change in progress.changes[len(before.changes) :]:
            on = f" on {change.host}" if many else ""
            self._say(f"{stamp}   {self._changed_word}: {change.task.name}{on}")
        if not progress.finished:
            for failure in progress.failures[len(before.failures) :]:
                self._failure(stamp, failure)
        if (
            progress.note
            and progress.note != before.note
            and self._seconds(event) - self._noted >= NOTE_SECONDS
        ):
            self._noted = self._seconds(event)
            self._say(f"{stamp}   … {progress.note}")

    def _failure(self, stamp: str, failure: Failure) -> None:
        word = "unreachable" if failure.unreachable else "failed"
        where = self._checkout.short(failure.task.where)
        self._say(f"{stamp}   {word}: {failure.task.name} on {failure.host} ({where})")
        # The whole message comes at the end; a failure that is rescued needs no more than one line.
        for line in failure.message.splitlines()[:1]:
            self._say(f"{stamp}     {line}")

    def _seconds(self, event: Event) -> int:
        created = event.get("created")
        if not created:
            return 0
        moment = datetime.fromisoformat(str(created))
        self._start = self._start or moment
        return int((moment - self._start).total_seconds())

    def _stamp(self, event: Event) -> str:
        return f"[{clock(self._seconds(event))}]"


def clock(seconds: float) -> str:
    """mm:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
