"""The host beside each run, in every form; findings by their weight; Markdown that fits; this run beside an earlier one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hostproof.judge.comparison import compare
from hostproof.judge.model import Outcome, Verdict
from hostproof.judge.verdict import judge_setup
from hostproof.report import html, markdown, terminal
from hostproof.report.figures import by_length, over_time
from hostproof.report.material import Material
from hostproof.report.ranking import missed_by, remarks
from hostproof.report.run_table import runs
from hostproof.report.tables import throughputs
from hostproof.report.timeline import MOST_CELLS, heat, timeline
from tests.unit.judge.build import epyc, threshold

from . import build
from .page import read


def test_each_run_has_its_row_and_a_contended_one_is_marked() -> None:
    (table,) = runs(build.timed())
    names = [name for name, _ in table.columns]
    third = dict(zip(names, table.rows[2].cells, strict=True))
    assert [row.marked for row in table.rows] == [False, False, True, False, False, False]
    assert (third["Others' cores"], third["Waited for a core"], third["Clock"]) == (
        "4.20",
        "31%",
        "4,420 MHz",
    )
    assert (third["Energy"], third["Energy a token"]) == ("10,400 J", "13.2 J/tok")
    assert third["Throughput a watt"] == "0.0780 tok/s/W"
    assert third["Contended"].startswith("! contended: others took 4.20 of 16 cores")
    assert table.rows[4].cells[names.index("GPU held back by")] == "power cap"
    assert table.note.startswith("1 of 6 runs are contended")


def test_a_sample_stands_beside_a_run_only_where_it_is_sure_whose_it_is() -> None:
    given = build.timed()
    (result,) = given.results
    short = replace(
        result,
        measurements=tuple(
            replace(m, samples=m.samples[:-1])
            if m.metric == "generation_throughput" and m.cell == "decode"
            else m
            for m in result.measurements
        ),
    )
    (table,) = runs(replace(given, results=(short,)))
    assert "TG" not in [name for name, _ in table.columns], "five samples of six runs"


def test_columns_that_no_host_fills_are_left_out() -> None:
    given = build.timed()
    (result,) = given.results
    told = [
        {key: value for key, value in run.items() if not key.endswith("joules")}
        for run in result.telemetry["runs"]
    ]
    (table,) = runs(replace(given, results=(replace(result, telemetry={**result.telemetry, "runs": told}),)))
    assert "Energy" not in [name for name, _ in table.columns]


def test_without_telemetry_there_is_no_such_table_and_no_picture_of_time() -> None:
    assert list(runs(build.judged())) == []
    (result,) = build.judged().results
    assert timeline(result) is None
    assert heat(result) is None


def test_every_form_marks_the_contended_run() -> None:
    given = build.timed()
    shown = (html.render(given), markdown.render(given), terminal.text(given, 400, everything=True))
    for said in shown:
        assert "! contended: others took 4.20 of 16 cores" in said


def test_the_picture_of_time_has_a_stair_a_run_and_a_tint_where_it_was_contended() -> None:
    given = build.timed()
    ((part, result),) = given.measured
    speeds, cores = over_time(part, result)
    picture = read(str(speeds.drawing))
    assert sum("curve series-0" in p.attributes["class"] for p in picture.all("path")) >= 6
    (tint,) = [r for r in picture.all("rect") if r.attributes["class"] == "contended"]
    assert tint.text.startswith("contended: decode run 3: others took")
    assert cores.shades


@pytest.mark.parametrize("cores", [1, 2, 96, 97, 384])
def test_the_map_of_the_cores_is_bounded_and_has_every_core(cores: int) -> None:
    drawn = heat(build.watched(cores=cores))
    assert drawn is not None
    boxes = sum(path.attributes["d"].count("M") for path in read(str(drawn)).all("path"))
    assert 0 < boxes <= MOST_CELLS
    assert f"Mean use of {cores} processors" in str(drawn)


def test_the_furthest_miss_comes_first_and_a_wrong_answer_before_it() -> None:
    near = threshold(bound=27.7), 27.6
    far = threshold("latency_at_800", "max", 1.0), 29.0
    judged = build.judged().verdict.setups[0].judged
    by_threshold = {each.threshold.metric: each for each in judged}
    assert missed_by(replace(by_threshold["generation_throughput"], threshold=near[0], value=near[1])) < 0.01
    assert missed_by(replace(by_threshold["latency_at_800"], threshold=far[0], value=far[1])) > 0.9
    assert missed_by(replace(by_threshold["latency_at_800"], value=None)) == 0.0


def test_findings_come_by_outcome_then_weight() -> None:
    found = remarks(build.timed())
    assert found[0].text.startswith("contended: ")
    assert [each.weight for each in found] == sorted((each.weight for each in found), reverse=True)
    assert found[-1].text.startswith("cell prefix is measured but not judged")


def test_what_several_hosts_share_is_told_once() -> None:
    texts = [each.text for each in remarks(build.fleet())]
    assert len(texts) == len(set(texts))
    shared = next(each for each in remarks(build.fleet()) if "prefix is measured but not judged" in each.text)
    assert shared.title == "epyc01 · B: GPU nvfp4, epyc02 · B: GPU nvfp4, epyc03 · B: GPU nvfp4 and 2 more"


def test_one_verdict_line_stands_first_in_every_text() -> None:
    given = build.judged()
    for said in (terminal.text(given), terminal.brief(given), markdown.render(given).removeprefix("# ")):
        assert said.startswith("NOT PROVEN")
    assert remarks(given)[0].outcome is Outcome.UNMEASURED


def test_markdown_fits_into_a_pull_request_and_says_what_it_left_out() -> None:
    said = markdown.render(build.huge())
    assert len(said) < 65_536
    assert "more tables are in report.html" in said
    assert said.count("<details>") == said.count("</details>")
    brief = markdown.render(build.timed())
    assert "<details><summary>Runs, and the host meanwhile</summary>" in brief
    assert "more tables are in" not in brief


def test_a_workload_of_many_cells_has_tables_that_paper_has_room_for() -> None:
    found = list(throughputs(build.huge()))
    assert len(found) == 7
    assert all(len(table.columns) <= 7 for table in found)
    assert [bool(table.note) for table in found] == [False] * 6 + [True]
    assert len({table.key for table in found}) == 7


def test_this_run_stands_beside_an_earlier_one() -> None:
    given = build.timed()
    compared = compare(epyc(seed=9, speed=20.0), given.results[0])
    page = read(html.render(given, [compared]))
    assert any(h.text == "Before and after" for h in page.all("h2"))
    captions = [each.text for each in page.all("caption")]
    assert "Before and after: epyc01, gpu" in captions
    ratios = next(svg for svg in page.all("svg") if "After by before" in svg.attributes.get("aria-label", ""))
    assert "generation throughput (TG) in decode: 1.3" in next(ratios.all("desc")).text


def test_bounds_of_two_setups_at_one_length_are_both_drawn_and_equal_ones_once() -> None:
    """A CPU and a GPU have different limits for one prompt."""
    result = epyc()
    loose, tight = (threshold("ttft", "max", bound, cell="long-prompt") for bound in (60.0, 3.0))
    other = replace(result, setup=replace(result.setup, name="cpu"))
    found = (judge_setup(result, build.only(tight)), judge_setup(other, build.only(loose)))
    drawn = next(by_length(Material(Verdict("r", found), (result, other))))
    titles = {
        line.text for line in read(str(drawn.drawing)).all("line") if line.attributes["class"] == "bound"
    }
    assert titles == {"median ≤ 3 s", "median ≤ 60 s"}
    twice = Material(Verdict("r", (found[0], replace(found[0], host="h2"))), (result,))
    lines = read(str(next(by_length(twice)).drawing)).all("line")
    assert sum(line.attributes["class"] == "bound" for line in lines) == 1
