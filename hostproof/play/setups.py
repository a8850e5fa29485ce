"""What a validation will measure and judge: setups, servers, workloads and thresholds put together.

All of it is read and checked here, on the controller, before a server is touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostproof.errors import HostproofError
from hostproof.judge import marked, sequential, thresholds
from hostproof.judge.thresholds import ThresholdsFile
from hostproof.measure import config
from hostproof.measure.errors import ConfigError
from hostproof.measure.workload import Workload, parse
from hostproof.play.inventory import listing, nearest

SETUP_KEYS = ("title", "server", "workload")
CANARY = "canary"
"""An optional key: whether questions with known answers are asked."""
SETUPS = "validation_setups"


@dataclass(frozen=True)
class Wishes:
    """The role's variables on one host, as the inventory has them."""

    run_id: str
    host: str
    hardware: str
    setups: Mapping[str, Any]
    only: Sequence[str]
    """Names of the chosen setups; empty: all."""
    thresholds_dir: Path
    workloads_dir: Path
    deadline_seconds: float
    """For one setup."""
    more_runs_seconds: float = 0.0
    """What runs beyond the workload's own may take in one setup, where a verdict is not settled."""


@dataclass(frozen=True)
class Planned:
    """One setup that is going to be measured and judged."""

    name: str
    title: str
    server: Mapping[str, Any]
    """The host's own `/etc/hostproof/servers/<server>.json`."""
    config: Mapping[str, Any]
    """CONFIG.json of the instrument."""
    thresholds: ThresholdsFile


def plan(wishes: Wishes, server_files: Mapping[str, str]) -> tuple[Planned, ...]:
    """`server_files`: path on the host → text. Raises HostproofError for anything that cannot be judged."""
    chosen = choose(wishes)
    if not wishes.hardware:
        raise HostproofError(
            "validation_hardware is empty",
            where=f"inventory, host {wishes.host}",
            mend="Name the class of hardware as in the thresholds' files.",
        )
    known = thresholds.load(wishes.thresholds_dir)
    there = read_servers(wishes.host, server_files)
    return tuple(_planned(wishes, name, wish, there, known) for name, wish in chosen.items())


def choose(wishes: Wishes) -> Mapping[str, Mapping[str, str]]:
    """The chosen setups in the inventory's order."""
    where = f"{SETUPS} of host {wishes.host}"
    if not isinstance(wishes.setups, Mapping) or not wishes.setups:
        raise HostproofError(
            "no setups are named, and nothing judged is nothing proven",
            where=where,
            mend="Write some like `cpu: {title: CPU, server: llama_server, workload: seed}`.",
        )
    for name in wishes.only:
        if name not in wishes.setups:
            known = [str(each) for each in wishes.setups]
            raise HostproofError(
                f"unknown setup {name!r}",
                where=where,
                mend=f"{nearest(name, known)} {listing('setups', known)}".strip(),
            )
    found = {str(name): _wish(str(name), wish, where) for name, wish in wishes.setups.items()}
    return {name: wish for name, wish in found.items() if not wishes.only or name in wishes.only}


def _wish(name: str, wish: object, where: str) -> Mapping[str, str]:
    """A path is made of the name, so it is checked like one."""
    where = f"{where}, key {name}"
    if not name or "/" in name or name.startswith("."):
        raise HostproofError(f"{name!r} is no name of a setup", where=where, mend="Use letters and dashes.")
    if not isinstance(wish, Mapping):
        raise HostproofError(
            "must be a mapping", where=where, mend=f"Write {{{', '.join(f'{k}: …' for k in SETUP_KEYS)}}}."
        )
    for key in wish:
        if key not in (*SETUP_KEYS, CANARY):
            raise HostproofError(
                f"unknown key {key!r}",
                where=where,
                mend=f"{nearest(str(key), SETUP_KEYS)} Known: {', '.join((*SETUP_KEYS, CANARY))}.".strip(),
            )
    for key in SETUP_KEYS:
        if not isinstance(wish.get(key), str) or not wish[key].strip():
            raise HostproofError(f"{key} must be a text", where=where, mend="Write one.")
    if not isinstance(wish.get(CANARY, False), bool):
        raise HostproofError(f"{CANARY} must be true or false", where=where, mend="Leave the quotes out.")
    return {key: str(wish[key]) for key in SETUP_KEYS}


