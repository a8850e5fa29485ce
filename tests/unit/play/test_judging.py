"""Nothing that was to be judged is left out of the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.judge.model import Outcome
from hostproof.judge.verdict import line
from hostproof.measure.result import Result, to_json
from hostproof.play import judging
from hostproof.play.judging import Expected, judge
from tests.unit.judge.build import measured, result

GPU = Expected("epyc01", "gpu", "epyc", "coder", "B: GPU")
CPU = Expected("epyc01", "cpu", "epyc", "coder", "A: CPU")
THRESHOLDS = """\
schema: hostproof.thresholds/2
hardware: epyc
setup: gpu
model: coder
workload: seed
source: a test
thresholds:
  - {cell: decode, metric: generation_throughput, statistic: median, min: 25, unit: tok/s}
"""


@pytest.fixture
def thresholds(tmp_path: Path) -> Path:
    folder = tmp_path / "thresholds"
    folder.mkdir()
    (folder / "gpu.yml").write_text(THRESHOLDS)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def bring(run: Path, speed: float = 27.0, **changed: object) -> Result:
    found = replace(result(measured("generation_throughput", (speed,) * 6)), **changed)
    path = judging.path_of(run, "epyc01", "gpu")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(found))
    return found


def test_what_failed_after_the_measuring_is_not_hidden_by_good_figures(run: Path, thresholds: Path) -> None:
    """The proof of the device comes last: if it cannot be had, nothing is proven."""
    bring(run)
    expected = replace(GPU, problem="processes has an entry without a usable pid.")
    verdict = judge(run, "run-1", ["epyc01"], [expected], thresholds).verdict
    assert verdict.outcome is Outcome.UNMEASURED
    assert verdict.setups[0].findings[0] == "processes has an entry without a usable pid."
    bring(run, speed=20.0)
    assert judge(run, "run-1", ["epyc01"], [expected], thresholds).verdict.outcome is Outcome.BELOW


@pytest.mark.parametrize(("speed", "outcome"), [(27.0, Outcome.PROVEN), (24.0, Outcome.BELOW)])
def test_a_result_is_judged(run: Path, thresholds: Path, speed: float, outcome: Outcome) -> None:
    found = bring(run, speed)
    material = judge(run, "run-1", ["epyc01"], [GPU], thresholds)
    assert material.verdict.outcome is outcome
    assert material.results == (found,)
    assert material.titles == {"gpu": "B: GPU"}


def test_a_setup_without_a_result_is_unmeasured_and_says_why(run: Path, thresholds: Path) -> None:
    bring(run)
    died = replace(CPU, problem="it died. Its log ends:\n" + "\n".join(f"line {n}" for n in range(40)))
    material = judge(run, "run-1", ["epyc01"], [died, GPU], thresholds)
    assert material.verdict.outcome is Outcome.UNMEASURED
    assert (
        line(material.verdict) == "NOT PROVEN, not measured — 1 threshold: 1 proven, no result of epyc01/cpu."
    )
    (why,) = material.verdict.setups[0].findings
    assert why.splitlines()[0] == "it died. Its log ends:"
    assert why.splitlines()[-1] == "line 39"
    assert len(why.splitlines()) == 1 + judging.LOG_LINES


def test_a_setup_that_was_never_reached_says_so(run: Path, thresholds: Path) -> None:
    material = judge(run, "run-1", ["epyc01"], [GPU], thresholds)
    assert material.verdict.setups[0].findings == (judging.NEVER_CAME,)


def test_a_host_that_was_lost_is_in_the_verdict(run: Path, thresholds: Path) -> None:
    bring(run)
    material = judge(run, "run-1", ["epyc01", "epyc02"], [GPU], thresholds)
    assert material.verdict.outcome is Outcome.UNMEASURED
    assert material.verdict.setups[1].findings == (judging.NOT_REACHED,)


def test_nothing_expected_is_nothing_proven(run: Path, thresholds: Path) -> None:
    assert judge(run, "run-1", [], [], thresholds).verdict.outcome is Outcome.UNMEASURED


@pytest.mark.parametrize(
    "changed",
    [{"run_id": "run-0"}, {"host": "epyc02"}, {"hardware": "other"}],
)
def test_a_result_of_another_run_is_refused(run: Path, thresholds: Path, changed: dict[str, object]) -> None:
    bring(run, **changed)
    with pytest.raises(HostproofError, match=r"is a Result of .*, not of run-1 / epyc01 / gpu"):
        judge(run, "run-1", ["epyc01"], [GPU], thresholds)


def test_a_result_whose_workload_is_none_is_refused(run: Path, thresholds: Path) -> None:
    bring(run, workload={"name": "seed"})
    with pytest.raises(HostproofError, match="no workload of ours"):
        judge(run, "run-1", ["epyc01"], [GPU], thresholds)


def test_half_a_result_is_refused(run: Path, thresholds: Path) -> None:
    bring(run)
    path = judging.path_of(run, "epyc01", "gpu")
    path.write_text(path.read_text()[:300])
    with pytest.raises(HostproofError, match=r"is no Result: not JSON.*gpu\.json"):
        judge(run, "run-1", ["epyc01"], [GPU], thresholds)


def test_a_result_without_thresholds_is_refused(run: Path, thresholds: Path) -> None:
    bring(run)
    (thresholds / "gpu.yml").unlink()
    with pytest.raises(HostproofError, match="no thresholds for hardware epyc"):
        judge(run, "run-1", ["epyc01"], [GPU], thresholds)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_sample_that_is_no_number_is_refused(run: Path, thresholds: Path, number: str) -> None:
    bring(run)
    path = judging.path_of(run, "epyc01", "gpu")
    path.write_text(number.join(path.read_text().rsplit("27.0", 1)))
    with pytest.raises(HostproofError, match="is not a number that can be judged"):
        judge(run, "run-1", ["epyc01"], [GPU], thresholds)
