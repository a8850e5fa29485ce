"""The report on a terminal, and as the text of a failed task."""

from __future__ import annotations

import io

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from hostproof.judge.model import Outcome
from hostproof.judge.verdict import line
from hostproof.report.material import Material
from hostproof.report.ranking import remarks
from hostproof.report.table import WORDS, Row, Table
from hostproof.report.tables import all_tables, main_tables

STYLES = {
    Outcome.PROVEN: "green",
    Outcome.BELOW: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.UNMEASURED: "magenta",
}
BRIEF_WIDTH = 118


def show(console: Console, material: Material, *, everything: bool = False) -> None:
    """Verdict, ranked findings, the main tables or every table."""
    _head(console, material)
    for table in all_tables(material) if everything else main_tables(material):
        draw(console, table)


def text(material: Material, width: int = BRIEF_WIDTH, *, everything: bool = False) -> str:
    """The same as plain text, for where there is no console."""
    console = _plain(width)
    show(console, material, everything=everything)
    return _written(console)


def brief(material: Material, width: int = BRIEF_WIDTH) -> str:
    """Verdict and ranked findings, each threshold that is missed among them: the message of the action plugin."""
    console = _plain(width)
    _head(console, material)
    return _written(console)


def _plain(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)


def _written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return "\n".join(each.rstrip() for each in console.file.getvalue().strip().splitlines())


def _head(console: Console, material: Material) -> None:
    outcome = material.verdict.outcome
    console.print(Text(line(material.verdict), style=f"bold {STYLES[outcome]}"))
    for remark in remarks(material):
        sign = WORDS[remark.outcome].split()[0] if remark.outcome else "·"
        style = STYLES[remark.outcome] if remark.outcome else "dim"
        first, *log = remark.text.splitlines() or [""]
        console.print(Text(f"  {sign} {remark.title}: {first}", style=style))
        for each in log:
            console.print(Text(f"      {each}", style="dim"), soft_wrap=True)


def draw(console: Console, table: Table) -> None:
    drawn = RichTable(title=table.title, title_justify="left", title_style="bold", box=SIMPLE, pad_edge=False)
    for column, (name, align) in enumerate(table.columns):
        words = " ".join([name, *(row.cells[column] for row in table.rows)]).split()
        # No word is broken: half a figure is another figure.
        drawn.add_column(
            Text(name), justify=align, overflow="fold", min_width=max(map(cell_len, words), default=0)
        )
    for row in table.rows:
        drawn.add_row(*(_cell(text, row) for text in row.cells))
    console.print()
    if table.rows:
        console.print(drawn, crop=False)
    if table.note:
        console.print(Text(table.note, style="dim"))


def _cell(text: str, row: Row) -> Text:
    if row.outcome and text == WORDS[row.outcome]:
        return Text(text, style=f"bold {STYLES[row.outcome]}")
    return Text(text, style="dim" if row.muted else "")
