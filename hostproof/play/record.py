"""runs/<run id>/: what was done, to which host, by which versions, and how it ended.

Written as the run goes, so that a failed or interrupted run leaves as much behind as a good one.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import hostproof
from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import scrub
from hostproof.play.events import Event, Progress

SCHEMA = "hostproof.run/1"
GIT_LIMIT_SECONDS = 10


@dataclass(frozen=True)
class Run:
    """The content of run.json. `exit_status` is None while the run goes (or after the machine lost power)."""

    run_id: str
    task: str
    arguments: Mapping[str, Any]
    hosts: tuple[str, ...]
    versions: Mapping[str, str]
    git: Mapping[str, Any]
    start: str
    end: str = ""
    exit_status: int | None = None
    sentence: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    interrupted: bool = False
    schema: str = SCHEMA


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_id(task: str, hosts: Sequence[str], moment: str) -> str:
    """`<UTC basic time>-<task>-<host>`, with `<first>+<n>` for several hosts."""
    basic = moment.split("+", maxsplit=1)[0].replace("-", "").replace(":", "") + "Z"
    return f"{basic}-{task}-{hosts[0]}{f'+{len(hosts) - 1}' if len(hosts) > 1 else ''}"


def versions() -> dict[str, str]:
    found = {"hostproof": hostproof.__version__, "python": platform.python_version()}
    for name in ("ansible-core", "ansible-runner"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def git_state(root: Path) -> dict[str, Any]:
    """The commit and whether the working copy differs from it; empty outside a repository or without git."""
    commit = _git(root, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain"))} if commit else {}


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=GIT_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@dataclass
class Record:
    """The open record of one run."""

    folder: Path
    run: Run
    events: IO[str]
    log: IO[str]
    ended: bool = False

    def add(self, event: Event) -> None:
        self.events.write(json.dumps(scrub.event(event), ensure_ascii=False) + "\n")
        self.events.flush()

    def say(self, line: str) -> None:
        self.log.write(scrub.text(line) + "\n")
        self.log.flush()

    def end(self, status: ExitStatus, sentence: str, progress: Progress, *, interrupted: bool) -> None:
        counts = {host: asdict(counts) for host, counts in progress.counts.items()}
        self.run = replace(
            self.run,
            end=now(),
            exit_status=int(status),
            sentence=scrub.text(sentence),
            counts=counts,
            interrupted=interrupted,
        )
        diffs = [f"# {c.host}: {c.task.role} : {c.task.name}\n{c.diff}\n" for c in progress.changes if c.diff]
        if diffs:
            write_whole(self.folder / "changes.diff", scrub.text("\n".join(diffs), whole=True))
        self.write()
        self.ended = True

    def write(self) -> None:
        write_whole(self.folder / "run.json", json.dumps(asdict(self.run), indent=1) + "\n")


@contextmanager
def opened(runs: Path, run: Run) -> Iterator[Record]:
    """Makes the run's folder and points `latest` at it."""
    folder = runs / run.run_id
    folder.mkdir(parents=True)
    with (
        (folder / "events.jsonl").open("w", encoding="utf-8") as events,
        (folder / "log.txt").open("w", encoding="utf-8") as log,
    ):
        record = Record(folder, run, events, log)
        record.write()
        _point_latest(runs, run.run_id)
        try:
            yield record
        except HostproofError as error:
            record.end(error.status, str(error), Progress(), interrupted=False)
            raise
        finally:
            if not record.ended:
                record.end(ExitStatus.COULD_NOT, "stopped before it could end", Progress(), interrupted=True)


def _point_latest(runs: Path, name: str) -> None:
    new = runs / f".latest-{os.getpid()}"
    new.unlink(missing_ok=True)
    new.symlink_to(name)
    new.replace(runs / "latest")


def write_whole(path: Path, text: str) -> None:
    """The file is either the old one or the new one, never half of it."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def load(folder: Path) -> Run | None:
    """A run's record, or None if the folder holds none that this version can read."""
    try:
        raw = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return Run(**{**raw, "hosts": tuple(raw["hosts"])}) if raw.get("schema") == SCHEMA else None
    except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


def past(runs: Path) -> Iterator[tuple[Path, Run]]:
    """Every readable run, newest first (the folder's name begins with its time)."""
    folders = sorted((p for p in runs.glob("*Z-*") if p.is_dir()), reverse=True) if runs.is_dir() else []
    for folder in folders:
        if run := load(folder):
            yield folder, run
