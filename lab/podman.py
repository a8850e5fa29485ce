"""Runs podman and whatever else needs root, with time limits and errors that show what was said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hostproof.errors import HostproofError
from lab.machine import Machine

TAIL_LINES: Final = 15
NO_SUDO: Final = "sudo: a password is required"


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str

    def tail(self) -> str:
        return "\n".join((self.err or self.out).strip().splitlines()[-TAIL_LINES:])


@dataclass(frozen=True)
class Root:
    """Commands as root on this machine: rootful podman, also for another user with sudo."""

    machine: Machine

    def attempt(self, argv: Sequence[str], *, seconds: float = 60, stdin: str = "") -> Said:
        """Whatever the exit status; only a missing program, a refused sudo and the time limit are errors."""
        command = [*self.machine.as_root, *argv]
        where = " ".join(command)[:300]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
            )
        except FileNotFoundError as error:
            mend = f"Install {command[0]}."
            raise HostproofError(f"{command[0]} is not installed", where=where, mend=mend) from error
        except subprocess.TimeoutExpired as error:
            mend = "See whether the machine is busy, then run it again."
            raise HostproofError(
                f"{argv[0]} did not end within {seconds:.0f} s", where=where, mend=mend
            ) from error
        if NO_SUDO in done.stderr:
            mend = "Run `sudo -v` first, or run it as root."
            raise HostproofError("the lab needs root", where=where, mend=mend)
        return Said(done.returncode, done.stdout, done.stderr)

    def run(self, argv: Sequence[str], *, mend: str, seconds: float = 60, stdin: str = "") -> str:
        """Standard output of a command that succeeded."""
        said = self.attempt(argv, seconds=seconds, stdin=stdin)
        if said.status:
            raise HostproofError(
                f"{argv[0]} failed with status {said.status}:\n{said.tail()}\n",
                where=" ".join(argv)[:300],
                mend=mend,
            )
        return said.out

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        """A podman command that answers with a JSON list."""
        mend = "See what `podman info` says."
        rows: list[dict[str, Any]] = json.loads(self.run(["podman", *arguments], mend=mend) or "[]")
        return rows or []
