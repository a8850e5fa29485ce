"""`./inv history --host H`: a host over its runs, and the run where it changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.judge.trend import Series, exit_status, fewest_runs, series
from hostproof.play import past
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.inventory import listing
from hostproof.report import terminal
from hostproof.report.trend import sentences, tables


def show(checkout: Checkout, console: Console, host: str, setups: Sequence[str] = ()) -> Ending:
    """Prints a table a setup and a sentence a change.

    No: the last change was for the worse. Inconclusive: too few runs. Raises HostproofError for an unknown host or setup.
    """
    past.must_know(checkout, host)
    found, left_out = past.of_host(checkout, host)
    known = dict.fromkeys(each.result.setup.name for each in found)
    for name in setups:
        if name not in known:
            raise HostproofError(
                f"no Results of setup {name!r}", where=f"host {host}", mend=listing("setups", known)
            )
    chosen = [each for each in found if not setups or each.result.setup.name in setups]
    lines = series([(each.run, each.result) for each in chosen])
    for table in tables(lines):
        terminal.draw(console, table)
    for each in (*(text for line in lines for text in sentences(line)), *left_out):
        console.print(f"· {each}", markup=False, highlight=False, soft_wrap=True)
    return _ending(host, lines)


def _ending(host: str, found: Sequence[Series]) -> Ending:
    status = exit_status(found)
    longest = max((len(each.points) for each in found), default=0)
    if longest < fewest_runs(found):
        return Ending(
            status,
            f"{host}: too few runs to find a change: {longest} of one kind, and it takes {fewest_runs(found)}.",
        )
    steps = sum(len(each.changes) for each in found)
    return Ending(
        status, f"{host}: {steps} change{'s' * (steps != 1)} in {len(found)} series of up to {longest} runs."
    )
