"""What a comparison will measure, worked out before a server is touched: the server, the workload, and who comes when."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any, Literal

from hostproof.errors import HostproofError
from hostproof.measure import config
from hostproof.measure.errors import ConfigError
from hostproof.play import setups
from hostproof.play.inventory import listing

ARMS = ("a1", "b", "a2")
"""A comes twice a round: what two equal arms differ by is the machine's noise floor."""
NO_HARDWARE = "unnamed"


@dataclass(frozen=True)
class Visit:
    """One measurement under one arm. `file`: the stem of what it leaves in the run's folder."""

    number: int
    of: int
    round: int
    arm: str
    state: Literal["a", "b"]
    """As the module `knobs_switch` names it."""

    @property
    def file(self) -> str:
        return f"{self.number:03}-{self.arm}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "file": self.file}


@dataclass(frozen=True)
class Planned:
    """Everything that the host needs to know."""

    setup: str
    title: str
    server: Mapping[str, Any]
    config: Mapping[str, Any]
    """CONFIG.json of the instrument, the same in every visit."""
    visits: tuple[Visit, ...]


def visits(rounds: int, seed: str) -> tuple[Visit, ...]:
    """Each round has all three arms, in an order that chance and balance decide: of six rounds each has another one. Pure."""
    orders = _orders(seed)
    arms = [(number, arm) for number in range(1, rounds + 1) for arm in next(orders)]
    return tuple(
        Visit(n, len(arms), number, arm, "b" if arm == "b" else "a")
        for n, (number, arm) in enumerate(arms, start=1)
    )


def _orders(seed: str) -> Iterator[tuple[str, ...]]:
    chance = random.Random(seed)
    while True:
        block = list(permutations(ARMS))
        chance.shuffle(block)
        yield from block


def plan(wishes: setups.Wishes, server_files: Mapping[str, str], workload: str, rounds: int) -> Planned:
    """`wishes.only` names the setup; without one the first whose server is on the host. Raises HostproofError."""
    chosen = setups.choose(wishes)
    servers = setups.read_servers(wishes.host, server_files)
    name = _setup(wishes, chosen, servers)
    path, server = servers[chosen[name]["server"]]
    document, raw, _ = setups.read_workload(wishes.workloads_dir, workload)
    made = {
        "run_id": wishes.run_id,
        "host": wishes.host,
        "hardware": wishes.hardware or NO_HARDWARE,
        "setup": name,
        "server": server,
        "workload": raw,
        "deadline_seconds": wishes.deadline_seconds,
    }
    try:
        config.parse(made)
    except ConfigError as error:
        where = document.where if error.path.startswith("workload") else f"{wishes.host}:{path}"
        raise HostproofError(str(error), where=where, mend="Choose another --workload or mend it.") from error
    return Planned(name, chosen[name]["title"], server, made, visits(rounds, wishes.run_id))


def _setup(
    wishes: setups.Wishes, chosen: Mapping[str, Mapping[str, str]], there: Sequence[str] | Mapping[str, Any]
) -> str:
    for name, wish in chosen.items():
        if wish["server"] in there:
            return name
    wanted = listing("setups", chosen)
    raise HostproofError(
        f"none of the servers is on the host. {wanted}",
        where=f"{wishes.host}:/etc/hostproof/servers",
        mend=f"Run ./inv provision --host {wishes.host} first, with a model for one.",
    )
