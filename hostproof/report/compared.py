"""What a comparison left in its run's folder, read back and judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostproof.errors import HostproofError
from hostproof.judge import effect, evidence
from hostproof.judge.effect import Answer, Visit
from hostproof.judge.evidence import Evidence
from hostproof.measure.result import Result, ResultError, from_json

FOLDER = "ab"


@dataclass(frozen=True)
class Seen:
    """One visit: its speeds, what the kernel said, and what was read back after the switch."""

    visit: Visit
    witness: Mapping[str, Any]
    readings: Sequence[Mapping[str, Any]]
    failed_checks: tuple[str, ...]
    workload: str


@dataclass(frozen=True)
class Compared:
    """A whole comparison on one host."""

    run_id: str
    host: str
    plan: Mapping[str, Any]
    """What was to be compared, as the play kept it."""
    seen: tuple[Seen, ...]
    answer: Answer
    a: Evidence
    b: Evidence
    back: Mapping[str, Any] | None
    """The proof that the host is as it was found; None if it never came to that."""

    @property
    def knobs(self) -> tuple[str, ...]:
        """`kind:key` of settings, and parts of the service."""
        places = [f"{place['kind']}:{place['key']}" for place in self.plan["places"]]
        return tuple(dict.fromkeys([*places, *(part["name"] for part in self.plan["parts"])]))

    @property
    def areas(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(place["area"]) for place in self.plan["places"]))

    @property
    def as_found(self) -> bool:
        return self.back is not None and all(reading["as_wanted"] for reading in self.back["readings"])


def load(run: Path, run_id: str, host: str) -> Compared | None:
    """None if the run did not come to a plan. Raises HostproofError for a file that cannot be read."""
    folder = run / FOLDER / host
    plan = _read(folder / "plan.json")
    if plan is None:
        return None
    seen = tuple(one for visit in plan["visits"] if (one := _seen(folder, visit)) is not None)
    arms = {arm: [one for one in seen if one.visit.arm[0] == arm] for arm in ("a", "b")}
    a, b = (
        evidence.of([one.witness for one in arms[arm]], [one.visit.others for one in arms[arm]])
        for arm in arms
    )
    answer = effect.judge([one.visit for one in seen])
    return Compared(run_id, host, plan, seen, answer, a, b, _read(folder / "back.json"))


def _seen(folder: Path, planned: Mapping[str, Any]) -> Seen | None:
    """None for a visit that the run did not come to."""
    kept, path = _read(folder / f"{planned['file']}.witness.json"), folder / f"{planned['file']}.json"
    if kept is None or not path.is_file():
        return None
    try:
        result = from_json(path.read_text(encoding="utf-8"))
    except ResultError as error:
        raise HostproofError(f"is no Result: {error}", where=str(path), mend="Compare again.") from error
    witness = kept["witness"]
    visit = Visit(
        round=int(planned["round"]),
        arm=str(planned["arm"]),
        speeds=effect.speeds(result),
        others=others(witness, result),
        stalled=witness["server_pressure"] or witness["pressure"],
        cores=int(witness["cores"]),
    )
    failed = tuple(f"{check.name}: {check.detail}" for check in result.checks if not check.passed)
    workload = f"{result.workload['name']}/{result.workload['version']}"
    return Seen(visit, witness, kept["readings"], failed, workload)


def others(witness: Mapping[str, Any], result: Result) -> float:
    """CPUs on average that neither the server nor the instrument had; what a hypervisor stole is others' too."""
    used, instrument = witness["cpu_seconds"], result.telemetry.get("instrument", {}).get("cpu_seconds", 0.0)
    return max(0.0, float(used["rest"] + used["steal"] - instrument)) / float(witness["seconds"])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise HostproofError(f"cannot be read: {error}", where=str(path), mend="Compare again.") from error
