"""What a report is made of: verdict, Results, the setups' titles; and where they lie in a run's folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hostproof.errors import HostproofError
from hostproof.judge.model import SetupVerdict, Verdict
from hostproof.judge.roofline import Roofline, RooflineError
from hostproof.judge.roofline import from_json as roofline_from_json
from hostproof.judge.verdict_json import VerdictError, from_json
from hostproof.measure.result import Result, ResultError
from hostproof.measure.result import from_json as result_from_json

VERDICT = "verdict.json"
RESULTS = "results"
PASSPORTS = "facts"
ROOFLINES = "rooflines"


@dataclass(frozen=True)
class Part:
    """One setup on one host: its verdict, and its Result unless it never came."""

    verdict: SetupVerdict
    result: Result | None
    title: str
    """As people call it, with the host in front where there are several."""


@dataclass(frozen=True)
class Material:
    """Everything that the pages show; they add nothing and decide nothing."""

    verdict: Verdict
    results: tuple[Result, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    """Setup → title, for example `gpu` → `B: GPU nvfp4`."""
    rooflines: Mapping[tuple[str, str], Roofline] = field(default_factory=dict)
    """Host and setup → what limits it, where its host told that."""
    passports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Host → its facts, where the run kept them."""

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(setup.host for setup in self.verdict.setups))

    def of_host(self, host: str) -> Material:
        """What concerns one host alone."""
        setups = tuple(setup for setup in self.verdict.setups if setup.host == host)
        results = tuple(result for result in self.results if result.host == host)
        mine = {name: facts for name, facts in self.passports.items() if name == host}
        return replace(self, verdict=replace(self.verdict, setups=setups), results=results, passports=mine)

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(self._part(setup) for setup in self.verdict.setups)

    @property
    def measured(self) -> tuple[tuple[Part, Result], ...]:
        return tuple((part, part.result) for part in self.parts if part.result is not None)

    def _part(self, setup: SetupVerdict) -> Part:
        key = setup.host, setup.setup
        result = next((r for r in self.results if (r.host, r.setup.name) == key), None)
        several = len({each.host for each in self.verdict.setups}) > 1
        title = self.titles.get(setup.setup, setup.setup)
        return Part(setup, result, f"{setup.host} · {title}" if several else title)


def load(run: Path) -> Material:
    """The material of a run that was judged; raises HostproofError if the folder holds none."""
    path = run / VERDICT
    text = _text(path, "the run has no verdict", "Validate again, or name a folder under runs/.")
    try:
        verdict, titles = from_json(text)
    except VerdictError as error:
        raise HostproofError(str(error), where=str(path), mend="Validate again.") from error
    known = rooflines(run, [(setup.host, setup.setup) for setup in verdict.setups])
    results = read_results(sorted((run / RESULTS).rglob("*.json")))
    return Material(verdict, results, titles, known, passports(run))


def rooflines(run: Path, setups: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Roofline]:
    """Of those that have one. Raises HostproofError for a file that is none."""
    found = {}
    for host, setup in setups:
        path = run / ROOFLINES / host / f"{setup}.json"
        if path.is_file():
            text = _text(path, "no such roofline", "Validate again.")
            try:
                found[host, setup] = roofline_from_json(text)
            except RooflineError as error:
                raise HostproofError(
                    f"is no roofline: {error}", where=str(path), mend="Validate again."
                ) from error
    return found


def passports(run: Path) -> dict[str, Mapping[str, Any]]:
    """Facts and GPUs of each host, as the run kept them; none where it kept none."""
    return {path.stem: _passport(path) for path in sorted((run / PASSPORTS).glob("*.json"))}


def _passport(path: Path) -> Mapping[str, Any]:
    try:
        raw = json.loads(_text(path, "no such passport", "Validate again."))
        gpu = raw["gpu"]
        return {**raw["facts"], "gpus": gpu["gpus"], "driver": gpu["driver"]}
    except (ValueError, KeyError, TypeError) as error:
        raise HostproofError(f"is no passport: {error}", where=str(path), mend="Validate again.") from error


def read_results(paths: list[Path]) -> tuple[Result, ...]:
    return tuple(_result(path) for path in paths)


def _result(path: Path) -> Result:
    text = _text(path, "no such Result", "Measure again.")
    try:
        return result_from_json(text)
    except ResultError as error:
        raise HostproofError(f"is no Result: {error}", where=str(path), mend="Measure again.") from error


def _text(path: Path, what: str, mend: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise HostproofError(what, where=str(path), mend=mend) from error
    except (OSError, UnicodeDecodeError) as error:
        raise HostproofError(f"cannot be read: {error}", where=str(path), mend=mend) from error