def read_servers(host: str, files: Mapping[str, str]) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Server → where its file lies, and what it says."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for path, text in files.items():
        try:
            raw = json.loads(text)
            found[str(raw["server"])] = (path, raw)
        except (ValueError, KeyError, TypeError) as error:
            raise HostproofError(
                f"says nothing of a server: {error!r}",
                where=f"{host}:{path}",
                mend="Provision the host again.",
            ) from error
    return found


def _planned(
    wishes: Wishes,
    name: str,
    wish: Mapping[str, str],
    servers: Mapping[str, tuple[str, Mapping[str, Any]]],
    known: Mapping[thresholds.Key, ThresholdsFile],
) -> Planned:
    if wish["server"] not in servers:
        others = [other for other, its in wishes.setups.items() if its["server"] in servers]
        instead = f" Or validate only what is there: --setup {','.join(others)}." if others else ""
        raise HostproofError(
            f"setup {name!r} wants {wish['server']}, which is not on the host",
            where=f"{wishes.host}:/etc/hostproof/servers/{wish['server']}.json",
            mend=f"Run ./inv provision --host {wishes.host} first, with a model for it.{instead}",
        )
    path, server = servers[wish["server"]]
    document, raw, workload = read_workload(wishes.workloads_dir, wish["workload"])
    wanted = (wishes.hardware, name, str(server.get("model", "")), workload.name)
    chosen = thresholds.choose(known, wanted, wishes.thresholds_dir)
    thresholds.compare(chosen, workload)
    made = {
        "run_id": wishes.run_id,
        "host": wishes.host,
        "hardware": wishes.hardware,
        "setup": name,
        "server": server,
        "workload": raw,
        "deadline_seconds": wishes.deadline_seconds,
        "canary": wishes.setups[name].get(CANARY, False),
        "growth": sequential.rule(chosen.thresholds, _ceiling(server), wishes.more_runs_seconds),
    }
    try:
        config.parse(made)
    except ConfigError as error:
        if error.path.startswith("workload"):
            raise _at(document, error) from error
        where = (
            f"{wishes.host}:{path}" if error.path.startswith("server") else f"inventory, host {wishes.host}"
        )
        raise HostproofError(str(error), where=where, mend="Mend it, and provision again.") from error
    return Planned(name, wish["title"], server, made, chosen)


def _ceiling(server: Mapping[str, Any]) -> float:
    """0: the host does not know it, or not as a number; the configuration's own reader says the latter."""
    told = server.get("ceiling")
    found = told.get("tokens_per_second", 0.0) if isinstance(told, Mapping) else 0.0
    return float(found) if isinstance(found, int | float) else 0.0


def read_workload(folder: Path, name: str) -> tuple[marked.Entry, object, Workload]:
    """As it stands in the file, as plain data, and as the instrument understands it."""
    file = folder / f"{name}.yml"
    if not file.is_file():
        known = sorted(path.stem for path in folder.glob("*.yml"))
        raise HostproofError(
            f"no workload {name!r}",
            where=str(folder),
            mend=f"{nearest(name, known)} {listing('workloads', known)}".strip(),
        )
    document = marked.read(file)
    raw = marked.plain(document)
    try:
        workload = parse(raw)
    except ConfigError as error:
        raise _at(document, error) from error
    if workload.name != name:
        raise marked.find(document, "name").error(
            f"is {workload.name!r} in a file called {file.name}", "Give both the same name."
        )
    return document, raw, workload


def _at(document: marked.Entry, error: ConfigError) -> HostproofError:
    key = error.path.removeprefix("workload").lstrip(".")
    entry = marked.find(document, key)
    place = f"{entry.where}, key {key}" if key else entry.where
    return HostproofError(error.problem, where=place, mend="docs/contracts.md has a workload's keys.")
