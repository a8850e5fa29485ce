"""Every form says the same, escapes what it shows and can be read again."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.judge.verdict import line
from hostproof.measure.result import to_json
from hostproof.report import html, json_file, junit, markdown, material, terminal
from hostproof.report.__main__ import main
from hostproof.report.material import Material
from hostproof.report.ranking import remarks
from hostproof.report.write import FORMS, write
from tests.unit.judge.build import epyc

from . import build

MATERIALS = [build.judged(), build.proven(), build.hostile(), build.empty()]
each = pytest.mark.parametrize("given", MATERIALS, ids=["judged", "proven", "hostile", "empty"])

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Open tags, links, scripts; svg's own elements close themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without a beginning"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@each
def test_the_page_is_whole_and_needs_nothing_else(given: Material) -> None:
    reader = Reader()
    page = html.render(given)
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.seen
    assert [each for each in reader.addresses if not each.startswith("#")] == ["data:,"]
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", page)
    assert line(given.verdict) in " ".join(reader.text.split())


def test_the_page_shows_every_threshold_and_every_run() -> None:
    page = html.render(build.judged())
    for words in ("✓ pass", "✗ fail", "? inconclusive", "∅ not measured"):
        assert words in page
    assert page.count('class="run"') >= 6 * 4
    assert "no such file" in page, "the last lines of a log are shown"


def test_junit_is_green_only_where_it_is_proven() -> None:
    root = ET.fromstring(junit.render(build.judged()).encode())
    found = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert found["decode generation_throughput median ≥ 25 tok/s"] == []
    assert found["decode latency_at_800 median ≤ 1 s"] == ["failure"]
    assert found["decode performance_factor median ≥ 0.693 tok/s/B"] == ["failure"]
    assert found["something was judged"] == ["error"]
    kinds = {fail.get("type") for fail in root.iter("failure")}
    assert kinds == {"below", "inconclusive"}


def test_junit_of_nothing_is_an_error() -> None:
    (suite,) = ET.fromstring(junit.render(build.empty()).encode())
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


@each
def test_json_is_strict_and_has_the_verdict(given: Material) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    raw = json.loads(json_file.render(given), parse_constant=refuse)
    assert raw["verdict"]["outcome"] == given.verdict.outcome.value
    assert len(raw["setups"]) == len(given.measured)


def test_json_has_intervals_and_no_raw_gaps() -> None:
    text = json_file.render(build.judged())
    raw = json.loads(text)
    found = {(m["cell"], m["metric"]): m for m in raw["setups"][0]["measurements"]}
    speed = found["decode", "generation_throughput"]
    assert speed["interval"][0] <= speed["median"] <= speed["interval"][1]
    assert speed["n"] == 6
    assert "interval" not in found["decode", "inter_token_latency"], "gaps depend on each other"
    assert found["prefix", "prompt_throughput"]["problem"]
    assert len(text) < 60_000


@each
def test_markdown_tables_have_as_many_cells_as_columns(given: Material) -> None:
    text = markdown.render(given)
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}
        assert len(widths) == 1, block


def test_markdown_shows_names_as_text() -> None:
    text = markdown.render(build.hostile())
    assert "<script>" not in text
    assert r"\<script\>" in text


def test_a_log_in_markdown_stays_in_its_fence() -> None:
    text = markdown.render(build.judged())
    assert "\n  ```\n  loading …\n  no such file\n  ```\n" in text


def test_the_terminal_shows_the_main_tables_and_on_demand_every_one() -> None:
    def shown(*, everything: bool) -> str:
        console = Console(file=io.StringIO(), width=120)
        terminal.show(console, build.judged(), everything=everything)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    brief, full = shown(everything=False), shown(everything=True)
    for title in (
        "Thresholds: B: GPU nvfp4",
        "Latency by output length",
        "Comparison summary",
        "Performance factor",
    ):
        assert title in brief
        assert title in full
    assert "Environment" not in brief
    assert "Environment" in full


@pytest.mark.parametrize("width", [60, 80, 118])
def test_no_figure_is_cut_however_narrow_the_terminal(width: int) -> None:
    words = set(terminal.text(build.judged(), width).split())
    for table in terminal.main_tables(build.judged()):
        for row in table.rows:
            for cell in row.cells:
                assert set(cell.split()) <= words, cell
    assert "…" not in "".join(words - {"…"})


def test_the_message_of_a_failed_run_names_each_threshold_that_is_missed() -> None:
    said = terminal.brief(build.judged())
    assert said.splitlines()[0].startswith(
        "NOT PROVEN, not measured — 4 thresholds: 2 proven, 1 inconclusive"
    )
    assert "✗ B: GPU nvfp4: latency to token 800 in decode" in said
    assert "? B: GPU nvfp4: performance factor (PF) in decode" in said
    assert "∅ A: CPU: llama-server.service does not serve" in said
    assert "      no such file" in said.splitlines()


def test_the_worst_comes_first() -> None:
    order = [r.outcome.value if r.outcome else "" for r in remarks(build.judged())]
    assert order == ["unmeasured", "below", "inconclusive", *[""] * (len(order) - 3)]


def test_everything_is_written_and_can_be_loaded_again(tmp_path: Path) -> None:
    given = build.judged()
    results = tmp_path / "results" / "epyc01"
    results.mkdir(parents=True)
    (results / "gpu.json").write_text(to_json(given.results[0]))
    written = write(given, tmp_path)
    assert {path.name for path in written} == set(FORMS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FORMS, "results"])
    assert material.load(tmp_path) == given
    assert main([str(tmp_path)]) == 1


def test_a_folder_without_a_verdict_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "the run has no verdict" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", to_json(epyc())[:500]])
def test_a_result_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    write(build.judged(), tmp_path)
    results = tmp_path / "results"
    results.mkdir()
    (results / "gpu.json").write_text(text)
    with pytest.raises(HostproofError, match=r"is no Result: .*gpu\.json"):
        material.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostproofError, match="the report cannot be written"):
        write(build.judged(), tmp_path / "file")
