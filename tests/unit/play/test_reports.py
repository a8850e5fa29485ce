"""A past report is found and shown again, and ends as its verdict."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import record, reports
from hostproof.play.checkout import Checkout
from hostproof.play.events import Progress


def a_run(checkout: Checkout, second: int, *, text: str = "", outcome: str = "proven") -> Path:
    start = f"2026-11-24T15:18:{second:02}+00:00"
    run_id = record.run_id("validate", ["h1"], start)
    run = record.Run(run_id, "validate", {}, ("h1",), {}, {}, start)
    with record.opened(checkout.runs, run) as book:
        book.end(ExitStatus.YES, "", Progress(), interrupted=False)
    if text:
        (book.folder / "report.md").write_text(text)
        (book.folder / "verdict.json").write_text(json.dumps({"outcome": outcome}))
    return book.folder


def shown(checkout: Checkout, run_id: str, *, terminal: bool = False) -> tuple[ExitStatus, str]:
    console = Console(file=io.StringIO(), width=200, force_terminal=terminal)
    status = reports.again(checkout, console, run_id).status
    assert isinstance(console.file, io.StringIO)
    return status, console.file.getvalue()


def test_without_a_name_it_is_the_newest_that_has_a_report(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    a_run(checkout, 1, text="# old")
    newest = a_run(checkout, 2, text="# new", outcome="below")
    a_run(checkout, 3)
    status, text = shown(checkout, "")
    assert status is ExitStatus.NO
    assert text.splitlines() == ["# new", f"report: {newest}/report.html"]


def test_a_named_run_is_shown_as_markdown_on_a_terminal(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    old = a_run(checkout, 1, text="# old")
    a_run(checkout, 2, text="# new")
    _, text = shown(checkout, old.name, terminal=True)
    assert "old" in text
    assert "# old" not in text


def test_an_unknown_run_is_refused_with_the_known(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    known = a_run(checkout, 1, text="# old")
    with pytest.raises(HostproofError, match=f"Did you mean {known.name}"):
        shown(checkout, known.name[:-1])


def test_no_report_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(HostproofError, match=r"there is no report yet.*\./inv validate"):
        shown(Checkout(tmp_path), "")
