"""Why a server may be below what good hosts reach: each suspect with the fact or figure that speaks for it, and its mend. Pure.

`weight` ranks: about the share of the speed that it may cost, by what was measured elsewhere (docs/roofline.md). A suspect is no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hostproof.judge import suspects_cpu, suspects_gpu
from hostproof.judge.proof import DeviceProof
from hostproof.judge.roofline import Point, Roofline, poor
from hostproof.judge.suspect import Case, Rule, Suspect
from hostproof.measure.result import Result

LIMIT: Final[tuple[Rule, ...]] = (*suspects_cpu.LIMIT, *suspects_gpu.LIMIT)
SPEED: Final[tuple[Rule, ...]] = (*suspects_cpu.SPEED, *suspects_gpu.SPEED)


def suspects(
    result: Result, roof: Roofline, proof: DeviceProof | None, found: Sequence[Point]
) -> tuple[Suspect, ...]:
    """Heaviest first. What lowers the limit itself is always told, the rest only where generation is below what is usual."""
    case = Case(result, roof, proof)
    rules = (*LIMIT, *(SPEED if poor(roof, found) else ()))
    made = [suspect for rule in rules for suspect in rule(case)]
    return tuple(sorted(made, key=lambda one: -one.weight))


def findings(roof: Roofline, found: Sequence[Point], ranked: Sequence[Suspect]) -> Iterator[str]:
    """For the head of the report: what is too slow, and the three heaviest suspects."""
    for point in found:
        if point.impossible:
            yield (
                f"{point.cell}: {point.measured:.3g} tok/s are more than the limit of {point.limit.tokens_per_second:.3g} "
                f"({point.limit.why}): the limit is too low, or what was served is not that model"
            )
    if roof.is_floor:
        yield (
            f"the host was busy while its bandwidth was measured ({roof.memory['busy']}): the limit may be higher, and no threshold "
            "is judged by it"
        )
    if roof.usual and (slow := poor(roof, found)):
        low, high = roof.usual
        told = ", ".join(f"{point.share:.0%} in {point.cell}" for point in slow)
        yield f"generation reaches {told} of the limit, and {low:.0%}–{high:.0%} is usual" + (
            "" if ranked else ": nothing that was looked at explains it"
        )
    for place, suspect in enumerate(ranked[:3], 1):
        yield f"suspect {place}: {suspect.what} ({suspect.evidence}). Mend: {suspect.mend}"
    yield from roof.gaps
