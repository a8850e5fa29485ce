"""`./inv judge RESULT --thresholds FILE`: one Result against one file of thresholds, without a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.judge import thresholds
from hostproof.judge.model import SetupVerdict, Verdict
from hostproof.judge.thresholds import ThresholdsFile
from hostproof.judge.verdict import judge_setup
from hostproof.judge.verdict_json import to_json
from hostproof.measure.errors import ConfigError
from hostproof.measure.result import Result
from hostproof.play.ending import Ending, of_verdict
from hostproof.report import terminal
from hostproof.report.material import Material, read_results

AGAIN = "Measure again."
EXAMPLE = "Write it like: ./inv judge runs/latest/measured.json --thresholds inventory/thresholds/lab-cpu.yml"


def judge(console: Console, result: str, wanted: str, *, as_json: bool) -> Ending:
    """Ends as a validation: 0 proven, 2 below, 3 inconclusive, 1 could not. Raises HostproofError."""
    path, file = _file(result, "RESULT"), _file(wanted, "--thresholds")
    (found,) = read_results([path])
    _whole(found, path)
    bounds = thresholds.load_file(file)
    _belongs(found, bounds, path)
    named = replace(found, hardware=bounds.hardware, setup=replace(found.setup, name=bounds.setup))
    verdict = Verdict(named.run_id, (_judged(named, bounds, path),))
    titles = {bounds.setup: found.setup.model}
    if as_json:
        print(to_json(verdict, titles), end="")
    elif console.is_terminal:
        terminal.show(console, Material(verdict, (named,), titles))
    else:
        text = terminal.text(Material(verdict, (named,), titles))
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    return of_verdict(verdict.outcome)


def _file(given: str, where: str) -> Path:
    if not given:
        raise HostproofError("no file is named", where=where, mend=EXAMPLE)
    path = Path(given).expanduser()
    if not path.is_file():
        raise HostproofError("there is no such file", where=f"{where}: {given}", mend=EXAMPLE)
    return path.absolute()


def _whole(result: Result, path: Path) -> None:
    if result.unfinished:
        raise HostproofError(
            f"is unfinished ({result.unfinished}), and a part is never judged as the whole",
            where=str(path),
            mend=AGAIN,
        )
    if not any(measured.samples for measured in result.measurements):
        raise HostproofError(
            "has no measured figure, and nothing judged is nothing proven", where=str(path), mend=AGAIN
        )


def _belongs(result: Result, bounds: ThresholdsFile, path: Path) -> None:
    """A Result of a server that somebody else started names no hardware and no setup: then whoever judges it does."""
    said = {"hardware": result.hardware, "setup": result.setup.name, "model": result.setup.model}
    for key, wanted in {"hardware": bounds.hardware, "setup": bounds.setup, "model": bounds.model}.items():
        if said[key] and said[key] != wanted:
            raise HostproofError(
                f"the thresholds are for the {key} {wanted!r}, the Result is of {said[key]!r}",
                where=f"{bounds.file} and {path}",
                mend=f"Name the file of thresholds for {said[key]!r}.",
            )


def _judged(result: Result, bounds: ThresholdsFile, path: Path) -> SetupVerdict:
    try:
        return judge_setup(result, bounds)
    except ConfigError as error:
        raise HostproofError(f"has no workload of ours: {error}", where=str(path), mend=AGAIN) from error
