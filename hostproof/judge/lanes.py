"""Which setup for which work: lanes with limits, and for each the setup that fits best, with its reasons. Pure.

A lane's limits are a service-level objective: generation speed and the wait for the first token of a long prompt. Among those
that meet both with whole intervals, a lane takes the largest model: quality is not measured here, and parameters are what is left
to go by. The limits are chosen so that the article's own rows come out as it lanes them (docs/judging.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hostproof.judge.model import SetupVerdict
from hostproof.judge.proof import DeviceProof
from hostproof.judge.statistics import median_interval
from hostproof.judge.viability import AGENT_SPEED, BATCH_SPEED, WAIT_SECONDS, decoding, waiting
from hostproof.measure.result import Result

Device = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Lane:
    name: str
    speed: float
    """TG at least, tok/s."""
    wait: float
    """TTFT of the longest cold prompt at most, seconds."""
    least: float
    """Billions of parameters at least: below, speed says nothing of this work."""
    device: Device | None
    """Where it must run; None: anywhere."""
    why: str


LANES = (
    Lane("daily agent work", AGENT_SPEED, WAIT_SECONDS, 7, None, "an editor or agent waits for every answer"),
    Lane(
        "deep reasoning", BATCH_SPEED, 30.0, 30, None, "a review may take minutes, but somebody still waits"
    ),
    Lane("batch on the CPU", BATCH_SPEED, 120.0, 7, "cpu", "nobody waits, and the GPU stays free"),
)
"""7: the article steps down to 7B-14B and no further; 30: it sends reviews to 111B, or back to its 40B, never to a small one."""


@dataclass(frozen=True)
class Candidate:
    """A setup with its measured ends; a lane needs the bad end inside its limits. None: not measured, or no interval."""

    title: str
    model: str
    parameters_billion: float
    active_billion: float
    device: Device | None
    speed: tuple[float, float] | None
    wait: tuple[float, float] | None
    problem: str = ""
    """Why it is fit for nothing, whatever its speed."""

    def misses(self, lane: Lane) -> str:
        """Why it does not fit; empty: it does."""
        if self.problem:
            return self.problem
        if lane.device and self.device != lane.device:
            return f"does not run on the {lane.device.upper()}" if self.device else "nobody saw where it runs"
        if self.parameters_billion < lane.least:
            known = (
                f"{self.parameters_billion:.4g}B, and"
                if self.parameters_billion
                else "its size is not known:"
            )
            return f"{known} {lane.least:g}B are wanted"
        return self._too_slow(lane)

    def _too_slow(self, lane: Lane) -> str:
        if self.speed is None or self.wait is None:
            return "TG or TTFT has no interval"
        if self.speed[0] < lane.speed:
            return f"TG {_range(self.speed)} tok/s, and {lane.speed:g} are wanted"
        if self.wait[1] > lane.wait:
            return f"TTFT {_range(self.wait)} s, and {lane.wait:g} are allowed"
        return ""

    def fits(self) -> str:
        """In figures."""
        assert self.speed is not None
        assert self.wait is not None
        return f"TG {_range(self.speed)} tok/s, TTFT {_range(self.wait)} s, {self.size()}"

    def size(self) -> str:
        every = f"{self.parameters_billion:.4g}B"
        return every if self.dense else f"{every}, {self.active_billion:.4g}B active"

    @property
    def dense(self) -> bool:
        return self.active_billion >= self.parameters_billion


@dataclass(frozen=True)
class Choice:
    """`chosen` None: nobody fits. `others` fit too; `missed` has each that does not, with why."""

    lane: Lane
    chosen: Candidate | None
    others: tuple[Candidate, ...]
    missed: tuple[tuple[Candidate, str], ...]


def choose(candidates: Sequence[Candidate]) -> Iterator[Choice]:
    """A choice for each lane. On the CPU memory is plenty, so all parameters count; elsewhere those that compute."""
    for lane in LANES:
        missed = tuple((each, why) for each in candidates if (why := each.misses(lane)))
        fitting = [each for each in candidates if not each.misses(lane)]
        fitting.sort(key=_by_all if lane.device == "cpu" else _by_active, reverse=True)
        yield Choice(lane, fitting[0] if fitting else None, tuple(fitting[1:]), missed)


def _by_all(candidate: Candidate) -> float:
    return candidate.parameters_billion


def _by_active(candidate: Candidate) -> float:
    return candidate.active_billion


def candidate(title: str, verdict: SetupVerdict, result: Result) -> Candidate:
    setup, speed, wait = result.setup, decoding(result), waiting(result)
    failed = verdict.failed_checks
    problem = f"failed {failed[0].split(':')[0]}" if failed else "unfinished" if result.unfinished else ""
    return Candidate(
        title=title,
        model=setup.model,
        parameters_billion=setup.parameters_billion,
        active_billion=active(result),
        device=device(result, verdict.proof),
        speed=_ends(speed.samples) if speed else None,
        wait=_ends(wait.samples) if wait else None,
        problem=problem,
    )


def active(result: Result) -> float:
    """Billions of parameters that compute each token; all, where nobody said otherwise."""
    return result.setup.active_parameters_billion or result.setup.parameters_billion


def device(result: Result, proof: DeviceProof | None) -> Device | None:
    """By the proof; else by what a server does unless told otherwise: llama-server without layers to offload is on the CPU."""
    if proof and proof.verdict != "unproved":
        return "cpu" if proof.verdict == "cpu" else "gpu"
    if result.setup.server != "llama_server":
        return None
    layers = result.setup.flags.get("--n-gpu-layers", result.setup.flags.get("-ngl", "0"))
    return "cpu" if layers in ("", "0") else None


def _ends(samples: Sequence[float]) -> tuple[float, float] | None:
    found = median_interval(samples)
    return None if found.low is None or found.high is None else (found.low, found.high)


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{end:.3g}" for end in ends)
    return low if low == high else f"{low}–{high}"
