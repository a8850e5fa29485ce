"""System packages that the lab needs on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hostproof.play import checks
from lab.image import Base
from lab.machine import Machine

TASK: Final = "lab.up"
RUNNING: Final = (*checks.PODMAN, checks.SSH, checks.KEYGEN)
VIRTUAL: Final = (*checks.VM, checks.SSH)
RUNC: Final = "runc"


def tools(machine: Machine, base: Base) -> tuple[checks.Tool, ...]:
    """Programs for a host made that way on this machine; runc only where podman's own runtime fails."""
    running = (tool for tool in RUNNING if tool.program != RUNC or machine.runtime == RUNC)
    return (*running, *(() if base.reference else checks.MMDEBSTRAP))


def missing_packages(wanted: Iterable[checks.Tool], look: checks.Find = checks.find) -> list[str]:
    return checks.missing(wanted, look)


def ensure(wanted: Iterable[checks.Tool], *, install: bool) -> None:
    """Raises with the one command that installs what is missing, or, when told so, installs it."""
    checks.ensure(TASK, wanted, install=install)
