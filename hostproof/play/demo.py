"""`demo`: the whole job on a throwaway host, from nothing to a judged report, cleaned up at the end.

The lab is handed in: hostproof never imports it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rich.console import Console

from hostproof.exits import ExitStatus
from hostproof.play import inventory, reports, verbs
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.plain import clock

Made = TypeVar("Made")


class Lab(Protocol):
    """What the demo wants of a lab: one host."""

    name: str

    def up(self) -> str:
        """Starts the host (again, if it was half up) and returns its name in the inventory."""

    def build_parts(self, servers: Sequence[str]) -> None:
        """Makes the models, images and wheels that these servers need."""

    def down(self) -> None:
        """Takes away whatever `up` made, also of one that failed."""


class Deeds(Protocol):
    """The verbs that the demo strings together; tests hand in others."""

    def servers(self, host: str) -> Sequence[str]: ...

    def provision(self, host: str) -> verbs.Ended: ...

    def validate(self, host: str) -> verbs.Ended: ...


@dataclass(frozen=True)
class RealDeeds:
    """The verbs as a user would type them. With `setups`, servers that they do not need are left out."""

    checkout: Checkout
    console: Console
    setups: Sequence[str] = ()

    def servers(self, host: str) -> Sequence[str]:
        found = inventory.read(self.checkout)
        found.check_setups([host], self.setups)
        return found.servers(host, self.setups)

    def provision(self, host: str) -> verbs.Ended:
        idle = set(inventory.read(self.checkout).servers(host)) - set(self.servers(host))
        # A server without a model is left out by every role.
        return verbs.provision(
            self.checkout, self.console, [host], {f"{server}_model": "" for server in sorted(idle)}
        )

    def validate(self, host: str) -> verbs.Ended:
        return verbs.validate(self.checkout, self.console, [host], self.setups)


@dataclass
class Headings:
    """Numbers the steps and tells how long each took."""

    console: Console
    number: int = 0

    def step(self, title: str, call: Callable[[], Made]) -> Made:
        self.number += 1
        self.console.rule(f"{self.number}. {title}", align="left")
        started = time.monotonic()
        try:
            return call()
        finally:
            took = clock(time.monotonic() - started)
            self.console.print(f"({title}: {took})", style="dim", markup=False, highlight=False)


def run(console: Console, lab: Lab, deeds: Deeds, *, keep: bool) -> Ending:
    """All steps in order; the first that does not succeed ends the demo, and the lab goes down either way."""
    headings = Headings(console)
    started = time.monotonic()
    try:
        ending = _job(headings, lab, deeds)
    finally:
        if keep:
            option = f"--name {lab.name}"
            kept = f"The host is kept: ./inv lab.ssh {option} looks around, ./inv lab.down {option} takes it away."
            console.print(kept, markup=False, highlight=False, soft_wrap=True)
        else:
            headings.step("Take the host away", lab.down)
    return Ending(ending.status, f"{ending.sentence} The demo took {clock(time.monotonic() - started)}.")


def _job(headings: Headings, lab: Lab, deeds: Deeds) -> Ending:
    host = headings.step("Start a throwaway host", lab.up)
    servers = deeds.servers(host)
    headings.step("Build models, images and wheels", lambda: lab.build_parts(servers))
    first = headings.step("Provision it", lambda: deeds.provision(host))
    if first.ending.status is not ExitStatus.YES:
        return first.ending
    second = headings.step("Provision it again: nothing may change", lambda: deeds.provision(host))
    if second.ending.status is not ExitStatus.YES:
        return second.ending
    if second.progress.changed:
        what = f"could not: the second provision changed {second.progress.changed} (see {second.folder})."
        return Ending(ExitStatus.COULD_NOT, what)
    judged = headings.step("Validate: launch, measure, judge, report", lambda: deeds.validate(host))
    if (page := judged.folder / reports.PAGE).is_file():
        headings.console.print(
            f"Open the report: {page}", style="bold", markup=False, highlight=False, soft_wrap=True
        )
    return judged.ending
