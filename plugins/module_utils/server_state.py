"""What one server is now, against what was proved of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from . import proof_record
from .proof_record import ProofRecord

AS_PROVED: Final = "as proved"
NOT_PROVED: Final = "not proved"
DIFFERS: Final = "differs"
NOT_RUNNING: Final = "not running"
IN_ORDER: Final = (AS_PROVED,)


@dataclass(frozen=True)
class Judged:
    state: str
    why: tuple[str, ...] = ()


def judge(active: str, kept: ProofRecord | None, seen: ProofRecord | None) -> Judged:
    """`active`: the unit's ActiveState. `seen`: the same questions as `kept`, asked now."""
    if active != "active":
        return Judged(NOT_RUNNING, (f"the unit is {active or 'unknown'}",))
    if kept is None or seen is None:
        return Judged(NOT_PROVED, ("nobody proved it: provision, or validate",))
    moved = tuple(proof_record.differences(kept.circumstances, seen.circumstances))
    if not (seen.stands or seen.unlooked):
        wanted = " or ".join(kept.wanted)
        return Judged(DIFFERS, (f"it is {seen.verdict}, and {wanted} was proved", *seen.wrong, *moved))
    if moved:
        return Judged(DIFFERS, moved)
    if not kept.stands:
        return Judged(NOT_PROVED, kept.missing[:1] or (f"it is {kept.verdict}",))
    return Judged(AS_PROVED)


def device(seen: ProofRecord | None, vram_bytes: int | None, cards: Mapping[str, str]) -> str:
    """In words. `cards`: UUID → name, of those on which the server holds VRAM; None for `vram_bytes`: NVML was not asked."""
    if vram_bytes:
        return f"GPU ({', '.join(sorted(set(cards.values()))) or 'unnamed'}, {vram_bytes / 1024**3:.1f} GiB)"
    if seen is not None and seen.verdict == "cpu":
        return "CPU"
    return "CPU" if vram_bytes == 0 else "unknown"
