"""`./inv compare BEFORE AFTER`: two runs, or two Results, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.judge.comparison import Comparison, Word, compare, exit_status
from hostproof.judge.units import label
from hostproof.play import past
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.report import terminal
from hostproof.report.comparison import tables

FORCED = "FORCED: not of one kind"


def show(checkout: Checkout, console: Console, before: str, after: str, *, force: bool = False) -> Ending:
    """Prints ratio, interval and word of every metric. No: something primary is worse; inconclusive: nothing can be told.

    Raises HostproofError for what cannot be found, and for Results of other models or workloads unless forced.
    """
    comparisons = compared(checkout, before, after, force=force)
    for each in comparisons:
        say(console, each)
    return _ending(comparisons)


def compared(checkout: Checkout, before: str, after: str, *, force: bool = False) -> list[Comparison]:
    """Setup by setup. Raises HostproofError as `show` does."""
    found = list(past.pairs(past.named(checkout, before), past.named(checkout, after)))
    if not found:
        raise HostproofError(
            "no setup is in both",
            where=f"{before} and {after}",
            mend="Name two files of Results, runs/<run>/results/<host>/<setup>.json.",
        )
    comparisons = [compare(one.result, other.result) for one, other in found]
    for each, (one, other) in zip(comparisons, found, strict=True):
        if each.unlike and not force:
            raise HostproofError(
                f"these cannot be compared: {'; '.join(each.unlike)}",
                where=f"{one.path} and {other.path}",
                mend="Compare Results of one model and workload; --force compares them all the same, and marks it.",
            )
    return comparisons


def say(console: Console, found: Comparison) -> None:
    for table in tables(found):
        terminal.draw(console, table)
    marks = [f"{FORCED}: {why}" for why in found.unlike]
    for line in (*marks, *found.remarks):
        console.print(f"· {line}", markup=False, highlight=False, soft_wrap=True)


def _ending(compared: Sequence[Comparison]) -> Ending:
    told = "; ".join(_sentence(each) for each in compared)
    forced = f" ({FORCED})" if any(each.unlike for each in compared) else ""
    return Ending(exit_status(compared), f"{told}{forced}.")


def _sentence(found: Comparison) -> str:
    told = []
    for word in (Word.WORSE, Word.BETTER):
        rows = [row for row in found.rows if row.primary and row.word is word]
        if rows:
            told.append(f"{word.value}: {', '.join(f'{label(r.metric)} in {r.cell}' for r in rows)}")
    return f"{found.after.setup.name}: {'; '.join(told) or 'cannot tell'}"
