"""A neighbour that takes the machine's time makes a miss *contended*, never the host's fault; a pass beside it stays a pass. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from hostproof.judge.model import Judged, Outcome
from hostproof.measure.result import Result

INDIFFERENT = frozenset({"kv_cache_usage", "prefix_cache_hit_rate", "failed_requests", "peak_memory"})
"""What a neighbour does not change by taking time."""


def reasons(result: Result) -> Mapping[str, tuple[str, int, int]]:
    """Cell → why its first contended run was one, how many were, and how many runs were watched."""
    found: dict[str, tuple[str, int, int]] = {}
    for run in result.telemetry.get("runs", ()):
        why, contended, runs = found.get(run["cell"], ("", 0, 0))
        found[run["cell"]] = (why or run["contended"], contended + bool(run["contended"]), runs + 1)
    return {cell: told for cell, told in found.items() if told[1]}


def excuse(judged: Judged, busy: Mapping[str, tuple[str, int, int]]) -> Judged:
    """`judged`, or that it cannot be told, if it is a miss of a cell that ran beside others."""
    cell, metric = judged.threshold.cell, judged.threshold.metric
    if judged.outcome is not Outcome.BELOW or metric in INDIFFERENT or cell not in busy:
        return judged
    why, contended, runs = busy[cell]
    told = f"{judged.why}, but contended: {contended} of {runs} runs ran beside others ({why}); take them away and measure again"
    return replace(judged, outcome=Outcome.INCONCLUSIVE, why=told)


def findings(result: Result) -> Iterator[str]:
    for cell, (why, contended, runs) in reasons(result).items():
        yield f"contended: in {cell} {contended} of {runs} runs ran beside others; the first: {why}"
