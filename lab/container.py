"""How podman is told to start a host: pure, one list of words for each world of cgroups."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab.machine import Limits, Machine

HOST_LABEL: Final = "hostproof.lab"
CHECKOUT_LABEL: Final = "hostproof.lab.checkout"
NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
RESERVED: Final = {"all", "ungrouped", "localhost", "lab", "inference_hosts"}
NUMBER: Final = re.compile(r"\d+$")
MAX_COUNT: Final = 99

RUN_TMPFS: Final = "rw,nosuid,nodev,exec,mode=0755"
TMP_TMPFS: Final = "rw,nosuid,nodev,exec,mode=1777"
INIT: Final = "/sbin/init"
INTO_V2: Final = f"umount --lazy /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec {INIT}"
"""On hybrid cgroups podman mounts the v1 controllers. A fresh mount in the container's own cgroup namespace
shows its part of the v2 tree as the whole one: paths inside agree, and journald knows whose line it is."""


@dataclass(frozen=True)
class Names:
    """What belongs to one host of one checkout; another checkout's host of that name is another one."""

    host: str
    checkout: str

    @property
    def container(self) -> str:
        return f"hostproof-lab-{self.checkout}-{self.host}"

    @property
    def volume(self) -> str:
        return f"{self.container}-containers"

    @property
    def labels(self) -> tuple[str, str]:
        return f"{HOST_LABEL}={self.host}", f"{CHECKOUT_LABEL}={self.checkout}"


def checkout_id(root: Path) -> str:
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]


def host_names(name: str, count: int) -> list[str]:
    """`lab01`, 4 → lab01 … lab04; a name without a number gets one when there are several."""
    if not NAME.fullmatch(name) or name in RESERVED:
        mend = (
            "Use lower-case letters, digits and hyphens, 40 at most, beginning with a letter; "
            f"not one of {', '.join(sorted(RESERVED))}."
        )
        raise HostproofError(f"{name!r} is no name for a lab host", where="--name", mend=mend)
    if not 1 <= count <= MAX_COUNT:
        mend = f"Give a number from 1 to {MAX_COUNT}."
        raise HostproofError(f"{count} lab hosts cannot be made", where="--count", mend=mend)
    if count == 1:
        return [name]
    number = NUMBER.search(name)
    stem = name[: number.start()] if number else f"{name}-"
    first, width = (int(number.group()), len(number.group())) if number else (1, 1)
    return [f"{stem}{value:0{width}}" for value in range(first, first + count)]


def create_argv(machine: Machine, names: Names, image: str, port: int) -> list[str]:
    return [
        "podman",
        *(["--runtime", machine.runtime] if machine.runtime else []),
        *["run", "--detach", f"--name={names.container}", f"--hostname={names.host}"],
        *(f"--label={label}" for label in names.labels),
        # Privileged: a real systemd, sysctl and podman need it. The machine's kernel is the host's kernel.
        *["--privileged", "--pids-limit=-1", "--shm-size=2g", "--stop-signal=SIGRTMIN+3"],
        f"--publish=127.0.0.1:{port}:22",
        # On a volume podman inside can use overlay; overlay on overlay is refused.
        f"--volume={names.volume}:/var/lib/containers",
        *(f"--ulimit={limit}" for limit in (machine.limits.ulimits() if machine.limits else ())),
        *_systemd(machine),
        *[image, *_command(machine)],
    ]


def _systemd(machine: Machine) -> list[str]:
    """What makes systemd at home, before the image's name."""
    if machine.cgroups == "v2":
        return ["--systemd=always", "--cgroupns=private"]
    # podman 4 refuses systemd mode on hybrid cgroups: what it would do is done by hand.
    return [
        *["--systemd=false", "--cgroupns=private", "--env=container=podman"],
        *[f"--tmpfs=/run:{RUN_TMPFS}", f"--tmpfs=/run/lock:{RUN_TMPFS}", f"--tmpfs=/tmp:{TMP_TMPFS}"],
    ]


def _command(machine: Machine) -> list[str]:
    return [INIT] if machine.cgroups == "v2" else ["/bin/sh", "-c", INTO_V2]


def volume_argv(names: Names) -> list[str]:
    """Made beforehand, so that it has labels by which it is found again."""
    return ["podman", "volume", "create", *(f"--label={label}" for label in names.labels), names.volume]


def inner_podman(machine: Machine) -> str:
    """Settings of the host's own podman that this machine's limits force; empty where there are none."""
    if not machine.runtime:
        return ""
    limits: Limits | None = machine.limits
    ulimits = ", ".join(f'"{limit}"' for limit in limits.ulimits()) if limits else ""
    return "\n".join(
        [
            "# Forced by the machine that this lab host runs on.",
            "[containers]",
            "pids_limit = 0",
            *([f"default_ulimits = [{ulimits}]"] if ulimits else []),
            "[engine]",
            f'runtime = "{machine.runtime}"',
            "",
        ]
    )
