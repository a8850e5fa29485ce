"""What was proved about a server, kept on its host: so that a later look can tell whether it still holds. Pure.

One file a server in `FOLDER`, schema `hostproof.proof/1`; docs/contracts.md describes it. `to_dict` is the only writer, `parse` the only
reader on the host; the controller's reader is hostproof/judge/proof.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .proof_types import Proof

SCHEMA: Final = "hostproof.proof/1"
FOLDER: Final = "/var/lib/hostproof/proofs"
UNPROVED: Final = "unproved"

SAME: Final[Mapping[str, str]] = {
    "model": "the model",
    "release": "the build",
    "unit_sha256": "the unit's file",
    "driver": "the driver",
    "cards": "the GPUs",
}
"""Circumstances without which a proof says nothing of what runs now, as people call them."""


class ProofRecordError(ValueError):
    """The file is no record of this schema; the message says why."""


@dataclass(frozen=True)
class ProofRecord:
    server: str
    unit: str
    verdict: str
    wanted: tuple[str, ...] = ()
    """Verdicts that are good; empty: nothing is demanded of it."""
    evidence: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)
    """What it was held against, as the module server_proof takes it: to be asked again."""
    circumstances: Mapping[str, str] = field(default_factory=dict)
    """SAME, and `boot_id`, `invocation`, `began` (seconds since the epoch) of the start that was looked at. Empty texts: not known."""
    proved_at: str = ""
    """UTC, ISO 8601."""

    @property
    def stands(self) -> bool:
        """Whether the verdict is one of those that are good. Unproved is never good where something contradicts."""
        if not self.wanted:
            return True
        return self.verdict in self.wanted and not (self.verdict == UNPROVED and self.wrong)

    @property
    def unlooked(self) -> bool:
        """Nothing speaks against it, but somebody has to look yet."""
        return self.verdict == UNPROVED and not self.wrong

    @property
    def reasons(self) -> tuple[str, ...]:
        return (*self.wrong, *self.missing)


def of(
    server: str,
    unit: str,
    proof: Proof,
    *,
    wanted: tuple[str, ...],
    expected: Mapping[str, Any],
    circumstances: Mapping[str, str],
    proved_at: str,
) -> ProofRecord:
    """A verdict that is wanted contradicts nothing: `cpu` on a host without a GPU is no reason to install CUDA."""
    good = proof.verdict in wanted and proof.verdict != UNPROVED
    return ProofRecord(
        server,
        unit,
        proof.verdict,
        wanted,
        tuple(proof.evidence),
        () if good else tuple(str(each) for each in proof.wrong),
        tuple(str(each) for each in proof.missing),
        tuple(str(each) for each in proof.notes),
        dict(expected),
        dict(circumstances),
        proved_at,
    )


def to_dict(record: ProofRecord) -> dict[str, Any]:
    return {"schema": SCHEMA, **asdict(record)}


def parse(raw: object) -> ProofRecord:
    """Raises ProofRecordError."""
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise ProofRecordError(f"its schema is {found!r}, and {SCHEMA!r} is expected")
    given = {key: value for key, value in raw.items() if key != "schema"}
    try:
        for key in ("wanted", "evidence", "wrong", "missing", "notes"):
            given[key] = tuple(str(each) for each in given.get(key, ()))
        record = ProofRecord(**given)
    except TypeError as error:
        raise ProofRecordError(f"a field is missing, unknown or wrong ({error})") from error
    if not isinstance(record.expected, dict) or not isinstance(record.circumstances, dict):
        raise ProofRecordError("expected and circumstances must be mappings")
    return record


def replaces(found: ProofRecord, kept: ProofRecord | None) -> bool:
    """Whether a look is worth keeping in place of what is kept.

    One that saw the same is no change of the host. One that had no questions asked (the canary) does not take the place of one that had, as
    long as build, model, unit, driver and cards are the same.
    """
    if kept is None:
        return True
    if {**to_dict(kept), "proved_at": ""} == {**to_dict(found), "proved_at": ""}:
        return False
    asked_more = kept.wanted == found.wanted and kept.expected == found.expected and kept.stands
    return not (
        asked_more and not found.stands and not any(differences(kept.circumstances, found.circumstances))
    )


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What is not as it was when it was proved, a clause each. What either does not know is not held against the other."""
    for key, name in SAME.items():
        before, after = then.get(key, ""), now.get(key, "")
        if before and after and before != after:
            shown = "" if key == "unit_sha256" else f" ({before}, now {after})"
            yield f"{name} changed{shown}"
