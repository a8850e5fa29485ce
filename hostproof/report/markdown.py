"""The report as Markdown: for a pull request, a ticket, or a terminal."""

from __future__ import annotations

import re

from hostproof.judge.verdict import line
from hostproof.report.material import Material
from hostproof.report.ranking import Remark, remarks
from hostproof.report.table import WORDS, Table
from hostproof.report.tables import all_tables

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def render(material: Material) -> str:
    verdict = material.verdict
    parts = [f"# {escape(line(verdict))}", f"Run `{verdict.run_id.replace('`', '')}`"]
    if found := remarks(material):
        parts.append("\n".join(_remark(each) for each in found))
    parts += [table_of(table) for table in all_tables(material)]
    return "\n\n".join(parts) + "\n"


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
