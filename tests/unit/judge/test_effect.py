"""Does a setting help: the rule, and how often it is wrong, by simulation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from math import exp, sqrt

import pytest

from hostproof.judge import effect
from hostproof.judge.effect import METRICS, Answer, Visit, Word, judge
from hostproof.measure.result import Measurement, Result, Setup

SPREAD = 0.03
"""Of a visit's speed; A/A on a quiet machine here: 3 % (docs/ab.md)."""
TRIES = 600
Noise = Callable[[random.Random], Iterator[float]]


def normal(chance: random.Random) -> Iterator[float]:
    while True:
        yield chance.gauss(0, SPREAD)


def skewed(chance: random.Random) -> Iterator[float]:
    """Sometimes much slower, never much faster."""
    while True:
        yield -abs(chance.gauss(0, 2 * SPREAD))


def resembling(chance: random.Random) -> Iterator[float]:
    """Each visit is like the one before: a machine that warms up, a neighbour that comes and goes."""
    state = 0.0
    while True:
        state = 0.7 * state + chance.gauss(0, SPREAD * sqrt(1 - 0.7**2))
        yield state


def drifting(chance: random.Random) -> Iterator[float]:
    """Ever slower."""
    slower = 0.0
    while True:
        slower -= 0.003
        yield slower + chance.gauss(0, SPREAD)


def comparison(chance: random.Random, rounds: int, gain: float, noise: Noise) -> list[Visit]:
    streams = {metric: noise(chance) for metric in METRICS}
    visits = []
    for number in range(1, rounds + 1):
        arms = ["a1", "b", "a2"]
        chance.shuffle(arms)
        for arm in arms:
            speeds = {m: 30 * exp(next(streams[m]) + (gain if arm == "b" else 0)) for m in METRICS}
            visits.append(Visit(number, arm, speeds, cores=16))
    return visits


def words(rounds: int, gain: float, noise: Noise) -> Counter[Word]:
    chance = random.Random(20261125)
    return Counter(judge(comparison(chance, rounds, gain, noise)).word for _ in range(TRIES))


@pytest.mark.parametrize("noise", [normal, skewed, resembling, drifting])
@pytest.mark.parametrize("rounds", [6, 9, 13, 25])
def test_a_setting_that_does_nothing_is_hardly_ever_said_to_do_something(rounds: int, noise: Noise) -> None:
    found = words(rounds, 0.0, noise)
    # Promised: at most one comparison in a hundred, over both metrics and both directions.
    assert found[Word.HELPS] + found[Word.HURTS] <= TRIES / 100, found


@pytest.mark.parametrize(
    ("rounds", "gain", "least"), [(6, 0.15, 0.85), (9, 0.10, 0.85), (13, 0.10, 0.95), (25, 0.05, 0.6)]
)
def test_a_large_effect_is_seen_in_the_right_direction(rounds: int, gain: float, least: float) -> None:
    helped, hurt = words(rounds, gain, normal), words(rounds, -gain, normal)
    assert helped[Word.HELPS] >= least * TRIES and not helped[Word.HURTS], helped
    assert hurt[Word.HURTS] >= least * TRIES and not hurt[Word.HELPS], hurt


def made(
    ratios: list[tuple[float, float]], others: float = 0.0, stalled: dict[str, float] | None = None
) -> Answer:
    """Rounds of (A2/A1, B/A1); both metrics alike."""
    visits = []
    for number, (again, b) in enumerate(ratios, start=1):
        for arm, factor in (("a1", 1.0), ("b", b), ("a2", again)):
            speeds = dict.fromkeys(METRICS, 20 * factor)
            visits.append(Visit(number, arm, speeds, others, stalled or {}, cores=16))
    return judge(visits)


def test_above_one_but_within_what_equal_arms_differ_by_tells_nothing() -> None:
    steady, noisy = (
        [(1.0, 1.02)] * 6,
        [(1.05, 1.08), (0.95, 1.03), (1.04, 1.07), (0.97, 1.02), (1.03, 1.05), (0.96, 1.01)],
    )
    assert made(steady).word is Word.HELPS
    answer = made(noisy)
    assert answer.effects[0].ratio.low is not None and answer.effects[0].ratio.low > 1
    assert answer.word is Word.CANNOT_TELL


def test_ratio_compares_b_with_both_a_s_of_its_round() -> None:
    (first, _) = made([(1.21, 1.21)] * 6).effects
    assert first.ratio.value == pytest.approx(1.1) and first.floor.value == pytest.approx(1.21)


def test_too_few_rounds_give_no_interval_and_say_how_many_do() -> None:
    answer = made([(1.0, 1.5)] * 5)
    assert answer.word is Word.CANNOT_TELL
    assert {e.rounds_needed for e in answer.effects} == {6}
    assert "5 rounds give no interval, 6 do" in answer.why


