"""What is said of sessions, batches and long runs: pure, from runs made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hostproof.measure.lessons import lessons
from hostproof.measure.sample import CellRuns, Observed, Run
from hostproof.measure.workload import parse

from . import build
from .test_session import AGENT


def cell(**changes: Any) -> Any:
    return parse(build.workload(build.cell(**changes))).cells[0]


def turn(number: int, ttft: float, hits: int, prompt: int = 1000) -> Run:
    stream = build.stream([ttft, ttft + 0.1], prompt=prompt, cached=hits)
    return Run(number, False, stream, group=1, turn=number)


def talk(habit: str, ttft: float, hits: int) -> CellRuns:
    raw = {
        "name": habit.replace("_", "-"),
        "session": {**AGENT, "habit": habit},
        "output_tokens": 2,
        "cache": "mixed",
    }
    about = parse(build.workload(raw)).cells[0]
    return CellRuns(about, (turn(1, 2.0, 0), turn(2, ttft, hits), turn(3, ttft, hits, 1500)))


def test_each_habit_is_told_with_its_hit_rate_its_cost_and_its_mend() -> None:
    told = lessons([talk("none", 0.5, 1000), talk("timestamp_first", 2.0, 10)], 10_000)
    assert told[0] == (
        "none (nothing that was sent is changed: the prefix stays): prefix cache hit rate 57%, TTFT after the first turn 0.50 s"
    )
    assert "prefix cache hit rate 1%" in told[1]
    assert "+1.50 s a turn against none (4.0 times)" in told[1]
    assert "to get past 60%: put the time into the newest message" in told[1]
    assert "even an unbroken prefix reaches only 57%" in told[2]
    assert (
        told[3]
        == "none: the KV cache grows from 1,002 to 1,502 tokens in 3 turns, 10% to 15% of what the cache holds"
    )


def test_past_the_goal_it_says_what_takes_it_there() -> None:
    told = lessons([talk("none", 0.5, 1200), talk("tools_shuffled", 2.0, 300)], None)
    assert any("reach 69% here, beyond the goal of 60%" in each for each in told)


def test_a_server_that_tells_no_hit_rate_is_told_so() -> None:
    plain = talk("none", 0.5, 1)
    runs = tuple(replace(run, stream=build.stream([0.5, 0.6])) for run in plain.runs)
    (first, *_) = lessons([replace(plain, runs=runs)], None)
    assert "the server does not tell its hit rate" in first


def wave(number: int, speed: float) -> CellRuns:
    """So many at once, of 11 tokens each, so fast together."""
    took = 11 * number / speed
    stream = build.stream([took * (i + 1) / 11 for i in range(11)])
    runs = tuple(
        Run(i, False, stream, observed=Observed(window=(0.0, took)), group=1) for i in range(1, number + 1)
    )
    return CellRuns(cell(name=f"at-{number}", concurrency=number), runs)


def test_saturation_is_where_more_at_once_bring_no_more() -> None:
    told = lessons([wave(1, 30), wave(2, 55), wave(4, 56), wave(8, 50)], None)
    assert told[1] == "saturated at 2 at once with 55.0 tok/s: 4 bring +2% and wait longer"
    told = lessons([wave(1, 30), wave(2, 55)], None)
    assert told[1] == "not saturated: the most that were sent at once, 2, still brought more than fewer did"


def soak(gaps: list[float], pause: float = 0.0) -> CellRuns:
    """Answers of 20 tokens, one after the other with a pause between, each with its own gap."""
    runs, at = [], 100.0
    for number, gap in enumerate(gaps, 1):
        times = [0.1 + gap * i for i in range(20)]
        window = (at, at + times[-1])
        runs.append(Run(number, False, build.stream(times), observed=Observed(window=window)))
        at = window[1] + pause
    return CellRuns(cell(name="minutes", seconds=60), tuple(runs))


def test_an_empty_window_of_a_log_is_no_stall() -> None:
    (first, *_) = lessons([soak([0.1] * 9, pause=25.0)], None)
    assert first.startswith("minutes: no stall: ")
    assert "windows of 10 s read 0 tok/s" in first
    assert "longest gap between two tokens of one answer is 0.10 s" in first


def test_a_long_gap_between_two_tokens_is_a_stall_though_no_window_is_empty() -> None:
    (first, *_) = lessons([soak([0.1] * 8 + [6.0])], None)
    assert first.startswith("minutes: a real stall: 6.0 s between two tokens")


@pytest.mark.parametrize(
    ("gaps", "word"),
    [([0.1] * 12, "is steady"), ([0.1] * 6 + [0.2] * 6, "declines"), ([0.2] * 6 + [0.1] * 6, "rises")],
)
def test_a_drift_is_found_between_the_thirds(gaps: list[float], word: str) -> None:
    told = lessons([soak(gaps)], None)
    assert f"minutes: generation {word}: " in told[1]


def test_too_few_answers_say_nothing_of_a_drift() -> None:
    assert lessons([soak([0.1] * 8)], None) == (
        "minutes: 8 answers are too few to see a drift (9 are needed)",
    )
