"""Types of the judge: a threshold, what became of it, and the verdict over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from hostproof.exits import ExitStatus

if TYPE_CHECKING:
    from hostproof.judge.proof import DeviceProof

Kind = Literal["min", "max", "within", "min_fraction_of_roofline", "no_worse_than"]
Statistic = Literal["median", "p95", "p99", "max"]


class Outcome(StrEnum):
    """What became of one threshold."""

    PROVEN = "proven"
    """The whole confidence interval lies on the good side."""
    BELOW = "below"
    """The whole confidence interval lies on the bad side (also of an upper bound)."""
    INCONCLUSIVE = "inconclusive"
    """The bound lies inside the interval, or there are too few runs for one."""
    UNMEASURED = "unmeasured"
    """There is no number to judge."""

    @property
    def exit_status(self) -> ExitStatus:
        return _EXIT[self]


_EXIT = {
    Outcome.PROVEN: ExitStatus.YES,
    Outcome.UNMEASURED: ExitStatus.COULD_NOT,
    Outcome.BELOW: ExitStatus.NO,
    Outcome.INCONCLUSIVE: ExitStatus.INCONCLUSIVE,
}

SEVERITY: tuple[Outcome, ...] = (Outcome.UNMEASURED, Outcome.BELOW, Outcome.INCONCLUSIVE, Outcome.PROVEN)
"""Worst first: the verdict over many is the first of these that occurs."""


@dataclass(frozen=True)
class Threshold:
    """What one statistic of one metric in one cell must be. Bounds are in the metric's own unit."""

    cell: str
    metric: str
    kind: Kind
    low: float | None
    """The least that is good; None: there is no such bound (yet, of a share of a ceiling that only a Result knows)."""
    high: float | None
    """The most that is good; None: there is no such bound."""
    statistic: Statistic
    source: str
    """Where the number comes from: the seed, a calibration run, a standard."""
    where: str = ""
    """file:line of the entry."""
    goal: bool = False
    """Judged and told, but it decides nothing: what is not reached yet."""
    fraction: float | None = None
    """Of `min_fraction_of_roofline`: the share, 0..1."""
    baseline: float | None = None
    margin: float | None = None
    """Of `no_worse_than`: what was measured, and by which share of it (0..1) it may get worse."""


@dataclass(frozen=True)
class Judged:
    """A threshold and what became of it.

    `value`, `low`, `high` are in the metric's unit; None: there is no such number or limit.
    """

    threshold: Threshold
    outcome: Outcome
    value: float | None
    low: float | None
    high: float | None
    runs: int
    why: str
    """One sentence with the numbers in it; for an inconclusive one also what would settle it."""


@dataclass(frozen=True)
class SetupVerdict:
    """One setup on one host. Nothing judged is never proven."""

    host: str
    setup: str
    outcome: Outcome
    judged: tuple[Judged, ...]
    failed_checks: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    """What a reader should know though it decides nothing: client and server disagree by more than 2 %, …"""
    goals: tuple[Judged, ...] = ()
    """Judged as the others are, but they decide nothing."""
    proof: DeviceProof | None = None
    """On which device and with which kernels its server computed; None: nobody asked."""


@dataclass(frozen=True)
class Verdict:
    """Over all setups of a run; its outcome is the worst of them."""

    run_id: str
    setups: tuple[SetupVerdict, ...] = field(default_factory=tuple)

    @property
    def outcome(self) -> Outcome:
        present = {setup.outcome for setup in self.setups}
        return next((o for o in SEVERITY if o in present), Outcome.UNMEASURED)

    @property
    def exit_status(self) -> ExitStatus:
        return self.outcome.exit_status
