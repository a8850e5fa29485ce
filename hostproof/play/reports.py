"""Finds the report of a past validation and shows it again. The report itself is written during the run."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.play import compare_runs, record
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending, of_verdict, read_verdict
from hostproof.play.inventory import listing, nearest
from hostproof.report import html, material, terminal
from hostproof.report.write import write_page

PAGE = "report.html"


def find(checkout: Checkout, run_id: str) -> Path:
    """The folder of the named run, or of the newest one that has a report."""
    folders = [folder for folder, _run in record.past(checkout.runs) if (folder / PAGE).is_file()]
    if not folders:
        raise HostproofError(
            "there is no report yet", where=str(checkout.runs), mend="Run: ./inv validate --host NAME"
        )
    if not run_id:
        return folders[0]
    named = next((folder for folder in folders if folder.name == run_id), None)
    if named is None:
        known = [folder.name for folder in folders]
        raise HostproofError(
            f"no report of a run {run_id!r}",
            where=str(checkout.runs),
            mend=f"{nearest(run_id, known)} {listing('runs', known)}".strip(),
        )
    return named


def show(console: Console, folder: Path) -> None:
    """Prints the verdict, the main tables and where the page lies; nothing if the run wrote none."""
    if not (folder / PAGE).is_file():
        return
    found = material.load(folder)
    if console.is_terminal:
        terminal.show(console, found)
    else:
        # A pipe has no width of its own.
        console.print(terminal.text(found), markup=False, highlight=False, soft_wrap=True)
    console.print(f"report: {folder / PAGE}", markup=False, highlight=False, soft_wrap=True)


def again(checkout: Checkout, console: Console, run_id: str) -> Ending:
    """Shows a report once more and ends as its verdict did."""
    folder = find(checkout, run_id)
    show(console, folder)
    return of_verdict(read_verdict(folder))


def against(checkout: Checkout, console: Console, run_id: str, other: str, *, force: bool = False) -> Ending:
    """Shows a report beside an earlier run, and writes a page with both. Ends as the report's own verdict did.

    Raises HostproofError for what cannot be found, and for Results of other models or workloads unless forced.
    """
    folder = find(checkout, run_id)
    compared = compare_runs.compared(checkout, other, str(folder), force=force)
    show(console, folder)
    for each in compared:
        compare_runs.say(console, each)
    page = folder / f"report-against-{Path(other).stem}.html"
    write_page(page, html.render(material.load(folder), compared))
    console.print(f"before and after: {page}", markup=False, highlight=False, soft_wrap=True)
    return of_verdict(read_verdict(folder))
