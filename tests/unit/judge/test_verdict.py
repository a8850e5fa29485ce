"""Only a whole interval on the good side is a pass; nothing measured and nothing judged never are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.judge.model import Judged, Outcome, SetupVerdict, Threshold, Verdict
from hostproof.judge.statistics import Interval
from hostproof.judge.verdict import judge_setup, line, missing, place
from hostproof.measure.result import Check, Measurement, Result, Setup

from . import build
from .build import measured, result, threshold, thresholds

FAST = (26.0, 26.5, 27.0, 27.5, 28.0, 28.5)


def judged(one: Threshold, *measurements: Measurement) -> Judged:
    (found,) = judge_setup(result(*measurements), thresholds(one)).judged
    return found


@pytest.mark.parametrize(
    ("bound", "outcome"),
    [
        (25.0, Outcome.PROVEN),
        (26.0, Outcome.PROVEN),
        (26.001, Outcome.INCONCLUSIVE),
        (28.5, Outcome.INCONCLUSIVE),
        (28.501, Outcome.BELOW),
    ],
)
def test_a_lower_bound_needs_the_whole_interval_above_it(bound: float, outcome: Outcome) -> None:
    found = judged(threshold(bound=bound), measured("generation_throughput", FAST))
    assert found.outcome is outcome
    assert (found.low, found.value, found.high, found.runs) == (26.0, 27.25, 28.5, 6)


@pytest.mark.parametrize(
    ("bound", "outcome"),
    [
        (30.0, Outcome.PROVEN),
        (28.5, Outcome.PROVEN),
        (28.0, Outcome.INCONCLUSIVE),
        (26.0, Outcome.INCONCLUSIVE),
        (25.9, Outcome.BELOW),
    ],
)
def test_an_upper_bound_needs_the_whole_interval_below_it(bound: float, outcome: Outcome) -> None:
    found = judged(threshold("latency_at_200", "max", bound), measured("latency_at_200", FAST))
    assert found.outcome is outcome


def test_what_is_inconclusive_says_what_would_settle_it() -> None:
    found = judged(threshold(bound=27.0), measured("generation_throughput", FAST))
    assert (
        "lies inside the interval 26.0–28.5 tok/s of 6 runs: about 94 runs like these would settle it"
        in found.why
    )
    mixed = (26.0, 28.5, 26.5, 28.0, 27.0, 27.5)
    many = judged(threshold(bound=27.25), measured("generation_throughput", mixed * 5))
    assert "only a quieter host or another bound settles it" in many.why


def test_runs_that_resemble_each_other_are_no_pass() -> None:
    """A speed that falls all the time, with every run above the bound so far."""
    falling = tuple(38.0 - n for n in range(12))
    found = judged(threshold(), measured("generation_throughput", falling))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "each run resembles the one before, so 12 runs count as 1, too few for an interval" in found.why


def test_a_warm_up_is_left_out_and_told() -> None:
    runs = (20.0, 22.0, 21.0, 27.3, 27.1, 27.6, 27.2, 27.4, 27.0)
    found = judged(threshold(), measured("generation_throughput", runs))
    assert (found.outcome, found.runs) == (Outcome.PROVEN, 6)
    assert found.why.endswith("; the first 3 runs were still warming up and left out")


def test_a_p99_needs_299_runs() -> None:
    few = judged(threshold("ttft", "max", 1.0, "p99"), measured("ttft", (0.1,) * 298))
    enough = judged(threshold("ttft", "max", 1.0, "p99"), measured("ttft", (0.1,) * 299))
    assert "it takes 299 (or judge max)" in few.why
    assert enough.outcome is Outcome.PROVEN


def test_a_part_is_never_taken_for_the_whole() -> None:
    found = judge_setup(good(unfinished="the server is gone"), thresholds(threshold()))
    assert found.judged[0].outcome is Outcome.PROVEN
    assert found.outcome is Outcome.UNMEASURED
    assert "unfinished, and a part is never judged as the whole: the server is gone" in found.findings


def test_a_good_median_of_too_few_runs_is_inconclusive() -> None:
    found = judged(threshold(), measured("generation_throughput", (90.0,) * 5))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == "a median has no 95 % interval with 5 runs: it takes 6"


@pytest.mark.parametrize(
    ("band", "outcome"),
    [
        ((25.0, 30.0), Outcome.PROVEN),
        ((26.0, 28.5), Outcome.PROVEN),
        ((27.0, 30.0), Outcome.INCONCLUSIVE),
        ((20.0, 27.0), Outcome.INCONCLUSIVE),
        ((27.0, 28.0), Outcome.INCONCLUSIVE),
        ((29.0, 30.0), Outcome.BELOW),
        ((20.0, 25.0), Outcome.BELOW),
    ],
)
def test_a_band_needs_the_whole_interval_inside(band: tuple[float, float], outcome: Outcome) -> None:
    one = threshold(kind="within", low=band[0], high=band[1])
    assert judged(one, measured("generation_throughput", FAST)).outcome is outcome


def test_a_share_of_the_roofline_is_judged_in_the_metrics_unit() -> None:
    one = threshold(kind="min_fraction_of_roofline", low=None, high=None, fraction=0.3)
    setup = Setup("gpu", "vllm_server", "coder", 40.0, ceiling=78.84)
    given = result(measured("generation_throughput", FAST), setup=setup)
    (found,) = judge_setup(given, thresholds(one)).judged
    assert found.outcome is Outcome.PROVEN
    assert "meets median ≥ 30 % of the roofline (23.7 tok/s)" in found.why


def test_an_unknown_roofline_proves_nothing() -> None:
    one = threshold(kind="min_fraction_of_roofline", low=None, high=None, fraction=0.3)
    found = judge_setup(result(measured("generation_throughput", FAST)), thresholds(one))
    assert found.outcome is Outcome.UNMEASURED
    assert "the roofline of this model on this hardware is not known" in found.judged[0].why


def test_a_goal_is_judged_and_decides_nothing() -> None:
    both = thresholds(threshold(), threshold(bound=40.0, goal=True))
    found = judge_setup(good(), both)
    assert found.outcome is Outcome.PROVEN
    assert [each.outcome for each in found.goals] == [Outcome.BELOW]
    assert line(Verdict("r", (found,))) == "PROVEN — 1 threshold: 1 proven, 0 of 1 goals reached."


def test_goals_alone_prove_nothing() -> None:
    found = judge_setup(good(), thresholds(threshold(goal=True)))
    assert (found.outcome, found.judged) == (Outcome.UNMEASURED, ())


def test_an_interval_without_limits_decides_nothing() -> None:
    for side in ("min", "max"):
        assert place(threshold(kind=side), Interval(99.0, None, None)) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "given",
    [
        (),
        (Measurement("decode", "generation_throughput", (), problem="the server was silent"),),
        (measured("generation_throughput", FAST, cell="elsewhere"),),
    ],
)
def test_what_was_not_measured_is_never_a_pass(given: Sequence[Measurement]) -> None:
    found = judge_setup(result(*given), thresholds(threshold()))
    assert found.judged[0].outcome is Outcome.UNMEASURED
    assert found.judged[0].why.startswith("not measured: ")
    assert found.outcome is Outcome.UNMEASURED
    assert Verdict("r", (found,)).exit_status is ExitStatus.COULD_NOT


def test_a_p95_of_few_runs_is_inconclusive_and_says_so() -> None:
    found = judged(threshold("ttft", "max", 1.0, "p95"), measured("ttft", (0.1,) * 30))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "it takes 59 (or judge max)" in found.why


def test_a_p95_of_59_runs_is_judged_by_its_limit() -> None:
    good = judged(threshold("ttft", "max", 1.0, "p95"), measured("ttft", (0.1,) * 59))
    bad = judged(threshold("ttft", "max", 1.0, "p95"), measured("ttft", (1.1,) * 59))
    assert (good.outcome, bad.outcome) == (Outcome.PROVEN, Outcome.BELOW)
    assert "limit" in good.why or "interval" in good.why


def test_a_maximum_speaks_of_these_runs_and_needs_all_of_them() -> None:
    one = threshold("kv_cache_usage", "max", 0.12, "max")
    assert judged(one, measured("kv_cache_usage", (0.1,) * 6)).outcome is Outcome.PROVEN
    assert judged(one, measured("kv_cache_usage", (0.1,) * 5 + (0.13,))).outcome is Outcome.BELOW
    few = judged(one, measured("kv_cache_usage", (0.1,) * 5))
    assert few.outcome is Outcome.INCONCLUSIVE
    assert "but 6 runs were planned" in few.why


def test_one_failed_request_is_one_too_many() -> None:
    one = threshold("failed_requests", "max", 0.0, "max")
    found = judged(one, measured("failed_requests", (0.0,) * 5 + (1.0,)))
    assert found.outcome is Outcome.BELOW
    assert found.why == "1 of 6 requests failed: misses max ≤ 0"


def test_gaps_between_tokens_are_judged_by_the_longest() -> None:
    one = threshold("inter_token_latency", "max", 0.1, "max")
    gaps = measured("inter_token_latency", (0.03,) * 500 + (0.2,), over="tokens")
    assert judged(one, gaps).outcome is Outcome.BELOW
    assert "the largest of 501 gaps is 200 ms" in judged(one, gaps).why


def test_a_median_over_tokens_has_no_interval() -> None:
    one = threshold("inter_token_latency", "max", 0.1)
    found = judged(one, measured("inter_token_latency", (0.03,) * 500, over="tokens"))
    assert found.outcome is Outcome.INCONCLUSIVE


def good(**more: object) -> Result:
    return result(measured("generation_throughput", FAST), **more)


def test_a_failed_check_fails_whatever_the_speed() -> None:
    checks = (*build.OK, Check("max_tokens", False, "asked for 5, got 9"))
    found = judge_setup(good(checks=checks), thresholds(threshold()))
    assert found.outcome is Outcome.BELOW
    assert found.failed_checks == ("max_tokens: asked for 5, got 9",)
    assert line(Verdict("r", (found,))) == (
        "NOT PROVEN, a check failed — 1 threshold: 1 proven, 1 failed check."
    )


def test_without_checks_nothing_is_proven() -> None:
    found = judge_setup(good(checks=()), thresholds(threshold()))
    assert found.outcome is Outcome.UNMEASURED
    assert "no behaviour was checked, and an answer is the proof that a server is up" in found.findings


def test_thresholds_of_another_workload_are_refused() -> None:
    with pytest.raises(HostproofError, match="has no cell 'other'"):
        judge_setup(good(), thresholds(threshold(cell="other")))


def test_a_cell_that_is_not_judged_is_told_with_its_reason() -> None:
    workload = {**build.WORKLOAD, "cells": build.WORKLOAD["cells"][:2]}
    given = thresholds(threshold(), not_judged={"long-prompt": "no figure is known"})
    found = judge_setup(good(workload=workload), given)
    assert "cell long-prompt is measured but not judged: no figure is known" in found.findings


def verdict(*outcomes: Outcome) -> Verdict:
    return Verdict("r", tuple(SetupVerdict("h", f"s{i}", one, ()) for i, one in enumerate(outcomes)))


P, B, I, U = Outcome.PROVEN, Outcome.BELOW, Outcome.INCONCLUSIVE, Outcome.UNMEASURED  # noqa: E741


@pytest.mark.parametrize(
    ("outcomes", "worst", "status"),
    [
        ((), U, 1),
        ((P,), P, 0),
        ((P, P), P, 0),
        ((P, I), I, 3),
        ((I, B, P), B, 2),
        ((B, U), U, 1),
        ((U, P), U, 1),
    ],
)
def test_the_verdict_is_the_worst_and_the_exit_status_follows(
    outcomes: tuple[Outcome, ...], worst: Outcome, status: int
) -> None:
    assert verdict(*outcomes).outcome is worst
    assert verdict(*outcomes).exit_status == status


def test_the_line_of_each_outcome() -> None:
    fast = judge_setup(good(), thresholds(threshold()))
    slow = judge_setup(
        good(), thresholds(threshold(bound=40.0), threshold(bound=27.0, metric="latency_at_200"))
    )
    assert line(Verdict("r", (fast,))) == "PROVEN — 1 threshold: 1 proven."
    assert line(Verdict("r", ())) == "NOT PROVEN, not measured — nothing was judged."
    said = line(Verdict("r", (fast, slow, missing("h", "cpu", "it died"))))
    assert (
        said
        == "NOT PROVEN, not measured — 3 thresholds: 1 proven, 1 below, 1 unmeasured, no result of h/cpu."
    )


def test_only_a_missing_result_is_said_as_such() -> None:
    gone = missing("h", "cpu", "it died")
    assert (gone.outcome, gone.judged, gone.findings) == (Outcome.UNMEASURED, (), ("it died",))
    assert line(Verdict("r", (gone,))) == "NOT PROVEN, not measured — no result of h/cpu."
