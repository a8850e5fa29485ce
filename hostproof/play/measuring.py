"""`./inv measure`: the instrument against a server that somebody else started. No Ansible, no ssh."""

from __future__ import annotations

import ipaddress
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.measure import lock, probe, run
from hostproof.measure.client import Client, read_key
from hostproof.measure.config import Config, Server
from hostproof.measure.errors import ConfigError, MeasureError
from hostproof.measure.probe import Subject
from hostproof.measure.recorder import HERTZ
from hostproof.measure.result import Result, to_json
from hostproof.measure.run import Kept, Voice
from hostproof.measure.transport import HttpTransport
from hostproof.measure.workload import fitted
from hostproof.play import record, setups
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.events import Progress
from hostproof.play.measured_table import draw

MEASURED = "measured.json"
STDOUT = "-"
ROUTE = "/v1"
"""People copy the base URL of an OpenAI client, which ends so."""


@dataclass(frozen=True)
class Asked:
    """As the user gave it."""

    url: str
    workload: str
    json: str
    model: str
    api_key_file: str
    deadline: str


def measure(checkout: Checkout, console: Console, asked: Asked) -> Ending:
    """Raises HostproofError if nothing could be measured."""
    url = base_url(asked.url)
    seconds = _seconds(asked.deadline)
    target = _target(asked.json)
    _, raw, workload = setups.read_workload(*_where(checkout, asked.workload))
    screen = Console(stderr=True) if asked.json == STDOUT else console
    say = _printer(screen)
    start, host = record.now(), _host(url)
    run_id = record.run_id("measure", [_label(url)], start)
    arguments = {key: value for key, value in vars(asked).items() if value}
    book = record.Run(
        run_id, "measure", arguments, (host,), record.versions(), record.git_state(checkout.root), start
    )
    try:
        client = Client(HttpTransport(url), "", read_key(asked.api_key_file))
        subject = probe.look(client, url, asked.model)
        subject = replace(subject, local=is_local(url))
        fitting, left_out = fitted(workload, subject.context)
        wanted = Config(
            run_id=run_id,
            host=host,
            hardware="",
            setup="",
            server=_server(subject, url, asked.api_key_file),
            workload=fitting,
            left_out=left_out,
            workload_raw=raw if isinstance(raw, dict) else {},
            deadline_seconds=seconds,
            telemetry_hertz=HERTZ if subject.local else 0,
        )
        with lock.held(lock.default_path(), run_id), record.opened(checkout.runs, book) as kept:
            return _measured(kept, wanted, subject, say=say, target=target, screen=screen)
    except ConfigError as error:
        raise HostproofError(
            error.problem, where=_place(error, asked), mend="Mend it, and measure again."
        ) from error
    except MeasureError as error:
        raise HostproofError(
            str(error), where=url, mend="docs/measuring.md tells what a server must answer."
        ) from error


def _measured(
    kept: record.Record,
    wanted: Config,
    subject: Subject,
    *,
    say: Callable[[str], None],
    target: Path | None,
    screen: Console,
) -> Ending:
    def voice(line: str) -> None:
        say(line)
        kept.say(line)

    files = Kept(
        telemetry=kept.folder / "telemetry.jsonl.gz" if wanted.telemetry_hertz else None,
        chunks=kept.folder / "chunks.jsonl.gz",
    )
    for note in (*subject.notes, *wanted.left_out):
        voice(f"note: {note}")
    result = run.of(
        subject, wanted, Voice(voice, lambda event: None), files, time.monotonic(), interruptible=True
    )
    text = to_json(result)
    record.write_whole(kept.folder / MEASURED, text)
    if target is not None:
        record.write_whole(target, text)
    elif wanted_on_stdout(screen):
        print(text, end="")
    draw(screen, result)
    ending = of_result(result, str(target or kept.folder / MEASURED))
    kept.end(ending.status, ending.sentence, Progress(), interrupted=run.STOPPED in result.unfinished)
    return ending


