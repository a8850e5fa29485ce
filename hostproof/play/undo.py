"""`./inv undo`: takes settings back to what stood there first, and shows what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import inventory, kept, verbs
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending, of_facts
from hostproof.play.events import Progress
from hostproof.play.inventory import listing, nearest
from hostproof.play.kept import Row
from hostproof.play.runner import Finished
from hostproof.shared.knob import OWNERS

FAMILIES = (*OWNERS, "nvidia_cdi")
"""What `--only` takes: families of settings, and a role that is none of the journal's but stands on the driver."""
SCHEMA = "hostproof.undo/1"
FOLDER = "undo"


def run(
    checkout: Checkout,
    console: Console,
    names: Sequence[str],
    only: Sequence[str] = (),
    *,
    force: bool = False,
    salvage: bool = False,
) -> Ending:
    """Exit status 0: everything chosen is back. 1: something is not, and it was said what. Raises HostproofError."""
    for area in only:
        if area not in FAMILIES:
            mend = f"{nearest(area, FAMILIES)} {listing('families', FAMILIES)}".strip()
            raise HostproofError(f"unknown family {area!r}", where="--only", mend=mend)
    hosts = inventory.read(checkout).choose(names)
    arguments = {"host": list(names), "only": ",".join(only), "force": force, "salvage": salvage}
    extra = {"undo_only": list(only), "undo_force": force, "undo_salvage": salvage}
    found: dict[str, list[Row]] = {}

    def judge(finished: Finished, progress: Progress, folder: Path) -> Ending:
        files = {host: folder / FOLDER / f"{host}.json" for host in hosts}
        found.update({host: kept.rows(f, SCHEMA, "knobs") for host, f in files.items() if f.is_file()})
        return of_undo(of_facts(finished, progress), found)

    ended = verbs.carry_out(checkout, console, verbs.Order("undo", "undo", hosts, arguments, extra), judge)
    for host, knobs in found.items():
        draw(console, host, knobs)
    return ended.ending


def of_undo(trouble: Ending, found: Mapping[str, Iterable[Row]]) -> Ending:
    """The closing sentence. Pure."""
    if trouble.status is not ExitStatus.YES:
        return trouble
    states = [str(knob["state"]) for knobs in found.values() for knob in knobs]
    if not states:
        return Ending(ExitStatus.YES, "0 taken back: nothing of hostproof's is set there.")
    waiting = states.count("needs-reboot")
    reboot = f" {waiting} of them only with the next boot." if waiting else ""
    return Ending(
        ExitStatus.YES, f"{len(states)} taken back, read again and found as they were first.{reboot}"
    )


def draw(console: Console, host: str, knobs: Sequence[Row]) -> None:
    """A table on a terminal, else a line a knob."""
    if not console.is_terminal:
        for knob in knobs:
            words = [host, knob["state"], f"{knob['kind']}:{knob['key']}", knob["detail"]]
            console.print(" ".join(filter(None, words)), markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(title=host, title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("area", "setting", "state", ""):
        table.add_column(heading, overflow="fold")
    for knob in knobs:
        table.add_row(knob["area"], f"{knob['kind']} {knob['key']}", knob["state"], knob["detail"])
    if knobs:
        console.print(table)
