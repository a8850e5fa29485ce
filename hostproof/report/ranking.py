"""What a reader should look at first: one ranked list over all setups and hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hostproof.judge.model import SEVERITY, Judged, Outcome
from hostproof.judge.units import label
from hostproof.report import fleet
from hostproof.report.material import Material, Part

DEVICE, BEHAVIOUR, MISS = 3.0, 2.0, 0.0
"""Another device makes every figure another's; a server that misbehaves is no server; then the misses, the furthest first (0..1)."""
HOSTS, DISTURBED, FINDING, GOAL, SCOPE = 4.0, 3.0, 2.0, 1.0, 0.0
"""What decides nothing: which host is unlike the others, whether figures are the host's own, what follows from them, what is not reached
yet, and at last what nobody looked at."""
_DISTURBED = ("contended", "the host was not idle", "client and server")
_SCOPE = ("cell ", "telemetry does not have")
SHOWN_TITLES = 3


@dataclass(frozen=True)
class Remark:
    """`outcome` None: it decides nothing. `weight` orders those of one outcome, the heaviest first."""

    outcome: Outcome | None
    title: str
    text: str
    weight: float = 0.0


def remarks(material: Material) -> tuple[Remark, ...]:
    """What keeps the run from being proven, worst and furthest first; then what decides nothing. What several setups share is told once."""
    found = [*_fleet(material), *(remark for part in material.parts for remark in _part(part))]
    order = {outcome: rank for rank, outcome in enumerate(SEVERITY)}
    ranked = sorted(found, key=lambda r: (order[r.outcome] if r.outcome else len(order), -r.weight))
    return tuple(_together(ranked))


def _together(ranked: Iterable[Remark]) -> Iterator[Remark]:
    alike: dict[tuple[Outcome | None, str], list[Remark]] = {}
    for remark in ranked:
        alike.setdefault((remark.outcome, remark.text), []).append(remark)
    for same in alike.values():
        titles = [each.title for each in same]
        more = f" and {len(titles) - SHOWN_TITLES} more" if len(titles) > SHOWN_TITLES else ""
        yield replace(same[0], title=f"{', '.join(titles[:SHOWN_TITLES])}{more}")


def _fleet(material: Material) -> Iterator[Remark]:
    found = fleet.of(material)
    for sentence in found.sentences if found else ():
        yield Remark(None, "hosts", sentence, HOSTS)


def _part(part: Part) -> Iterator[Remark]:
    verdict = part.verdict
    if verdict.proof and verdict.proof.outcome not in (None, Outcome.PROVEN):
        yield Remark(verdict.proof.outcome, part.title, f"device and kernels: {verdict.proof.why}", DEVICE)
    for check in verdict.failed_checks:
        yield Remark(Outcome.BELOW, part.title, f"behaviour {check}", BEHAVIOUR)
    for judged in verdict.judged:
        if judged.outcome is not Outcome.PROVEN:
            name = f"{label(judged.threshold.metric)} in {judged.threshold.cell}"
            yield Remark(judged.outcome, part.title, f"{name}: {judged.why}", MISS + missed_by(judged))
    for goal in verdict.goals:
        if goal.outcome is not Outcome.PROVEN:
            name = f"{label(goal.threshold.metric)} in {goal.threshold.cell}"
            yield Remark(None, part.title, f"goal not reached: {name}: {goal.why}", GOAL)
    for finding in verdict.findings:
        outcome = None if verdict.judged else verdict.outcome
        yield Remark(outcome, part.title, finding, _weight(finding))


def missed_by(judged: Judged) -> float:
    """How far the value is on the bad side, as a share of the larger of value and bound: 0..1; 0 for what is not on the bad side."""
    value, low, high = judged.value, judged.threshold.low, judged.threshold.high
    if value is None:
        return 0.0
    gap = max((low or value) - value, value - (value if high is None else high), 0.0)
    return gap / max(abs(value), abs(low or 0.0), abs(high or 0.0)) if gap else 0.0


def _weight(finding: str) -> float:
    if finding.startswith(_DISTURBED):
        return DISTURBED
    return SCOPE if finding.startswith(_SCOPE) else FINDING
