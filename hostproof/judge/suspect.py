"""What a suspect is, and all that there is to judge one by. Types only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostproof.judge.proof import DeviceProof
from hostproof.judge.roofline import Roofline
from hostproof.measure.result import Result


@dataclass(frozen=True)
class Suspect:
    what: str
    evidence: str
    mend: str
    """A command, or the variable with the command that applies it."""
    weight: float


@dataclass(frozen=True)
class Case:
    """All that there is to judge by."""

    result: Result
    roof: Roofline
    proof: DeviceProof | None

    @property
    def runs(self) -> Sequence[Mapping[str, Any]]:
        return [run for run in self.result.telemetry.get("runs", ()) if isinstance(run, Mapping)]

    @property
    def cores(self) -> int:
        return int(self.roof.facts.get("cpu", {}).get("cores") or 0)

    @property
    def apply(self) -> str:
        tags = self.result.setup.server
        return f"./inv provision --host {self.result.host}  (tag {tags})"

    def flag(self, *names: str) -> str:
        flags = self.result.setup.flags
        return next((str(flags[name]) for name in names if name in flags), "")

    def worst(self, key: str) -> float:
        return max(
            (float(run[key]) for run in self.runs if isinstance(run.get(key), int | float)), default=0.0
        )


Rule = Callable[[Case], Iterator[Suspect]]
