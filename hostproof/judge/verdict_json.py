"""A Verdict as JSON and back: the only writer and the only reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hostproof.judge.model import Judged, Outcome, SetupVerdict, Threshold, Verdict
from hostproof.judge.proof import DeviceProof
from hostproof.judge.verdict import line
from hostproof.measure import schema

SCHEMA = "hostproof.verdict/2"
BEFORE = "hostproof.verdict/1"
"""Its thresholds have `side` and `bound`; read too, so that the report of an old run can be made again."""
_KINDS = {"at_least": ("min", "low"), "at_most": ("max", "high")}


class VerdictError(ValueError):
    """The text is no verdict of this schema."""


def to_dict(verdict: Verdict, titles: Mapping[str, str]) -> dict[str, Any]:
    """Plain data; `outcome`, `exit_status` and `line` are there for readers who want no more."""
    return {
        "schema": SCHEMA,
        "run_id": verdict.run_id,
        "outcome": verdict.outcome.value,
        "exit_status": int(verdict.exit_status),
        "line": line(verdict),
        "titles": dict(titles),
        "setups": json.loads(json.dumps([asdict(setup) for setup in verdict.setups], allow_nan=False)),
    }


def to_json(verdict: Verdict, titles: Mapping[str, str]) -> str:
    """`titles`: setup → as people call it; kept so that a page can be made again."""
    return json.dumps(to_dict(verdict, titles), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> tuple[Verdict, dict[str, str]]:
    """The verdict and the titles. Raises VerdictError if the text is no verdict of this schema."""
    raw = schema.read(text, SCHEMA, VerdictError, BEFORE)
    try:
        verdict = Verdict(raw["run_id"], tuple(_setup(setup) for setup in raw["setups"]))
        return verdict, {str(setup): str(title) for setup, title in raw["titles"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise VerdictError(f"a field is missing, unknown or wrong: {error}") from error


def _setup(raw: dict[str, Any]) -> SetupVerdict:
    return SetupVerdict(
        **{
            **raw,
            "outcome": Outcome(raw["outcome"]),
            "judged": tuple(_judged(each) for each in raw["judged"]),
            "goals": tuple(_judged(each) for each in raw.get("goals", ())),
            "failed_checks": tuple(raw["failed_checks"]),
            "findings": tuple(raw["findings"]),
            "proof": _proof(raw.get("proof")),
        }
    )


def _proof(raw: dict[str, Any] | None) -> DeviceProof | None:
    """Runs from before there were any have none."""
    if raw is None:
        return None
    lists = {key: tuple(raw[key]) for key in ("wanted", "evidence", "wrong", "missing", "notes")}
    return DeviceProof(**{**raw, **lists})


def _judged(raw: dict[str, Any]) -> Judged:
    threshold = Threshold(**_migrated(raw["threshold"]))
    return Judged(**{**raw, "threshold": threshold, "outcome": Outcome(raw["outcome"])})


def _migrated(raw: dict[str, Any]) -> dict[str, Any]:
    if "side" not in raw:
        return raw
    kind, end = _KINDS[raw["side"]]
    kept = {key: value for key, value in raw.items() if key not in ("side", "bound")}
    return {**kept, "kind": kind, "low": None, "high": None, end: raw["bound"]}
