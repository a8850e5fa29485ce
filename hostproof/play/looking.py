"""Tasks that only look: a playbook asks hosts, and what each handed over is told to people, or as JSON alone on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from hostproof.exits import ExitStatus
from hostproof.play import inventory, verbs
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending, of_facts

Tell = Callable[[Mapping[str, Path]], Ending]
"""From host → file that it handed over to what is said of all."""


def at(
    checkout: Checkout, console: Console, task: str, names: Sequence[str], tell: Tell, *, as_json: bool
) -> Ending:
    """Plays `<task>.yml`, which leaves `<task>/<host>.json` in the run's folder. With `as_json` progress goes to stderr.

    Raises HostproofError.
    """
    hosts = inventory.read(checkout).choose(names)
    order = verbs.Order(task, task, hosts, {"host": list(names)})
    progress = Console(stderr=True) if as_json else console
    ended = verbs.carry_out(checkout, progress, order, lambda finished, seen, _: of_facts(finished, seen))
    if ended.ending.status is not ExitStatus.YES:
        return ended.ending
    return tell({host: ended.folder / task / f"{host}.json" for host in hosts})


def in_json(schema: str, found: Mapping[str, object], ended: Ending) -> Ending:
    """Prints it. A yes is said on stdout, so beside JSON it is said by the status alone."""
    print(json.dumps({"schema": schema, "hosts": found}, indent=2))
    return Ending(ended.status, "") if ended.status is ExitStatus.YES else ended
