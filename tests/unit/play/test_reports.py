"""A past report is found and shown again, and ends as its verdict."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.measure.result import to_json
from hostproof.play import record, reports
from hostproof.play.checkout import Checkout
from hostproof.play.events import Progress
from hostproof.report.material import Material
from hostproof.report.write import write
from tests.unit.report import build


def a_run(checkout: Checkout, second: int, judged: Material | None = None) -> Path:
    start = f"2026-11-24T15:18:{second:02}+00:00"
    run_id = record.run_id("validate", ["h1"], start)
    run = record.Run(run_id, "validate", {}, ("h1",), {}, {}, start)
    with record.opened(checkout.runs, run) as book:
        book.end(ExitStatus.YES, "", Progress(), interrupted=False)
    if judged:
        write(judged, book.folder)
        (book.folder / "results").mkdir()
        for number, result in enumerate(judged.results):
            (book.folder / "results" / f"{number}.json").write_text(to_json(result))
    return book.folder


def shown(checkout: Checkout, run_id: str, *, terminal: bool = False) -> tuple[ExitStatus, str]:
    console = Console(file=io.StringIO(), width=200, force_terminal=terminal)
    status = reports.again(checkout, console, run_id).status
    assert isinstance(console.file, io.StringIO)
    return status, console.file.getvalue()


def test_without_a_name_it_is_the_newest_that_has_a_report(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    a_run(checkout, 1, build.proven())
    newest = a_run(checkout, 2, build.judged())
    a_run(checkout, 3)
    status, text = shown(checkout, "")
    assert status is ExitStatus.COULD_NOT
    assert text.startswith("NOT PROVEN, not measured")
    assert text.splitlines()[-1] == f"report: {newest}/report.html"


def test_a_named_run_is_shown_with_its_tables(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    old = a_run(checkout, 1, build.proven())
    a_run(checkout, 2, build.judged())
    for terminal in (True, False):
        status, text = shown(checkout, old.name, terminal=terminal)
        assert status is ExitStatus.YES
        assert "PROVEN — 1 threshold: 1 proven." in text
        for title in ("Thresholds", "Measured throughput", "Comparison summary", "Performance factor"):
            assert title in text


def test_a_pipe_has_room_for_the_tables(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    a_run(checkout, 1, build.proven())
    console = Console(file=io.StringIO(), width=40)
    reports.again(checkout, console, "")
    assert isinstance(console.file, io.StringIO)
    assert "generation throughput (TG)   median ≥ 20 tok/s" in console.file.getvalue()


def test_an_unknown_run_is_refused_with_the_known(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    known = a_run(checkout, 1, build.proven())
    with pytest.raises(HostproofError, match=f"Did you mean {known.name}"):
        shown(checkout, known.name[:-1])


def test_no_report_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(HostproofError, match=r"there is no report yet.*\./inv validate"):
        shown(Checkout(tmp_path), "")


def beside(checkout: Checkout, run_id: str, other: str, *, force: bool = False) -> tuple[ExitStatus, str]:
    console = Console(file=io.StringIO(), width=200)
    status = reports.against(checkout, console, run_id, other, force=force).status
    assert isinstance(console.file, io.StringIO)
    return status, console.file.getvalue()


def test_a_run_beside_an_earlier_one_is_shown_and_has_a_page(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    old, new = a_run(checkout, 1, build.proven()), a_run(checkout, 2, build.timed())
    status, text = beside(checkout, new.name, old.name)
    assert status is ExitStatus.YES, "it ends as its own verdict"
    assert "Before and after" in text
    page = new / f"report-against-{old.name}.html"
    assert text.splitlines()[-1] == f"before and after: {page}"
    assert "Before and after: epyc01, gpu" in page.read_text()
    assert "Before and after" not in (new / "report.html").read_text(), "its own report stays as it was"


def test_another_model_beside_it_is_refused_unless_forced_and_then_marked(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    new = a_run(checkout, 2, build.proven())
    (result,) = build.proven().results
    other = tmp_path / "other.json"
    other.write_text(to_json(replace(result, setup=replace(result.setup, model="another"))))
    with pytest.raises(HostproofError, match="the models differ"):
        beside(checkout, new.name, str(other))
    assert not list(new.glob("report-against-*"))
    beside(checkout, new.name, str(other), force=True)
    assert "FORCED: not of one kind: the models differ" in (new / "report-against-other.html").read_text()
