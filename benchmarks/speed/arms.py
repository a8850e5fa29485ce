"""The commands that are timed, and how one is run: from nothing that the last run left (ssh connections), to its end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError

ROOT: Final = Path(__file__).resolve().parents[2]
BIN: Final = Path(sys.executable).parent
LIMIT_SECONDS: Final = 900


@dataclass(frozen=True)
class Arm:
    """One way to keep or to compare the settings. `unchanged` tells from what it printed that it had nothing to do."""

    name: str
    title: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    unchanged: Callable[[str], bool]


@dataclass(frozen=True)
class Timed:
    """One run. Processor time is the controller's, children included; what the host spent is in the wall time alone."""

    arm: str
    wall_seconds: float
    cpu_seconds: float
    load: float
    """Load average over a minute when it began."""
    waiting: float
    """Share of the last ten seconds in which something waited for a processor, in per cent (PSI); -1 where the kernel has none."""


def of(hosts: Sequence[str], folder: Path, pyinfra: Path) -> tuple[Arm, ...]:
    """Every arm for these hosts. `folder` has the inventories and the other tools' settings."""
    limit = ",".join(hosts)
    named = tuple(word for host in hosts for word in ("--host", host))
    ansible = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_INVENTORY": str(folder / "inventory")}
    playbook = (str(BIN / "ansible-playbook"), "--limit", limit)
    return (
        Arm("drift", "`./inv drift`", (str(ROOT / "inv"), "drift", *named), ansible, _no_drift),
        Arm(
            "provision",
            "`ansible-playbook playbooks/provision.yml --tags tuning`",
            (*playbook, "--tags", "tuning", str(ROOT / "playbooks/provision.yml")),
            ansible,
            _unchanged_recap,
        ),
        Arm(
            "ansible",
            "Ansible, a task a setting",
            (*playbook, str(folder / "tasks.json")),
            ansible,
            _unchanged_recap,
        ),
        Arm(
            "pyinfra",
            "pyinfra, an operation a setting",
            (
                *(str(pyinfra), "--yes", "--limit", limit),
                *(str(folder / "pyinfra_inventory.py"), str(ROOT / "benchmarks/speed/deploy.py")),
            ),
            {"HOSTPROOF_SPEED_SETTINGS": str(folder / "settings.json")},
            _nothing_changed,
        ),
    )


def run(arm: Arm, *, settle: bool = True) -> Timed:
    """Runs an arm once. Raises HostproofError if it fails or had something to do (unless `settle` is false: it may)."""
    with tempfile.TemporaryDirectory(prefix="hostproof-speed-", dir="/tmp") as sockets:
        environment = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets, **arm.environment}
        # Where it is set, Python would compile every tool anew in every run; on a user's machine it is not.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        load, waiting = os.getloadavg()[0], pressure()
        before, begin = os.times(), time.monotonic()
        done = subprocess.run(
            arm.argv,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        wall, after = time.monotonic() - begin, os.times()
        _close(Path(sockets))
    if done.returncode != 0 or (settle and not arm.unchanged(done.stdout + done.stderr)):
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise HostproofError(
            f"{arm.name} ended with {done.returncode}, or found something to do:\n{said}",
            where=" ".join(arm.argv),
            mend="Look why: only runs without a change are compared.",
        )
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Timed(arm.name, wall, used, load, waiting)


def pressure() -> float:
    try:
        found = re.search(r"some avg10=([\d.]+)", Path("/proc/pressure/cpu").read_text(encoding="ascii"))
    except OSError:
        return -1.0
    return float(found[1]) if found else -1.0


def _close(sockets: Path) -> None:
    """Ends the ssh connections that Ansible would keep for a minute, so that every run makes its own."""
    for socket in sockets.iterdir():
        subprocess.run(
            ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "hostproof-speed"],
            capture_output=True,
            timeout=20,
            check=False,
        )


def _no_drift(said: str) -> bool:
    return re.search(r"^0 of \d+ settings differ\.", said, re.MULTILINE) is not None


def _unchanged_recap(said: str) -> bool:
    recap = re.findall(r"changed=(\d+) +unreachable=(\d+) +failed=(\d+)", said)
    return bool(recap) and all(counts == ("0", "0", "0") for counts in recap)


def _nothing_changed(said: str) -> bool:
    """pyinfra's closing table has columns hosts, success, error and no change: `Grand total  30  -  -  30`."""
    total = re.search(r"Grand total(.*)", said)
    return total is not None and total[1].split()[1:2] == ["-"]
