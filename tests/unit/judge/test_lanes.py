"""The lane rule: the article's own rows come out as it laned them, and every refusal has its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hostproof.judge.lanes import LANES, Candidate, active, candidate, choose, device
from hostproof.judge.proof import DeviceProof
from hostproof.judge.verdict import judge_setup
from hostproof.measure.result import Check, Setup

from . import build
from .build import epyc, measured, result, threshold, thresholds

PROMPT = 4640

IQUEST = Candidate("B", "iquest-nvfp4", 40, 40, "gpu", (25.0, 28.0), (PROMPT / 2300, PROMPT / 1100))
COMMAND_A = Candidate("111B", "command-a", 111, 111, "gpu", (10.5, 11.5), (PROMPT / 830, PROMPT / 400))
SMALL = Candidate("7B", "small", 7, 7, "gpu", (60.0, 80.0), (0.5, 1.0))
MOE = Candidate("MoE", "moe", 229, 10, "cpu", (10.0, 37.0), (PROMPT / 100, PROMPT / 53))
KIMI = Candidate("Kimi", "kimi-k2.5", 1000, 32, "cpu", (10.0, 13.0), (PROMPT / 100, PROMPT / 53))
WHOLE_EDIT = Candidate("C", "loop", 40, 40, "gpu", (0.6, 8.0), (2.0, 10.0))
"""TG as the article printed it; TTFT of B from its prompt throughput. The waits of the others are derived: B's by parameters, and
53-100 tok/s of prompt of a MoE on this CPU."""


def chosen(*candidates: Candidate) -> dict[str, str]:
    return {
        choice.lane.name: choice.chosen.title if choice.chosen else "none" for choice in choose(candidates)
    }


def test_the_article_s_rows_come_out_as_it_laned_them() -> None:
    assert chosen(SMALL, WHOLE_EDIT, KIMI, MOE, COMMAND_A, IQUEST) == {
        "daily agent work": "B",
        "deep reasoning": "111B",
        "batch on the CPU": "Kimi",
    }


def test_without_a_large_model_the_fastest_lane_s_takes_the_reasoning_too() -> None:
    assert chosen(SMALL, IQUEST)["deep reasoning"] == "B"


def test_nobody_fits_an_empty_host() -> None:
    assert set(chosen().values()) == {"none"}


AGENT, _REASONING, BATCH = LANES


@pytest.mark.parametrize(
    ("given", "lane", "why"),
    [
        (IQUEST, AGENT, ""),
        (COMMAND_A, AGENT, "TG 10.5–11.5 tok/s, and 25 are wanted"),
        (replace(IQUEST, wait=(9.0, 11.0)), AGENT, "TTFT 9–11 s, and 10 are allowed"),
        (replace(IQUEST, speed=(24.0, 28.0)), AGENT, "TG 24–28 tok/s, and 25 are wanted"),
        (replace(IQUEST, speed=None), AGENT, "TG or TTFT has no interval"),
        (replace(IQUEST, problem="failed stop"), AGENT, "failed stop"),
        (replace(SMALL, parameters_billion=0.268), AGENT, "0.268B, and 7B are wanted"),
        (SMALL, _REASONING, "7B, and 30B are wanted"),
        (replace(SMALL, parameters_billion=0.0), AGENT, "its size is not known: 7B are wanted"),
        (IQUEST, BATCH, "does not run on the CPU"),
        (replace(MOE, device=None), BATCH, "nobody saw where it runs"),
    ],
)
def test_a_miss_has_its_reason(given: Candidate, lane: object, why: str) -> None:
    assert isinstance(lane, type(AGENT))
    assert given.misses(lane) == why


def test_a_candidate_is_made_of_intervals() -> None:
    found = epyc()
    given = thresholds(threshold(bound=20.0), not_judged={"long-prompt": "x", "prefix": "y"})
    made = candidate("B", judge_setup(found, given), found)
    assert made.speed is not None
    assert made.wait is not None
    assert made.speed[0] < 27.6 < made.speed[1]
    assert made.wait[0] < 2.7 < made.wait[1]


def test_what_misbehaves_fits_nothing() -> None:
    bad = result(measured("ttft", (1.0,) * 6), checks=(*build.OK, Check("usage", False, "lies")))
    assert candidate("x", judge_setup(bad, thresholds(threshold())), bad).problem == "failed usage"


def test_all_parameters_compute_unless_somebody_said_otherwise() -> None:
    assert active(result()) == 40.0
    assert active(result(setup=replace(result().setup, active_parameters_billion=3.0))) == 3.0


@pytest.mark.parametrize(
    ("server", "flags", "proof", "where"),
    [
        ("vllm_server", {}, None, None),
        ("vllm_server", {}, DeviceProof("native"), "gpu"),
        ("vllm_server", {}, DeviceProof("cpu"), "cpu"),
        ("vllm_server", {}, DeviceProof("unproved"), None),
        ("llama_server", {}, None, "cpu"),
        ("llama_server", {"--n-gpu-layers": "999"}, None, None),
        ("llama_server", {"--n-gpu-layers": "0"}, None, "cpu"),
        ("llama_server", {}, DeviceProof("gpu"), "gpu"),
    ],
)
def test_where_it_runs_is_proved_or_follows_from_its_flags(
    server: str, flags: dict[str, str], proof: DeviceProof | None, where: str | None
) -> None:
    assert device(result(setup=Setup("x", server, "coder", 40.0, flags)), proof) == where
