"""How a verb ends: an exit status with the sentence that says why. Pure but for reading verdict.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.judge.model import Outcome
from hostproof.play import summary
from hostproof.play.diagnose import diagnose
from hostproof.play.events import Failure, Progress
from hostproof.play.runner import Finished

VERDICT_ACTION = "verdict"
NO_HOST = "could not: the playbook reached no host. Is the host in the group that its play names (`hosts: inference_hosts`)?"
_VERDICT_WORDS = {
    Outcome.PROVEN: "proven: every threshold is met",
    Outcome.BELOW: "not proven: below threshold",
    Outcome.INCONCLUSIVE: "inconclusive: the measurements do not settle it",
    Outcome.UNMEASURED: "could not say: something was not measured, or nothing was judged",
}


@dataclass(frozen=True)
class Ending:
    """What a task prints last and exits with."""

    status: ExitStatus
    sentence: str


def of_provision(finished: Finished, progress: Progress) -> Ending:
    if trouble := _trouble(finished, progress):
        return trouble
    now = "now " if progress.changed else ""
    if progress.reboots:
        hosts = " ".join(f"--host {host}" for host in sorted(progress.reboots))
        return Ending(
            ExitStatus.YES,
            f"{progress.changed} changed: {_hosts_are(progress)} {now}as wanted, but for a boot that is pending. "
            f"`./inv provision {hosts} --allow-reboot` boots once; so does whoever boots it by hand.",
        )
    return Ending(ExitStatus.YES, f"{progress.changed} changed: {_hosts_are(progress)} {now}as wanted.")


def of_plan(finished: Finished, progress: Progress) -> Ending:
    if trouble := _trouble(finished, progress):
        return trouble
    boot = f" {', '.join(sorted(progress.reboots))} would need a boot." if progress.reboots else ""
    if progress.changed == 0 and not boot:
        return Ending(ExitStatus.YES, f"0 changes pending: {_hosts_are(progress)} as wanted.")
    return Ending(ExitStatus.NO, f"{progress.changed} changes pending; nothing was written.{boot}")


def of_facts(finished: Finished, progress: Progress) -> Ending:
    return _trouble(finished, progress) or Ending(ExitStatus.YES, "")


def of_validate(finished: Finished, progress: Progress, verdict: Outcome | None) -> Ending:
    """The verdict decides, unless something else than the judging failed: that would be half an answer."""
    other = [failure for failure in progress.failures if not is_verdict(failure)]
    if finished.interrupted or other or verdict is None:
        return _trouble(finished, progress) or of_verdict(None)
    if finished.rc != 0 and verdict is Outcome.PROVEN:
        return Ending(
            ExitStatus.COULD_NOT, f"could not: ansible-playbook ended with {finished.rc} after the verdict."
        )
    return of_verdict(verdict)


def is_verdict(failure: Failure) -> bool:
    """Whether it is the verdict that failed, and no step on the way to it."""
    return failure.task.action.rpartition(".")[2] == VERDICT_ACTION


def of_verdict(verdict: Outcome | None) -> Ending:
    if verdict is None:
        return Ending(ExitStatus.COULD_NOT, "could not: the run ended without a verdict.")
    return Ending(verdict.exit_status, f"{_VERDICT_WORDS[verdict]}.")


def _trouble(finished: Finished, progress: Progress) -> Ending | None:
    if finished.interrupted:
        return Ending(ExitStatus.COULD_NOT, "interrupted.")
    if finished.timed_out:
        return Ending(ExitStatus.COULD_NOT, "could not: the time limit passed.")
    if progress.failures:
        return Ending(ExitStatus.COULD_NOT, f"could not: {_first_failure(progress)}.")
    if finished.rc != 0:
        said = summary.first_complaint(progress) or f"ansible-playbook ended with {finished.rc}"
        return Ending(ExitStatus.COULD_NOT, f"could not: {said}.")
    if not progress.counts:
        # An empty run must never look like a good one.
        return Ending(ExitStatus.COULD_NOT, NO_HOST)
    return None


def _first_failure(progress: Progress) -> str:
    first = progress.failures[0]
    cause = diagnose(first.message)
    failed = f"{first.task.name!r} failed on {first.host}"
    what = f"{first.host} is unreachable" if first.unreachable else failed
    more = f", and {len(progress.failures) - 1} more" if len(progress.failures) > 1 else ""
    return f"{what}{f' ({cause.what})' if cause else ''}{more}"


def _hosts_are(progress: Progress) -> str:
    return "host is" if len(progress.counts) == 1 else f"{len(progress.counts)} hosts are"


def read_verdict(folder: Path) -> Outcome | None:
    """The outcome in a run's verdict.json; None if the run wrote none."""
    path = folder / "verdict.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise HostproofError(
            "the verdict is not JSON", where=f"{path}:{error.lineno}", mend="Validate again."
        ) from error
    try:
        return Outcome(raw["outcome"])
    except (KeyError, TypeError, ValueError) as error:
        raise HostproofError(
            "the verdict has no known outcome", where=str(path), mend="Validate again."
        ) from error
