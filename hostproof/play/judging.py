"""From the Results in a run's folder to its verdict and its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.judge import thresholds
from hostproof.judge.model import Outcome, SetupVerdict, Verdict
from hostproof.judge.proof import DeviceProof, ProofError
from hostproof.judge.proof import from_json as proof_from_json
from hostproof.judge.roofline import Roofline
from hostproof.judge.thresholds import ThresholdsFile
from hostproof.judge.verdict import judge_setup, missing
from hostproof.measure.errors import ConfigError
from hostproof.measure.result import Result
from hostproof.report.material import RESULTS, Material, passports, read_results, rooflines

PROOFS = "proofs"
NEVER_CAME = "the run ended before it was measured"
LOG_LINES = 12
NOT_REACHED = "the host was not reached, or failed before its setups were known"


@dataclass(frozen=True)
class Expected:
    """One setup on one host that was going to be judged; `problem` says why it was not measured."""

    host: str
    setup: str
    hardware: str
    model: str
    title: str
    problem: str = ""


def judge(
    run: Path, run_id: str, hosts: Sequence[str], expected: Sequence[Expected], thresholds_dir: Path
) -> Material:
    """Nothing that was to be judged is left out: without a Result it is unmeasured, and so is a host without setups.

    Raises HostproofError if a Result is no Result, or not one of this run.
    """
    known = thresholds.load(thresholds_dir)
    found = {(each.host, each.setup): _result(run, run_id, each) for each in expected}
    limits = rooflines(run, found)
    verdicts = [
        _verdict(
            each,
            found[each.host, each.setup],
            known,
            thresholds_dir,
            proof=_proof(run, each),
            roof=limits.get((each.host, each.setup)),
        )
        for host in hosts
        for each in expected
        if each.host == host
    ]
    silent = [host for host in hosts if host not in {each.host for each in expected}]
    verdicts += [missing(host, "every setup", NOT_REACHED) for host in silent]
    titles = {each.setup: each.title for each in expected}
    measured = tuple(result for result in found.values() if result)
    return Material(Verdict(run_id, tuple(verdicts)), measured, titles, limits, passports(run))


def path_of(run: Path, host: str, setup: str) -> Path:
    return run / RESULTS / host / f"{setup}.json"


def _result(run: Path, run_id: str, expected: Expected) -> Result | None:
    path = path_of(run, expected.host, expected.setup)
    if not path.is_file():
        return None
    (result,) = read_results([path])
    wanted = (run_id, expected.host, expected.setup, expected.hardware, expected.model)
    said = (result.run_id, result.host, result.setup.name, result.hardware, result.setup.model)
    if wanted != said:
        raise HostproofError(
            f"is a Result of {' / '.join(said)}, not of {' / '.join(wanted)}",
            where=str(path),
            mend="Use an empty folder for each run.",
        )
    return result


def _proof(run: Path, expected: Expected) -> DeviceProof | None:
    path = run / PROOFS / expected.host / f"{expected.setup}.json"
    if not path.is_file():
        return None
    try:
        return proof_from_json(path.read_text(encoding="utf-8"))
    except ProofError as error:
        raise HostproofError(f"is no proof: {error}", where=str(path), mend="Validate again.") from error


def _verdict(
    expected: Expected,
    result: Result | None,
    known: Mapping[thresholds.Key, ThresholdsFile],
    folder: Path,
    *,
    proof: DeviceProof | None,
    roof: Roofline | None,
) -> SetupVerdict:
    if result is None:
        return missing(expected.host, expected.setup, _short(expected.problem) or NEVER_CAME)
    wanted = (expected.hardware, expected.setup, expected.model, str(result.workload.get("name", "")))
    try:
        verdict = judge_setup(result, thresholds.choose(known, wanted, folder), proof, roof)
        return half(verdict, expected.problem) if expected.problem else verdict
    except ConfigError as error:
        path = f"{expected.host}/{expected.setup}.json"
        raise HostproofError(f"no workload of ours: {error}", where=path, mend="Measure again.") from error


def half(verdict: SetupVerdict, problem: str) -> SetupVerdict:
    """Measured, but what came after it failed, such as the proof of the device: never proven, and it is said why."""
    worst = verdict.outcome if verdict.outcome is Outcome.BELOW else Outcome.UNMEASURED
    return replace(verdict, outcome=worst, findings=(_short(problem), *verdict.findings))


def _short(problem: str) -> str:
    """The sentence and the end of the log under it; the run's record has all of it."""
    head, *log = problem.strip().splitlines() or [""]
    return "\n".join([head, *log[-LOG_LINES:]])
