"""Several hosts: one page ranks them, names the odd one and what differs in its passport; each has a page of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hostproof.judge.verdict import missing
from hostproof.measure.result import to_json
from hostproof.report import fleet, html, junit, markdown, material, terminal
from hostproof.report.material import PASSPORTS, RESULTS
from hostproof.report.ranking import remarks
from hostproof.report.write import FORMS, write

from . import build
from .page import read


def test_a_single_host_is_no_fleet() -> None:
    assert fleet.of(build.judged()) is None
    assert "The hosts side by side" not in html.render(build.judged())


def test_the_outlier_is_named_with_what_its_passport_alone_has() -> None:
    found = fleet.of(build.fleet())
    assert found is not None
    told = found.sentences[0]
    assert told.startswith("outlier: epyc05 is worse than the others in gpu: generation throughput (TG) 14")
    assert "In its passport alone: memory.channels 11 (others 12)" in told
    assert "11 × 64.0 GiB (others 12 × 64.0 GiB)" in told
    assert "draw" not in told


def test_the_outlier_is_the_first_of_what_decides_nothing() -> None:
    texts = [each.text for each in remarks(build.fleet()) if each.outcome is None]
    assert texts[0].startswith("outlier: epyc05")


def test_the_ranking_has_every_host_the_best_first_and_marks_the_odd_one() -> None:
    found = fleet.of(build.fleet())
    assert found is not None
    ranking, passports = found.tables
    assert [row.cells[1] for row in ranking.rows][-1] == "epyc05"
    assert [row.marked for row in ranking.rows] == [False] * 4 + [True]
    assert ranking.rows[-1].cells[0] == "5"
    assert ranking.rows[-1].cells[4].startswith("-49")
    assert passports.rows[0].cells == ("memory.channels", "12", "epyc05: 11")


def test_a_host_that_was_lost_is_last_and_says_why() -> None:
    given = build.fleet(4, slow=27.5)
    lost = replace(
        given,
        verdict=replace(
            given.verdict, setups=(*given.verdict.setups, missing("epyc09", "gpu", "it was not reached"))
        ),
    )
    found = fleet.of(lost)
    assert found is not None
    last = found.tables[0].rows[-1]
    assert (last.cells[0], last.cells[1], last.cells[-1]) == ("–", "epyc09", "it was not reached")
    assert lost.verdict.outcome.value == "unmeasured"


def test_two_hosts_are_ranked_and_neither_is_blamed() -> None:
    found = fleet.of(build.fleet(2))
    assert found is not None
    assert found.sentences == (
        "gpu: no outlier is named among 2 hosts: with fewer than 4 nobody can say which of them is the odd one",
    )
    assert found.tables[1].rows[0].cells == ("memory.channels", "–", "epyc01: 12; epyc02: 11")


def test_hosts_that_are_alike_are_said_to_be() -> None:
    given = build.fleet(5, slow=27.6)
    alike = replace(given, passports={host: build.passport() for host in given.hosts})
    found = fleet.of(alike)
    assert found is not None
    assert found.sentences == ("gpu: no host is unlike the others",)
    assert found.tables[1].rows == ()
    assert "nothing differs" in found.tables[1].note


def test_every_form_names_the_outlier() -> None:
    given = build.fleet()
    for said in (html.render(given), markdown.render(given), terminal.text(given), terminal.brief(given)):
        assert "outlier: epyc05" in " ".join(said.split())
    assert junit.render(given).count("<testsuite ") == 5


def test_each_host_has_a_page_and_the_fleet_s_leads_there(tmp_path: Path) -> None:
    given = build.fleet()
    written = {path.name for path in write(given, tmp_path)}
    pages = {f"report-epyc0{number}.html" for number in range(1, 6)}
    assert written == {*FORMS, *pages}
    links = {a.attributes["href"] for a in read((tmp_path / "report.html").read_text()).all("a")}
    assert pages <= links
    own = (tmp_path / "report-epyc05.html").read_text()
    assert "epyc01" not in own
    assert "Every run against its threshold" in own


def test_what_was_written_can_be_loaded_with_passports(tmp_path: Path) -> None:
    given = build.fleet()
    for result in given.results:
        (folder := tmp_path / RESULTS / result.host).mkdir(parents=True)
        (folder / "gpu.json").write_text(to_json(result))
    (tmp_path / PASSPORTS).mkdir()
    for host, told in given.passports.items():
        facts = {key: value for key, value in told.items() if key not in ("gpus", "driver")}
        kept = {"facts": facts, "gpu": {"gpus": told["gpus"], "driver": told["driver"], "unreadable": {}}}
        (tmp_path / PASSPORTS / f"{host}.json").write_text(json.dumps(kept))
    write(given, tmp_path)
    assert fleet.of(material.load(tmp_path)) == fleet.of(given)


def test_where_a_single_host_could_be_read_nothing_is_said_to_be_alike() -> None:
    given = build.fleet(2)
    alone = replace(
        given,
        verdict=replace(
            given.verdict, setups=(given.verdict.setups[0], missing("epyc02", "gpu", "it was not reached"))
        ),
        results=given.results[:1],
        passports={"epyc01": build.passport()},
    )
    found = fleet.of(alone)
    assert found is not None
    assert found.sentences[0].startswith("nothing to rank: no setup was measured on two hosts")
    (passports,) = found.tables
    assert passports.note.startswith("Fewer than two hosts could be read")
