"""Thresholds out of measured runs: wide enough for what those varied by, and nothing else in the file is touched."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from hostproof.judge import thresholds
from hostproof.judge.calibration import Proposal, propose, usable
from hostproof.judge.model import Outcome
from hostproof.judge.threshold_text import fresh, updated
from hostproof.judge.verdict import judge_setup
from hostproof.measure.result import Check, Result
from hostproof.measure.workload import parse

from . import build
from .build import measured, result

CELLS = parse(build.ONE_CELL).cells


def quiet(speed: float = 27.0, day: int = 1, seed: int = 1) -> Result:
    chance = random.Random(seed)
    return result(
        measured("generation_throughput", [chance.gauss(speed, 0.05) for _ in range(6)]),
        measured("ttft", [chance.gauss(0.11, 0.001) for _ in range(6)]),
        started=f"2026-11-{day:02}T10:00:00+00:00",
    )


def test_one_measurement_gives_a_margin_of_ten_percent_three_give_five() -> None:
    one, _ = propose([quiet()], CELLS)
    three, _ = propose([quiet(day=day, seed=day) for day in (1, 2, 3)], CELLS)
    assert {each.margin for each in one} == {0.10}
    assert {each.margin for each in three} == {0.05}
    assert three[0].source == "calibrated: 3 measurements, 18 runs, 2026-11-01 to 2026-11-03"


def test_measurements_that_differ_widen_the_margin() -> None:
    found, _ = propose([quiet(26.0), quiet(27.0), quiet(28.0)], CELLS)
    speed = next(each for each in found if each.metric == "generation_throughput")
    assert 0.07 <= speed.margin <= 0.08


def test_what_varies_too_much_is_not_proposed() -> None:
    found, refused = propose([quiet(10.0), quiet(27.0), quiet(60.0)], CELLS)
    assert [each.metric for each in found] == ["ttft"]
    assert "generation_throughput in decode: it varies by" in refused[0]


def test_too_few_runs_are_not_proposed() -> None:
    _, refused = propose([result(measured("ttft", (0.1,) * 5))], CELLS)
    assert refused[0] == "ttft in decode: 5 runs are too few for an interval: it takes 6"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"checks": ()}, "its server's behaviour was not checked"),
        ({"checks": (Check("stop", False, "leaked"),)}, "its server failed stop"),
    ],
)
def test_a_server_that_misbehaves_is_no_standard(changed: dict[str, tuple[Check, ...]], why: str) -> None:
    bad = replace(quiet(), **changed)
    assert usable(bad) == why
    assert propose([bad], CELLS)[0] == []


def test_a_host_that_stays_as_it_was_meets_its_own_calibration() -> None:
    found, _ = propose([quiet(seed=seed, day=seed) for seed in (1, 2, 3)], CELLS)
    text = fresh(("epyc", "gpu", "coder", "seed"), found, ["decode"])
    later = judged(text, quiet(seed=9))
    assert later == {Outcome.PROVEN}
    assert Outcome.BELOW in judged(text, quiet(seed=9, speed=24.0))


def judged(text: str, later: Result) -> set[Outcome]:
    given = loaded(text)
    later = replace(later, measurements=(*later.measurements, measured("failed_requests", (0.0,) * 6)))
    return {each.outcome for each in judge_setup(later, given).judged}


def loaded(text: str) -> thresholds.ThresholdsFile:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "t.yml"
        copy.write_text(text, encoding="utf-8")
        return thresholds.load_file(copy)


FILE = """\
# A comment above.
schema: hostproof.thresholds/2
hardware: epyc
setup: gpu
model: coder
workload: seed
source: a test
thresholds:
  - {cell: decode, metric: generation_throughput, statistic: median, min: 25, unit: tok/s}  # the article

  # What we saw in spring.
  - cell: decode
    metric: generation_throughput
    statistic: median
    no_worse_than: {baseline: 26, margin: 0.05}
    unit: tok/s
    source: >-
      calibrated,
      long ago
  # What the seed says.
  - {cell: decode, metric: failed_requests, statistic: max, max: 0, unit: requests}

# Behind it.
not_judged: {prefix: warm}
"""
NEW = Proposal("decode", "generation_throughput", 27.6, 0.05, 3, 18, ("2026-11-01", "2026-11-03"))


def test_an_older_calibration_is_replaced_and_everything_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_text(FILE)
    text = updated(path, [NEW])
    assert "baseline: 26," not in text
    assert "long ago" not in text
    for line in (
        "# A comment above.",
        "min: 25, unit: tok/s}  # the article",
        "# What the seed says.",
        "# Behind it.",
    ):
        assert line in text
    assert text.index("max: 0") < text.index("baseline: 27.6") < text.index("# Behind it.")
    path.write_text(text)
    kinds = [(t.kind, t.baseline) for t in thresholds.load_file(path).thresholds]
    assert kinds == [("min", None), ("max", None), ("no_worse_than", 27.6)]


def test_the_same_calibration_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_text(FILE)
    path.write_text(updated(path, [NEW]))
    assert updated(path, [NEW]) == path.read_text()


def test_a_file_for_what_had_none_is_one_that_loads(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_text(fresh(("epyc", "gpu", "coder", "seed"), [NEW], ["decode", "prefix"]))
    found = thresholds.load_file(path)
    assert found.key == ("epyc", "gpu", "coder", "seed")
    assert {t.cell for t in found.thresholds} == {"decode", "prefix"}
