"""One wrapper gives every Invoke task the same rules; docs/running.md has the traps they close."""

from __future__ import annotations

import contextlib
import functools
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task, task

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play.ending import Ending

DRY = "--dry is Invoke's own and would not hold Ansible back. Use `./inv plan`."

Body = Callable[..., Ending]


def verb(
    *, options: Mapping[str, str], name: str | None = None, iterable: tuple[str, ...] = ()
) -> Callable[[Body], Task[Body]]:
    """Makes a task of a function that returns an Ending. `options` is the help text of each option."""

    def wrap(body: Body) -> Task[Body]:
        @functools.wraps(body)
        def run(context: Context, *arguments: object, **named: object) -> None:
            if context.config.run.dry:
                raise Exit(DRY, code=int(ExitStatus.COULD_NOT))
            end_with(guarded(functools.partial(body, context, *arguments, **named)))

        # No short flags: a parameter `host` would take -h away from help.
        made = task(run, name=name, help=dict(options), iterable=list(iterable), auto_shortflags=False)
        return cast("Task[Body]", made)

    return wrap


def guarded(call: Callable[[], Ending]) -> Ending:
    """The outermost shell: what a user did wrong or stopped is a sentence, never a traceback."""
    try:
        with _stopping_by_signal():
            return call()
    except HostproofError as error:
        return Ending(error.status, str(error))
    except KeyboardInterrupt:
        return Ending(ExitStatus.COULD_NOT, "interrupted.")


@contextlib.contextmanager
def _stopping_by_signal() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that every `finally` on the way cleans up. So does Ctrl-C itself
    where the caller had it ignored, as shells do for what they start in the background."""
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with(ending: Ending) -> None:
    if ending.status is not ExitStatus.YES:
        raise Exit(ending.sentence, code=int(ending.status))
    if ending.sentence:
        print(ending.sentence)


def names_in(text: str) -> list[str]:
    """'a, b' → ['a', 'b']."""
    return [name.strip() for name in text.split(",") if name.strip()]
