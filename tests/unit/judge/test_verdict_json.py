"""A verdict survives being written; anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hostproof.judge import verdict_json
from hostproof.judge.model import Verdict
from hostproof.judge.verdict import judge_setup, missing
from hostproof.play.ending import read_verdict

from .build import measured, result, threshold, thresholds

VERDICT = Verdict(
    "run-1",
    (
        judge_setup(result(measured("generation_throughput", (27.0,) * 6)), thresholds(threshold())),
        missing("epyc01", "cpu", "it died"),
    ),
)
TITLES = {"gpu": "B: GPU nvfp4"}


def test_written_and_read_it_is_the_same() -> None:
    assert verdict_json.from_json(verdict_json.to_json(VERDICT, TITLES)) == (VERDICT, TITLES)


def test_readers_who_want_no_more_find_outcome_and_line() -> None:
    raw = json.loads(verdict_json.to_json(VERDICT, TITLES))
    assert (raw["outcome"], raw["exit_status"]) == ("unmeasured", 1)
    assert raw["line"].startswith("NOT PROVEN, not measured")


def test_the_ending_of_a_run_reads_it(tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_text(verdict_json.to_json(VERDICT, TITLES))
    assert read_verdict(tmp_path) is VERDICT.outcome


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "hostproof.verdict/3"}',
        '{"schema": "hostproof.verdict/2"}',
        '{"schema": "hostproof.verdict/1", "run_id": "r"}',
        '{"schema": "hostproof.verdict/1", "run_id": "r", "setups": [], "titles": []}',
        '{"schema": "hostproof.verdict/1", "run_id": "r", "titles": {}, "setups": [{"host": "h"}]}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(verdict_json.VerdictError):
        verdict_json.from_json(text)


def test_an_outcome_that_nobody_knows_is_refused() -> None:
    text = verdict_json.to_json(VERDICT, TITLES).replace('"proven"', '"splendid"')
    with pytest.raises(verdict_json.VerdictError, match="splendid"):
        verdict_json.from_json(text)


def test_a_verdict_of_the_schema_before_is_read_too() -> None:
    raw = json.loads(verdict_json.to_json(VERDICT, TITLES))
    raw["schema"] = verdict_json.BEFORE
    for setup in raw["setups"]:
        del setup["goals"]
        for judged in setup["judged"]:
            old = judged["threshold"]
            kept = {key: old[key] for key in ("cell", "metric", "statistic", "source", "where")}
            judged["threshold"] = {**kept, "side": "at_least", "bound": old["low"]}
    assert verdict_json.from_json(json.dumps(raw)) == (VERDICT, TITLES)