def test_cannot_tell_says_how_many_rounds_would() -> None:
    answer = made([(1.02, 1.03), (0.98, 1.01), (1.01, 1.04), (0.99, 1.00), (1.02, 1.03), (0.98, 1.02)])
    needed = answer.effects[0].rounds_needed
    assert answer.word is Word.CANNOT_TELL and 6 < needed <= effect.MOST_ROUNDS
    assert f"about {needed} rounds would tell" in answer.why


def test_no_difference_at_all_needs_no_number_of_rounds() -> None:
    answer = made([(1.02, 1.01), (0.98, 0.99), (1.02, 1.01), (0.98, 0.99), (1.02, 1.01), (0.98, 0.99)])
    assert answer.effects[0].rounds_needed == 0 and "no reasonable number of rounds" in answer.why


def test_what_hurts_one_metric_is_said_though_it_helps_the_other() -> None:
    visits = [
        Visit(
            n,
            arm,
            {
                "prompt_throughput": 100 * (1.3 if arm == "b" else 1),
                "generation_throughput": 20 * (0.7 if arm == "b" else 1),
            },
        )
        for n in range(1, 7)
        for arm in ("a1", "b", "a2")
    ]
    answer = judge(visits)
    assert answer.word is Word.HURTS
    assert "helps prompt throughput" in answer.why and "hurts generation throughput" in answer.why


@pytest.mark.parametrize(
    ("others", "stalled", "said"),
    [
        (1.2, {}, "others used 1.2 CPUs"),
        (0.3, {"cpu some": 0.2}, "something waited for a CPU 20% of the time"),
        (0.0, {"memory some": 0.3}, "something waited for memory 30% of the time"),
        (0.0, {"io some": 0.3}, "something waited for io 30% of the time"),
    ],
)
def test_a_comparison_beside_others_is_not_judged(
    others: float, stalled: dict[str, float], said: str
) -> None:
    answer = made([(1.0, 2.0)] * 6, others, stalled)
    assert answer.word is Word.CONTENDED and {e.word for e in answer.effects} == {Word.CONTENDED}
    assert len(answer.contended) == 18 and answer.contended[0].endswith(said)
    assert answer.effects[0].ratio.value == pytest.approx(2.0), "the figures are shown all the same"


def test_large_hosts_bear_more_and_a_server_that_crowds_itself_is_not_disturbed() -> None:
    assert Visit(1, "a1", {}, others=0.6, cores=4).contended
    assert not Visit(1, "a1", {}, others=0.6, cores=16).contended
    assert not Visit(1, "a1", {}, others=0.1, stalled={"cpu some": 0.6}, cores=2).contended


def test_one_disturbed_visit_in_ten_is_told_and_judged() -> None:
    visits = [
        Visit(n, arm, dict.fromkeys(METRICS, 30 if arm == "b" else 20), cores=16)
        for n in range(1, 7)
        for arm in ("a1", "b", "a2")
    ]
    visits[4] = Visit(2, "b", dict.fromkeys(METRICS, 29), others=3.0, cores=16)
    answer = judge(visits)
    assert answer.word is Word.HELPS and answer.contended == ("round 2, b: others used 3.0 CPUs",)


def test_a_round_that_lacks_a_visit_does_not_count() -> None:
    visits = [
        v
        for v in (Visit(n, arm, dict.fromkeys(METRICS, 20)) for n in range(1, 8) for arm in ("a1", "b", "a2"))
        if (v.round, v.arm) != (3, "b")
    ]
    assert {e.rounds for e in judge(visits).effects} == {6}


def test_nothing_measured_is_no_verdict() -> None:
    answer = judge([])
    assert answer.word is Word.CANNOT_TELL and "was not measured" in answer.why


def test_exit_statuses() -> None:
    assert {word: int(word.exit_status) for word in Word} == {
        Word.HELPS: 0,
        Word.HURTS: 2,
        Word.CANNOT_TELL: 3,
        Word.CONTENDED: 3,
    }


def test_speeds_are_the_longest_prompt_s_and_the_longest_answer_s() -> None:
    cells = [
        {"name": "warm", "prompt_tokens": 4000, "output_tokens": 8, "cache": "warm"},
        {"name": "long", "prompt_tokens": 1000, "output_tokens": 8, "cache": "cold"},
        {"name": "decode", "prompt_tokens": 32, "output_tokens": 128, "cache": "cold"},
    ]
    figures = [
        (cell["name"], metric, (value, value * 3, value * 2))
        for value, cell in enumerate(cells, 1)
        for metric in METRICS
    ]
    result = Result(
        *("r", "h", "lab", Setup("cpu", "llama_server", "m", 0.3), {"cells": cells}, "t", "t", {}),
        measurements=tuple(
            Measurement(str(cell), metric, tuple(map(float, s))) for cell, metric, s in figures
        ),
    )
    assert effect.speeds(result) == {"prompt_throughput": 4.0, "generation_throughput": 6.0}
