"""On which device and with which kernels a server computed, as its host told it. The only reader of it on the controller. Pure.

The writer is plugins/module_utils/proof_record.py: JSON of schema `hostproof.proof/1`, one file a setup in the run's `proofs/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hostproof.judge.model import Outcome
from hostproof.measure import schema

SCHEMA: Final = "hostproof.proof/1"
UNPROVED: Final = "unproved"


class ProofError(ValueError):
    """The text is no proof of this schema."""


@dataclass(frozen=True)
class DeviceProof:
    verdict: str
    """`native`, `weight-only`, `emulated`, `cpu`, `unproved`; of llama-server `gpu`, `partial`, `cpu`, `unproved`."""
    wanted: tuple[str, ...] = ()
    """Verdicts that are good; empty: nothing was demanded, and what was seen is told only."""
    evidence: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What the checkpoint costs: `read_bytes_per_token`, `kv_bytes_per_token`, `weights_bytes`, `passes`, …; empty if nobody read it."""

    @property
    def outcome(self) -> Outcome | None:
        """None: nothing was demanded. Unproved without a contradiction is not measured, never proven."""
        if not self.wanted:
            return None
        if self.verdict in self.wanted and not (self.verdict == UNPROVED and self.wrong):
            return Outcome.PROVEN
        return Outcome.UNMEASURED if self.verdict == UNPROVED and not self.wrong else Outcome.BELOW

    @property
    def why(self) -> str:
        """One sentence."""
        if not self.wanted:
            return f"{self.verdict}, and nothing was demanded"
        wanted = " or ".join(self.wanted)
        if self.outcome is Outcome.PROVEN:
            return f"{self.verdict}, as wanted"
        reasons = (*self.wrong, *self.missing)
        return f"{self.verdict}, and {wanted} is wanted" + (f": {reasons[0]}" if reasons else "")


def from_json(text: str) -> DeviceProof:
    """Raises ProofError."""
    raw = schema.read(text, SCHEMA, ProofError)
    try:
        lists = {
            key: tuple(map(str, raw[key])) for key in ("wanted", "evidence", "wrong", "missing", "notes")
        }
        return DeviceProof(str(raw["verdict"]), **lists, figures=dict(raw["expected"].get("figures") or {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProofError(f"a field is missing or wrong: {error!r}") from error
