"""Which accelerator boots a guest here. A /dev/kvm that is there may still boot none, so it is tried, once per machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab.records import replace_file
from lab.vm.qemu import Accelerator

VARIABLE: Final = "HOSTPROOF_LAB_ACCEL"
DEVICE: Final = Path("/dev/kvm")
PROBE_SECONDS: Final = 30
"""A guest under working KVM is up in less than 10 seconds."""


@dataclass(frozen=True)
class Choice:
    """`why` is a sentence for people."""

    accelerator: Accelerator
    why: str


def choose(
    asked: str, *, usable: bool, remembered: Choice | None, probe: Callable[[], bool]
) -> tuple[Choice, bool]:
    """The choice, and whether it is worth remembering. `probe` boots a guest under KVM."""
    if asked == "kvm":
        return Choice("kvm", f"{VARIABLE} says so"), False
    if asked == "tcg":
        return Choice("tcg", f"{VARIABLE} says so"), False
    if asked:
        mend = "Use kvm or tcg, or leave it out."
        raise HostproofError(f"unknown accelerator {asked!r}", where=VARIABLE, mend=mend)
    if not usable:
        return Choice("tcg", f"{DEVICE} is not there or may not be used"), False
    if remembered:
        return remembered, False
    if probe():
        return Choice("kvm", f"a guest came up within {PROBE_SECONDS} s"), True
    return Choice("tcg", f"under KVM no guest came up within {PROBE_SECONDS} s"), True


def machine_key(kernel: str, processor: str, qemu_version: str) -> str:
    """Another kernel, processor or QEMU is another machine to try."""
    return hashlib.sha256("\0".join((kernel, processor, qemu_version)).encode()).hexdigest()[:12]


def this_machine(qemu_version: str) -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return machine_key(platform.release(), next(names, ""), qemu_version)


def usable() -> bool:
    return os.access(DEVICE, os.R_OK | os.W_OK)


def remembered(path: Path) -> Choice | None:
    """What was found out before; None if nothing was, or nothing that can be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["accelerator"] in ("kvm", "tcg"):
            return Choice(told["accelerator"], f"{told['why']} ({path})")
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return None


def remember(path: Path, choice: Choice) -> None:
    replace_file(path, json.dumps(asdict(choice)) + "\n")
