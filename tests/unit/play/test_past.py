"""Results of earlier runs: found by file, run and host; compared, followed and calibrated from, or refused in one sentence."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.judge import thresholds
from hostproof.measure.result import Result, to_json
from hostproof.play import calibrate, compare_runs, history, past
from hostproof.play.calibrate import Asked
from hostproof.play.checkout import Checkout
from tests.unit.judge import build
from tests.unit.judge.build import measured, result


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "inventory" / "thresholds").mkdir(parents=True)
    return Checkout(tmp_path)


def bring(checkout: Checkout, number: int, speed: float = 27.0, host: str = "epyc01", **changed: Any) -> Path:
    chance = random.Random(number)
    found = result(
        measured("generation_throughput", [chance.gauss(speed, 0.05) for _ in range(6)]),
        measured("ttft", [chance.gauss(0.11, 0.001) for _ in range(6)]),
        measured("failed_requests", (0.0,) * 6),
        host=host,
        **{"started": f"2026-11-{number:02}T10:00:00+00:00", **changed},
    )
    run = checkout.runs / f"202611{number:02}T100000Z-validate-{host}"
    path = run / "results" / host / f"{found.setup.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(found))
    return path


def console() -> Console:
    return Console(file=io.StringIO(), width=160)


def said(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def refused(*arguments: Any, **named: Any) -> str:
    with pytest.raises(HostproofError) as caught:
        compare_runs.show(*arguments, **named)
    return str(caught.value)


def test_runs_and_files_are_both_names(checkout: Checkout) -> None:
    one, other = bring(checkout, 1), bring(checkout, 2, speed=24.0)
    by_run = compare_runs.show(checkout, console(), one.parents[2].name, other.parents[2].name)
    by_file = compare_runs.show(checkout, console(), str(one), str(other))
    assert by_run == by_file
    assert by_run.status is ExitStatus.NO
    assert by_run.sentence == "gpu: worse: generation throughput (TG) in decode."


def test_what_cannot_be_compared_is_refused_unless_forced_and_then_marked(checkout: Checkout) -> None:
    one = bring(checkout, 1)
    other = bring(checkout, 2, setup=replace(result().setup, model="other"))
    assert "the models differ: coder and other" in refused(checkout, console(), str(one), str(other))
    where = console()
    ending = compare_runs.show(checkout, where, str(one), str(other), force=True)
    assert "FORCED: not of one kind: the models differ: coder and other" in said(where)
    assert "(FORCED: not of one kind)" in ending.sentence


def test_a_name_that_is_nothing_names_the_nearest(checkout: Checkout) -> None:
    bring(checkout, 1)
    assert "Did you mean 20261101T100000Z-validate-epyc01?" in refused(
        checkout, console(), "20261101T100000Z-validate-epyc1", "x"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{}", "schema is None, this reader knows 'hostproof.result/1'"),
        ('{"schema": "hostproof.result/0"}', "schema is 'hostproof.result/0', this reader knows"),
        ("nonsense", "not JSON"),
    ],
)
def test_a_result_of_another_schema_is_refused_by_name(checkout: Checkout, text: str, what: str) -> None:
    one, other = bring(checkout, 1), bring(checkout, 2)
    other.write_text(text)
    found = refused(checkout, console(), str(one), str(other))
    assert what in found
    assert str(other) in found


def test_setups_are_paired_by_name_and_host(checkout: Checkout) -> None:
    for number in (1, 2):
        bring(checkout, number)
        bring(checkout, number, setup=replace(result().setup, name="cpu"))
    one, other = (past.named(checkout, each.name) for each in past.runs(checkout))
    assert [(a.result.setup.name, b.result.setup.name) for a, b in past.pairs(one, other)] == [
        ("cpu", "cpu"),
        ("gpu", "gpu"),
    ]


def test_history_names_the_run_where_it_changed(checkout: Checkout) -> None:
    for number in range(1, 21):
        bring(checkout, number, speed=27.0 if number < 13 else 24.0)
    where = console()
    ending = history.show(checkout, where, "epyc01")
    assert ending.status is ExitStatus.NO
    assert (
        "generation throughput (TG) in decode of gpu got worse with run 20261113T100000Z-validate-epyc01 "
        "(after 20261112T100000Z-validate-epyc01): 27.0 tok/s → 24.0 tok/s (-11%" in said(where)
    )
    assert ending.sentence == "epyc01: 1 change in 2 series of up to 20 runs."


def test_history_leaves_out_what_it_cannot_read_and_says_so(checkout: Checkout) -> None:
    bring(checkout, 1)
    bring(checkout, 2).write_text('{"schema": "hostproof.result/0"}')
    where = console()
    ending = history.show(checkout, where, "epyc01")
    assert "schema is 'hostproof.result/0'" in said(where)
    assert ending.status is ExitStatus.INCONCLUSIVE
    assert "1 of one kind, and it takes 9" in ending.sentence


def test_history_of_a_host_that_was_never_measured(checkout: Checkout) -> None:
    bring(checkout, 1)
    with pytest.raises(HostproofError, match=r"no Results of host 'epyc1'.*Did you mean epyc01"):
        history.show(checkout, console(), "epyc1")
    with pytest.raises(HostproofError, match=r"no Results of setup 'cpu'.*Known setups: gpu"):
        history.show(checkout, console(), "epyc01", ["cpu"])


def asked(**changed: Any) -> Asked:
    return replace(Asked("epyc01", (), (), write=False), **changed)


def test_calibrate_shows_a_diff_and_writes_only_when_told_to(checkout: Checkout) -> None:
    for number in (1, 2, 3):
        bring(checkout, number)
    folder, where = checkout.root / "inventory" / "thresholds", console()
    shown = calibrate.run(checkout, where, asked())
    assert shown.status is ExitStatus.NO
    assert "+    no_worse_than: {baseline: 27" in said(where)
    assert list(folder.iterdir()) == []
    assert calibrate.run(checkout, console(), asked(write=True)).status is ExitStatus.YES
    (found,) = thresholds.load(folder).values()
    assert found.key == ("epyc", "gpu", "coder", "seed")
    again = calibrate.run(checkout, console(), asked(write=True))
    assert again.sentence == "nothing to propose that the thresholds do not say already."


def test_calibrate_learns_from_the_runs_it_is_told_to(checkout: Checkout) -> None:
    bring(checkout, 1)
    slow = bring(checkout, 2, speed=20.0)
    where = console()
    calibrate.run(checkout, where, asked(runs=(slow.parents[2].name,)))
    assert "baseline: 20" in said(where)
    with pytest.raises(HostproofError, match="no Results of run 'x'"):
        calibrate.run(checkout, console(), asked(runs=("x",)))


def test_only_the_newest_version_of_a_workload_is_learned_from(checkout: Checkout) -> None:
    bring(checkout, 1, speed=20.0)
    bring(checkout, 2, workload={**build.ONE_CELL, "version": 2})
    where = console()
    calibrate.run(checkout, where, asked())
    assert "baseline: 27" in said(where)


def test_a_server_that_misbehaved_teaches_nothing(checkout: Checkout) -> None:
    path = bring(checkout, 1)
    raw = json.loads(path.read_text())
    raw["checks"][0]["passed"] = False
    path.write_text(json.dumps(raw))
    where = console()
    ending = calibrate.run(checkout, where, asked())
    assert "is no standard: its server failed answers" in said(where)
    assert ending.sentence.startswith("nothing to propose")


def test_a_result_as_written_is_one_that_is_found(checkout: Checkout) -> None:
    path = bring(checkout, 1)
    (found,) = past.named(checkout, str(path))
    assert isinstance(found.result, Result)
    assert found.run == "20261101T100000Z-validate-epyc01"
