"""Whole reports out of the judge's made-up figures."""

from __future__ import annotations

from hostproof.judge.model import Verdict
from hostproof.judge.verdict import judge_setup, missing
from hostproof.report.material import Material
from tests.unit.judge.build import epyc, threshold, thresholds

NOT_JUDGED = {"long-prompt": "not today", "prefix": "not today"}
LOG = "llama-server.service does not serve: it ended at start (exit-code, status 1). Its log ends:\nloading …\nno such file"


def judged() -> Material:
    """On one host `gpu` as a mix of outcomes, and `cpu` that died at start."""
    result = epyc()
    given = thresholds(
        threshold(bound=25.0),
        threshold("latency_at_800", "max", 1.0),
        threshold("performance_factor", bound=0.693),
        threshold("peak_memory", "max", 1e12, "max"),
        not_judged=NOT_JUDGED,
    )
    verdicts = (judge_setup(result, given), missing("epyc01", "cpu", LOG))
    return Material(Verdict("run-1", verdicts), (result,), {"gpu": "B: GPU nvfp4", "cpu": "A: CPU"})


def proven() -> Material:
    result = epyc()
    given = thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED)
    return Material(Verdict("run-1", (judge_setup(result, given),)), (result,), {"gpu": "B: GPU nvfp4"})


def hostile() -> Material:
    """Names and messages that are markup in one form or another."""
    nasty = '<script>alert("x")</script> | `rm` ]]> \x00 & **b**'
    result = epyc(environment={"cpu": nasty}, gaps=(nasty,))
    given = thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED)
    return Material(Verdict("run-1", (judge_setup(result, given),)), (result,), {"gpu": nasty})


def empty() -> Material:
    return Material(Verdict("run-1", ()), (), {})
