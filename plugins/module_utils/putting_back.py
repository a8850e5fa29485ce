"""Ends a comparison, whoever began it: the measuring run stops, settings and services are as they were found, servers run as they did.

Called by the module `knobs_switch`, and as a program of its own (`python3 ab-back.pyz`) by a timer on the host, in case that nobody
is left to call the module: a controller that lost its power, or whose process was killed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from . import measuring, server_turns, switching, witness
from .host import CommandError, FileState, Host
from .knob import KnobError
from .switching import Reading

UNIT: Final = "hostproof-ab-back"
PROGRAM: Final = "/run/hostproof/ab-back.pyz"


@dataclass(frozen=True)
class Back:
    """What was put back."""

    readings: tuple[Reading, ...] = ()
    started: tuple[str, ...] = ()
    under_way: bool = False
    """Whether there was a comparison to end."""


def arm(host: Host, seconds: int) -> None:
    """Has the host put everything back by itself after so long, unless this is called again or `put_back` before. Raises KnobError."""
    try:
        disarm(host)
        host.run(
            [
                *["systemd-run", "--quiet", f"--unit={UNIT}", f"--on-active={seconds}"],
                *[
                    "--timer-property=AccuracySec=1s",
                    "--description=hostproof puts back what a comparison left",
                ],
                *[sys.executable, PROGRAM],
            ]
        )
    except CommandError as error:
        raise KnobError(
            f"the host cannot be told to put everything back by itself: {error}",
            where=UNIT,
            mend="Mend that first.",
        ) from error


def disarm(host: Host) -> None:
    """The timer ends; its service, which may be this very process, does not."""
    timer = f"{UNIT}.timer"
    if _loaded(host, timer):
        host.run(["systemctl", "stop", timer])


def _loaded(host: Host, unit: str) -> bool:
    return _shown(host, unit, "LoadState") == "loaded"


def _shown(host: Host, unit: str, name: str) -> str:
    return measuring.pairs(host.ask(["systemctl", "show", f"--property={name}", unit])).get(name, "")


def put_back(host: Host, *, wait: bool = True) -> Back:
    """Nothing is touched where no comparison is under way. Raises KnobError if something is not as it was found.

    `wait`: whether a server's start is waited for.
    """
    note = switching.read_note(host)
    if note is None:
        switching.forget(host)
        return Back()
    try:
        found = _servers(host)
        _stop_measuring(host)
        _systemctl(host, "stop", list(found))
        readings = switching.restore(host, note)
        ran = [unit for unit, was in found.items() if was]
        _systemctl(host, "start", ran, () if wait else ("--no-block",))
        for note_of_its_parts in (server_turns.PATH, witness.NOTE):
            host.place(note_of_its_parts, FileState(None))
        # Last: until then, whoever comes next begins anew.
        switching.forget(host)
        disarm(host)
        host.place(PROGRAM, FileState(None))
    except (CommandError, OSError, server_turns.UnreadableError) as error:
        raise KnobError(
            f"the host could not be put back as it was found: {error}",
            where=switching.PATH,
            mend="Mend that, and run the same again: the note of what was found is still there.",
        ) from error
    return Back(readings, tuple(ran), under_way=True)


def _servers(host: Host) -> server_turns.Found:
    try:
        return server_turns.parse(host.read(server_turns.PATH))
    except FileNotFoundError:
        return {}


def _stop_measuring(host: Host) -> None:
    if host.exists(measuring.FOLDER):
        # The folder is made before the unit, so there may be none.
        if _loaded(host, measuring.UNIT):
            host.run(["systemctl", "stop", measuring.UNIT])
        host.act("remove", measuring.FOLDER, lambda: shutil.rmtree(host.at(measuring.FOLDER)))


def _systemctl(host: Host, verb: str, units: Sequence[str], options: Sequence[str] = ()) -> None:
    for unit in units:
        # One that had failed under an arm could not be started as often as it may. Of one that rests systemd may know nothing.
        if verb == "start" and _shown(host, unit, "ActiveState") == "failed":
            host.run(["systemctl", "reset-failed", unit])
        host.run(["systemctl", *options, verb, unit])


def main() -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    try:
        done = put_back(Host())
    except KnobError as error:
        print(f"hostproof: {error}", file=sys.stderr, flush=True)
        return 1
    wrong = [reading.path for reading in done.readings if not reading.as_wanted]
    print(
        f"{len(done.readings)} settings are as they were found; started: {', '.join(done.started) or 'none'}",
        flush=True,
    )
    return int(bool(wrong))
