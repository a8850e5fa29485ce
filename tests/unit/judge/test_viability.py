"""The article's own rows come out as it judged them."""

from __future__ import annotations

from typing import Any

import pytest

from hostproof.judge.model import Outcome
from hostproof.judge.viability import decoding, viability, waiting
from hostproof.measure.result import Result

from .build import WORKLOAD, epyc, measured, result


def setup(tg: float, ttft: float, *, spread: float = 0.01, runs: int = 6, **more: Any) -> Result:
    around = [1 + spread * (n / (runs - 1) - 0.5) for n in range(runs)]
    return result(
        measured("generation_throughput", [tg * x for x in around]),
        measured("ttft", [ttft * x for x in around], "long-prompt"),
        **{"workload": WORKLOAD, **more},
    )


@pytest.mark.parametrize(
    ("tg", "ttft", "outcome", "word", "why"),
    [
        (3.0, 45.0, Outcome.PROVEN, "No", "TTFT 45.0 s"),
        (26.5, 2.7, Outcome.PROVEN, "Production", "fast enough, and proven"),
        (4.0, 1.0, Outcome.PROVEN, "No", "TG 4.00 tok/s"),
        (15.0, 2.0, Outcome.PROVEN, "Batch", "proven, but TG below 25 tok/s"),
        (26.5, 2.7, Outcome.BELOW, "Unsettled", "fast enough, but not proven as a whole"),
        (25.0, 2.7, Outcome.PROVEN, "Unsettled", "the interval of TG lies across 25 tok/s"),
        (10.0, 2.7, Outcome.PROVEN, "Unsettled", "the interval of TG lies across 10 tok/s"),
        (26.5, 10.0, Outcome.PROVEN, "Unsettled", "the interval of TTFT lies across 10 s"),
    ],
)
def test_by_rule(tg: float, ttft: float, outcome: Outcome, word: str, why: str) -> None:
    found = viability(setup(tg, ttft), outcome)
    assert (found.word, found.why) == (word, why)


def test_too_few_runs_settle_nothing() -> None:
    assert viability(setup(90.0, 0.1, runs=5), Outcome.PROVEN).word == "Unsettled"


def test_without_a_result_it_is_unknown() -> None:
    assert viability(None, Outcome.UNMEASURED).word == "Unknown"
    assert viability(result(), Outcome.UNMEASURED).word == "Unknown"


def test_speed_is_of_the_longest_answer_and_waiting_of_the_longest_prompt() -> None:
    speed, wait = decoding(epyc()), waiting(epyc())
    assert speed is not None
    assert wait is not None
    assert (speed.cell, wait.cell) == ("decode", "long-prompt")


def test_a_warm_cell_says_nothing_about_waiting() -> None:
    warm = result(measured("ttft", (0.05,) * 6, "prefix"), workload=WORKLOAD)
    assert waiting(warm) is None