def wanted_on_stdout(screen: Console) -> bool:
    """Then everything else goes to stderr."""
    return screen.stderr


def of_result(result: Result, file: str) -> Ending:
    """The closing sentence. Pure."""
    if result.unfinished:
        return Ending(
            ExitStatus.COULD_NOT,
            f"unfinished: {result.unfinished}. What there is lies in {file}, marked so, and is never judged as whole.",
        )
    failed = [check.name for check in result.checks if not check.passed]
    if not result.measurements:
        return _of_behaviour(result, failed, file)
    runs = sum(m.samples.count(0.0) for m in result.measurements if m.metric == "failed_requests")
    if not runs:
        why = next((m.problem for m in result.measurements if m.problem), "every request failed")
        return Ending(ExitStatus.COULD_NOT, f"nothing was measured: {why}. The record is {file}.")
    checks = f"; failed checks: {', '.join(failed)}" if failed else ""
    return Ending(ExitStatus.YES, f"{runs} requests measured{checks}. The Result is {file}.")


def _of_behaviour(result: Result, failed: list[str], file: str) -> Ending:
    """A workload without cells asks one question: does it behave?"""
    tried = len(result.checks)
    if failed:
        return Ending(
            ExitStatus.NO,
            f"{len(failed)} of {tried} behaviours failed: {', '.join(failed)}. The record is {file}.",
        )
    return Ending(ExitStatus.YES, f"all {tried} behaviours passed. The record is {file}.")


def base_url(given: str) -> str:
    """Without the slash and the /v1 at its end. Raises HostproofError."""
    url = given.strip().rstrip("/").removesuffix(ROUTE)
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise HostproofError(
            f"{given!r} is no URL of a server" if given else "no server is named",
            where="--url",
            mend="Write it like http://127.0.0.1:8081.",
        )
    if parts.username or parts.password:
        raise HostproofError(
            "a URL with a password in it would end up in records",
            where="--url",
            mend="Write the key into a file that only you can read, and name it with --api-key-file.",
        )
    return url


def is_local(url: str) -> bool:
    """Whether the address is this machine's own loopback."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(url: str) -> str:
    return platform.node() if is_local(url) else urlsplit(url).hostname or ""


def _label(url: str) -> str:
    parts = urlsplit(url)
    name = (parts.hostname or "").replace(":", ".")
    return f"{name}-{parts.port}" if parts.port else name


def _seconds(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e7:
        raise HostproofError(
            f"{given!r} is no number of seconds", where="--deadline", mend="Write one like 1800."
        )
    return seconds


def _target(given: str) -> Path | None:
    """Looked at before anything is measured, so that no figure is lost to a misspelt folder."""
    if given in ("", STDOUT):
        return None
    path = Path(given).expanduser().absolute()
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"lies in a folder that does not exist: {path.parent}"
        raise HostproofError(
            f"the file {what}", where=f"--json {given}", mend="Name a file in a folder that exists."
        )
    return path


def _where(checkout: Checkout, workload: str) -> tuple[Path, str]:
    """Folder and name; a path to a file is one, too."""
    if workload.endswith((".yml", ".yaml")):
        path = Path(workload).expanduser()
        return path.parent, path.stem
    return checkout.workloads, workload


def _server(subject: Subject, url: str, api_key_file: str) -> Server:
    return Server(
        server=subject.dialect.server,
        unit="",
        url=url,
        api_key_file=api_key_file,
        model=subject.client.model,
        served_name=subject.client.model,
        parameters_billion=subject.parameters_billion,
        context=subject.context,
        release="",
        flags={},
    )


def _place(error: ConfigError, asked: Asked) -> str:
    if error.path == "server.api_key_file":
        return "--api-key-file"
    return f"--workload {asked.workload}" if error.path.startswith("workload") else error.path


def _printer(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)
