"""What a setup is good for, by a stated rule. Pure.

The limits are chosen so that the article's own rows come out as it judged them: tens of seconds to the first
token are a failure, 25 tok/s carry an agent, 10-37 tok/s do for batches, 0.6-8 for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hostproof.judge.model import Outcome
from hostproof.judge.statistics import Interval, median_interval
from hostproof.judge.units import shown
from hostproof.measure.result import Measurement, Result
from hostproof.measure.workload import Cell, parse

WAIT_SECONDS = 10.0
AGENT_SPEED = 25.0
BATCH_SPEED = 10.0
RULE = (
    "Viability by rule, from intervals of the median. No: TTFT (cold cell with the longest prompt) above "
    f"{WAIT_SECONDS:g} s, or TG below {BATCH_SPEED:g} tok/s. Production: TG from {AGENT_SPEED:g} tok/s and "
    "everything proven. Batch: slower, and everything proven. Else unsettled. "
    "It says nothing about the quality of answers."
)


@dataclass(frozen=True)
class Viability:
    word: str
    use: str
    why: str


def viability(result: Result | None, outcome: Outcome) -> Viability:
    """Only whole intervals decide, as with thresholds."""
    speed, wait = decoding(result), waiting(result)
    if speed is None or wait is None:
        return Viability("Unknown", "–", "TG or TTFT was not measured")
    tg, ttft = median_interval(speed.samples), median_interval(wait.samples)
    if tg.low is None or tg.high is None or ttft.low is None or ttft.high is None:
        return Viability("Unsettled", "–", "too few runs for an interval")
    if ttft.low > WAIT_SECONDS:
        return Viability("No", "–", f"TTFT {shown(ttft.value, 'ttft')}")
    if tg.high < BATCH_SPEED:
        return Viability("No", "–", f"TG {shown(tg.value, speed.metric)}")
    if ttft.high > WAIT_SECONDS:
        return Viability("Unsettled", "–", f"the interval of TTFT lies across {WAIT_SECONDS:g} s")
    return _useful(tg, outcome)


def _useful(tg: Interval, outcome: Outcome) -> Viability:
    low, high = tg.low or 0.0, tg.high or 0.0
    if low < BATCH_SPEED:
        return Viability("Unsettled", "–", f"the interval of TG lies across {BATCH_SPEED:g} tok/s")
    if low < AGENT_SPEED <= high:
        return Viability("Unsettled", "–", f"the interval of TG lies across {AGENT_SPEED:g} tok/s")
    if outcome is not Outcome.PROVEN:
        return Viability("Unsettled", "–", "fast enough, but not proven as a whole")
    if low >= AGENT_SPEED:
        return Viability("Production", "agent / test generation / CI", "fast enough, and proven")
    return Viability("Batch", "batch", f"proven, but TG below {AGENT_SPEED:g} tok/s")


def decoding(result: Result | None) -> Measurement | None:
    """TG of the cold cell with the longest answer, of those with enough runs for an interval if any has."""
    return _of(result, "generation_throughput", lambda cell: cell.output_tokens)


def waiting(result: Result | None) -> Measurement | None:
    """TTFT of the cold cell with the longest prompt."""
    return _of(result, "ttft", lambda cell: cell.prompt_tokens)


def _of(result: Result | None, metric: str, size: Callable[[Cell], int]) -> Measurement | None:
    if result is None:
        return None
    cold = [cell for cell in parse(result.workload).cells if cell.cache == "cold"]
    found = [(cell, m) for cell in cold if (m := result.find(cell.name, metric)) and m.samples]
    best = max(found, key=lambda pair: (_has_interval(pair[1]), size(pair[0])), default=None)
    return best[1] if best else None


def _has_interval(measured: Measurement) -> bool:
    return median_interval(measured.samples).low is not None
