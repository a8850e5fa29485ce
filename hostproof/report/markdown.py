"""The report as Markdown: for a pull request, a ticket, or a terminal."""

from __future__ import annotations

import re

from hostproof.judge.verdict import line
from hostproof.report.material import Material
from hostproof.report.ranking import Remark, remarks
from hostproof.report.table import WORDS, Table
from hostproof.report.tables import all_tables, main_tables

MOST_CHARACTERS = 65_000
"""GitHub takes 65,536 in a comment."""
LEFT_OUT = "{} more tables are in report.html and report.json: a comment has no room for them."
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def render(material: Material) -> str:
    verdict = material.verdict
    parts = [f"# {escape(line(verdict))}", f"Run `{verdict.run_id.replace('`', '')}`"]
    if found := remarks(material):
        parts.append("\n".join(_remark(each) for each in found))
    main = main_tables(material)
    parts += [table_of(table) for table in main]
    shown = {table.key for table in main}
    rest = [folded(table) for table in all_tables(material) if table.key not in shown]
    return _fitting(parts, rest)


def folded(table: Table) -> str:
    """Behind its title: in a pull request it opens with a click, elsewhere it is text between two tags."""
    return f"<details><summary>{escape(table.title)}</summary>\n\n{table_of(table)}\n\n</details>"


def _fitting(parts: list[str], rest: list[str]) -> str:
    """Evidence is left out, the last first, before a pull request would refuse all of it."""
    left_out = 0
    while rest and len("\n\n".join([*parts, *rest])) > MOST_CHARACTERS - len(LEFT_OUT):
        rest.pop()
        left_out += 1
    more = [LEFT_OUT.format(left_out)] if left_out else []
    return "\n\n".join([*parts, *rest, *more]) + "\n"


def escape(text: str) -> str:
    """Names and messages come from hosts and servers: they are text, never markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _remark(remark: Remark) -> str:
    first, *log = remark.text.splitlines() or [""]
    item = f"- {_sign(remark.outcome)}**{escape(remark.title)}**: {escape(first)}"
    if not log:
        return item
    # Two blanks in front keep the log inside the item, and it may not end its own fence.
    fenced = ["```", *(each.replace("```", "` ` `") for each in log), "```"]
    return "\n".join([item, "", *(f"  {each}" for each in fenced), ""])


def _sign(outcome: object) -> str:
    return next((f"{words} · " for known, words in WORDS.items() if known is outcome), "")


def table_of(table: Table) -> str:
    heading, note = f"## {escape(table.title)}", escape(table.note)
    if not table.rows:
        return f"{heading}\n\n{note}"
    lines = [
        _line([name for name, _ in table.columns]),
        "|" + "|".join(" ---: " if align == "right" else " --- " for _, align in table.columns) + "|",
        *(_line(row.cells) for row in table.rows),
    ]
    return "\n\n".join(filter(None, [heading, "\n".join(lines), note]))


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(escape(cell) or " " for cell in cells) + " |"
