"""What a reader should look at first: one ranked list over all setups. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hostproof.judge.model import SEVERITY, Outcome
from hostproof.judge.units import label
from hostproof.report.material import Material, Part


@dataclass(frozen=True)
class Remark:
    """`outcome` None: it decides nothing."""

    outcome: Outcome | None
    title: str
    text: str


def remarks(material: Material) -> tuple[Remark, ...]:
    """What keeps the run from being proven, worst first; then what decides nothing."""
    found = [remark for part in material.parts for remark in _part(part)]
    order = {outcome: rank for rank, outcome in enumerate(SEVERITY)}
    return tuple(sorted(found, key=lambda r: order[r.outcome] if r.outcome else len(order)))


def _part(part: Part) -> Iterator[Remark]:
    verdict = part.verdict
    if verdict.proof and verdict.proof.outcome not in (None, Outcome.PROVEN):
        yield Remark(verdict.proof.outcome, part.title, f"device and kernels: {verdict.proof.why}")
    for check in verdict.failed_checks:
        yield Remark(Outcome.BELOW, part.title, f"behaviour {check}")
    for judged in verdict.judged:
        if judged.outcome is not Outcome.PROVEN:
            name = f"{label(judged.threshold.metric)} in {judged.threshold.cell}"
            yield Remark(judged.outcome, part.title, f"{name}: {judged.why}")
    for goal in verdict.goals:
        if goal.outcome is not Outcome.PROVEN:
            name = f"{label(goal.threshold.metric)} in {goal.threshold.cell}"
            yield Remark(None, part.title, f"goal not reached: {name}: {goal.why}")
    for finding in verdict.findings:
        yield Remark(None if verdict.judged else verdict.outcome, part.title, finding)
