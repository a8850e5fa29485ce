"""`./inv plan --root`: what provision would set on a recorded host, without the host. Reads the tree, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import inventory, recordings, wishes
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.shared.areas import every
from hostproof.shared.areas.base import Derived, Placement
from hostproof.shared.facts import gather
from hostproof.shared.host import Host
from hostproof.shared.knob import Layer, Observation, Seen
from hostproof.shared.observe import observe
from hostproof.shared.registry import KINDS

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Row:
    """One knob of the plan."""

    area: str
    knob: str
    now: str
    wanted: str
    pending: bool
    reboot: bool
    effect: str
    source: str
    risk: str
    why: str


def show(checkout: Checkout, console: Console, root: str, names: Sequence[str]) -> Ending:
    """The knobs that the named host's wishes (else the defaults) make of the recorded host. Raises HostproofError."""
    wished = wishes_of(checkout, names)
    with recordings.opened(Path(root)) as folder:
        facts = gather.gather(folder)
        derived = every.derive(facts, wished)
        rows = [row(one) for one in observe(Host(folder), derived.knobs)]
    title = f"{facts.cpu.model or 'unknown processor'} from {root}, wishes of {names[0] if names else 'the defaults'}"
    _draw(console, title, rows, derived)
    if derived.refusals:
        sentences = " ".join(str(finding) for finding in derived.refusals)
        return Ending(ExitStatus.COULD_NOT, f"could not: {sentences}")
    pending = sum(one.pending for one in rows)
    if not pending:
        return Ending(ExitStatus.YES, "0 changes pending: the recorded host is as wanted.")
    reboots = " A reboot is needed." if any(one.pending and one.reboot for one in rows) else ""
    return Ending(ExitStatus.NO, f"{pending} changes pending on the recorded host.{reboots}")


def wishes_of(checkout: Checkout, names: Sequence[str]) -> Mapping[str, Any]:
    """Variables of the role tuning as the inventory makes them, its servers among them. Without a host none: the defaults."""
    if not names:
        return {}
    hosts = inventory.read(checkout).choose(names)
    if len(hosts) > 1:
        raise HostproofError(
            f"a recorded tree is one host, and {', '.join(names)} are {len(hosts)}",
            where="--host",
            mend="Name the one whose wishes count.",
        )
    return wishes.resolved(checkout, hosts[0])


def row(observed: Observation) -> Row:
    """Live counts where the kind has it, else what was booted; what is persisted is in no recording."""
    knob = observed.knob
    kind = KINDS[knob.kind]
    layer: Layer = (
        "live" if "live" in observed.seen else "booted" if "booted" in observed.seen else "persisted"
    )
    seen = observed.seen[layer] if layer != "persisted" else Seen(problem="absent")
    # On a live host a missing file is an unsupported setting; from a recording it may just be missing.
    now = NOT_RECORDED if seen.problem in ("unsupported", "unreadable") or layer == "persisted" else str(seen)
    return Row(
        area=knob.area,
        knob=f"{knob.kind} {knob.key}",
        now=now,
        wanted=knob.wanted or "(the bare word)",
        pending=layer == "persisted" or not kind.same(knob.wanted, seen),
        reboot=layer == "booted",
        effect=knob.effect,
        source=knob.source,
        risk=knob.risk,
        why=knob.why,
    )


def _draw(console: Console, title: str, rows: Sequence[Row], derived: Derived) -> None:
    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("area", "knob", "now", "wanted", "reboot"):
        table.add_column(heading, overflow="fold")
    for one in rows:
        style = "" if one.pending else "dim"
        table.add_row(one.area, one.knob, one.now, one.wanted, "yes" if one.reboot else "", style=style)
    if console.is_terminal:
        console.print(table)
    lines = [] if console.is_terminal else [title, *map(_plain, rows)]
    lines += [line for one in rows if one.pending for line in _reasons(one)]
    lines += [line for placement in derived.placements for line in _placement(placement)]
    lines += [f"note: {finding}" for finding in derived.findings if finding.severity == "note"]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _plain(one: Row) -> str:
    """A pipe has no width: one line a knob."""
    what = f"{one.now} → {one.wanted}" if one.pending else f"{one.now}, as wanted"
    return f"{one.area}: {one.knob}: {what}{', from the next boot on' * one.reboot}"


def _reasons(one: Row) -> list[str]:
    return [
        f"{one.knob}: {one.why}.",
        f"  worth: {one.effect}. Risk: {one.risk}. From: {one.source}.",
    ]


def _placement(one: Placement) -> list[str]:
    parts = [
        f"{one.threads} threads" if one.threads else "",
        f"CPUs {one.cpus}" if one.cpus else "",
        f"{one.policy} on nodes {one.nodes}" if one.policy else "",
        f"load mode {one.load_mode}" if one.load_mode else "",
        " ".join(f"{name}={value}" for name, value in one.environment.items()),
    ]
    return [
        f"{one.server}: {', '.join(part for part in parts if part) or 'nothing to place'}.",
        f"  {one.why}. From: {one.source}.",
    ]
