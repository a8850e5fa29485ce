"""Starts a machine and waits for it: acts, decides nothing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab import boot
from lab.records import KNOWN_HOSTS
from lab.vm import console, processes, qemu

BOOT_SECONDS: Final = 300
"""An idle machine with two cores takes 20 s under emulation, one with a load of ten two minutes (measured)."""
POLL_SECONDS: Final = 0.5
GREETING_SECONDS: Final = 10
START_SECONDS: Final = 60
CONNECT_SECONDS: Final = 60
"""For a key exchange on an emulated processor."""
PORT_TAKEN: Final = "could not set up host forwarding rule"


class QemuRefusedError(HostproofError):
    """QEMU ended before the machine was there."""


def hand_in(folder: Path, hostname: str, port: int) -> None:
    """The files that make a machine this host, and the one host key that will be taken for its."""
    public = boot.make_key(folder)
    host_key = boot.make_key(folder, qemu.HOST_KEY)
    (folder / qemu.HOSTNAME).write_text(f"{hostname}\n", encoding="utf-8")
    (folder / qemu.AUTHORIZED_KEYS).write_text(public, encoding="utf-8")
    (folder / KNOWN_HOSTS).write_text(boot.known_hosts(host_key, port), encoding="utf-8")


def start(run: qemu.Run) -> None:
    """Returns when QEMU has its disk and its port; raises with its own words when it refuses."""
    done = subprocess.run(
        qemu.argv(run),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise QemuRefusedError(
            f"QEMU could not start {run.name}:\n{done.stderr.strip()}\n",
            where=str(run.folder),
            mend=f"See its words above; {run.shape.nodes * run.shape.node_mib} MiB of memory must be free.",
        )


def make_overlay(base: Path, overlay: Path) -> None:
    done = subprocess.run(
        qemu.overlay_argv(base, overlay),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise HostproofError(
            f"no disk could be made: {(done.stderr or done.stdout).strip()}",
            where=str(overlay),
            mend="See that the disk is not full, then run lab.up again.",
        )


def wait_for_ssh(name: str, port: int, said: Path, seconds: float = BOOT_SECONDS) -> None:
    """Until the guest's sshd says its name; raises with the end of its console once that is not to be expected."""
    deadline = time.monotonic() + seconds
    while not console.greets(port, GREETING_SECONDS):
        last = console.tail(said)
        late = seconds if time.monotonic() > deadline else 0
        if what := trouble(last, runs=name in processes.running(), late=late):
            raise HostproofError(
                f"{name} {what}; the end of its console:\n{last}\n",
                where=str(said),
                mend="See whether this machine is busy, then run lab.up again.",
            )
        time.sleep(POLL_SECONDS)


def trouble(last: str, *, runs: bool, late: float) -> str:
    """Why a machine that said this last will not come up; "" while it still may. `late`: seconds waited too long for it."""
    if not runs:
        return "switched itself off"
    if console.PANIC in last:
        return "has a kernel that panicked"
    return f"does not answer on ssh after {late:.0f} s" if late else ""


def comes_up(run: qemu.Run, seconds: float) -> bool:
    """Whether a machine without a way in gets through its boot, by what it says on its console."""
    try:
        start(run)
    except QemuRefusedError:
        return False  # such as an MSR that this KVM does not let it set
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and run.name in processes.running():
        if console.UP in console.tail(run.console):
            return True
        time.sleep(POLL_SECONDS)
    return False
