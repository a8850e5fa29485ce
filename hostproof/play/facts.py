"""`./inv facts`: the passport of this machine, of hosts, or of a recorded tree; as a page, as JSON, as an archive."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import inventory, passport, recordings, verbs
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending, of_facts
from hostproof.shared.facts import gather, gpu, recording
from hostproof.shared.facts.model import Facts

HERE = "this machine"


@dataclass(frozen=True)
class Asked:
    """As the user gave it. Neither hosts nor a root: this machine."""

    hosts: Sequence[str] = ()
    root: str = ""
    record: str = ""
    as_json: bool = False
    privileged: bool = True
    """Hosts: become root there. Not on this machine, which is read as whoever runs it."""


@dataclass(frozen=True)
class Looked:
    facts: Facts
    recording: Mapping[str, Any]


def show(checkout: Checkout, console: Console, asked: Asked) -> Ending:
    """Looks, writes the archive if one is wanted, prints the page or the JSON (alone on stdout). Raises HostproofError."""
    _check(asked)
    if asked.hosts:
        ended, seen = _from_hosts(checkout, asked)
        if ended.status is not ExitStatus.YES:
            return ended
    else:
        seen = {asked.root or HERE: _from_tree(asked.root)}
    if asked.record:
        (only,) = seen.values()
        recordings.write(only.recording, Path(asked.record))
    if asked.as_json:
        print(as_json({name: looked.facts for name, looked in seen.items()}))
        return Ending(ExitStatus.YES, "")
    for name, looked in seen.items():
        passport.show(console, name, looked.facts)
    return Ending(ExitStatus.YES, f"recorded in {asked.record}." if asked.record else "")


def as_json(seen: Mapping[str, Facts]) -> str:
    """One host: its facts. Several: an object of them by host."""
    plain = {name: gather.to_json(facts) for name, facts in seen.items()}
    return json.dumps(next(iter(plain.values())) if len(plain) == 1 else plain, indent=2)


def _check(asked: Asked) -> None:
    if asked.root and asked.hosts:
        raise HostproofError(
            "--root reads a recorded tree and --host a host", where="./inv facts", mend="Name one of the two."
        )
    if asked.record:
        recordings.check_name(Path(asked.record))
    if asked.record and len(asked.hosts) > 1:
        raise HostproofError(
            "one archive holds one host", where="--record", mend="Record the hosts one after the other."
        )


def _from_tree(root: str) -> Looked:
    if not root:
        return Looked(*recording.record_all(gpu.asking()))
    with recordings.opened(Path(root)) as folder:
        return Looked(*recording.record_all(gpu.asking(), folder))


def _from_hosts(checkout: Checkout, asked: Asked) -> tuple[Ending, dict[str, Looked]]:
    """Runs the playbook; what it left in the run's folder is read back."""
    hosts = inventory.read(checkout).choose(asked.hosts)
    if asked.record and len(hosts) > 1:
        raise HostproofError(
            f"one archive holds one host, and {asked.hosts[0]} is {len(hosts)}",
            where="--record",
            mend="Record the hosts one after the other.",
        )
    extra = {"facts_record": bool(asked.record), "facts_become": asked.privileged}
    order = verbs.Order("facts", "facts", hosts, {"host": list(asked.hosts)}, extra)
    # Progress goes to stderr: stdout is the facts' own, for a pipe.
    ended = verbs.carry_out(
        checkout, Console(stderr=True), order, lambda finished, progress, _: of_facts(finished, progress)
    )
    if ended.ending.status is not ExitStatus.YES:
        return ended.ending, {}
    return ended.ending, {host: read_kept(ended.folder / "facts" / f"{host}.json") for host in hosts}


def read_kept(path: Path) -> Looked:
    """What the playbook kept of one host. Raises HostproofError if it is not what this version writes."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        told = raw["gpu"]
        seen = gather.gpus_from_json({key: told[key] for key in ("gpus", "driver")})
        facts = gather.with_gpus(gather.from_json(raw["facts"]), seen, told["unreadable"])
        return Looked(facts, _merged(raw["recording"], told.get("recording", {})))
    except FileNotFoundError as error:
        raise HostproofError(
            "the host handed over no facts", where=str(path), mend="Is it in the group inference_hosts?"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise HostproofError(
            f"the host's facts cannot be read: {error}", where=str(path), mend="Run it again."
        ) from error


def _merged(one: dict[str, Any], other: dict[str, Any]) -> Mapping[str, Any]:
    """Nothing where nothing was to be recorded."""
    return recording.merged(one, other) if one and other else one
