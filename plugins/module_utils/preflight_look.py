"""Reads the facts that preflight judges. Writes nothing; `root` and `run` are parameters for the tests."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from . import runlock
from .model_files import INCOMING, PARTIAL
from .preflight_types import Facts, Listener, Space, Wishes

RUN_LIMIT_SECONDS = 20
LISTENING = "0A"

Run = Callable[[list[str]], str | None]
"""Standard output of a program, or None if it is not there."""


def run(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=RUN_LIMIT_SECONDS
    ).stdout


def look(wishes: Wishes, asking: runlock.Holder, root: Path = Path("/"), run: Run = run) -> Facts:
    """Everything at once; what cannot be told stays empty and is judged as that."""
    release = _pairs(_text(root / "etc/os-release"), "=")
    cpus = list(_cpus(_text(root / "proc/cpuinfo")))
    paths = {wishes.model_root, *(server.install_path for server in wishes.servers)}
    return Facts(
        system=release.get("ID", ""),
        system_title=release.get("PRETTY_NAME", ""),
        version=release.get("VERSION_ID", ""),
        architecture=platform.machine(),
        init=_text(root / "proc/1/comm").strip(),
        cgroup2=(root / "sys/fs/cgroup/cgroup.controllers").exists(),
        cpu_model=cpus[0].get("model name", "") if cpus else "",
        cores=len({(cpu.get("physical id"), cpu.get("core id", cpu["processor"])) for cpu in cpus}),
        cpus=len(cpus),
        memory=int(_pairs(_text(root / "proc/meminfo"), ":").get("MemTotal", "0 kB").split()[0]) * 1024,
        root=os.geteuid() == 0,
        listeners=tuple(listeners(root / "proc", {server.port for server in wishes.servers})),
        spaces={path: _space(root, path) for path in paths},
        sizes=_sizes(root, wishes),
        clock_offset=None,
        clock_synchronised=_synchronised(run),
        active_units=_active(wishes.owners, run),
        podman_version=_podman(run),
        lock_holder=_lock_holder(root, asking),
    )


def clock_offset(controller_epoch: float) -> float:
    """How far this host is ahead. The way here counts as such, so it is only good for seconds."""
    return datetime.now(UTC).timestamp() - controller_epoch


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return ""


def _pairs(text: str, sign: str) -> dict[str, str]:
    split = (line.partition(sign) for line in text.splitlines() if sign in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in split}


def _cpus(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\n\n"):
        if "processor" in (cpu := _pairs(block, ":")):
            yield cpu


def listeners(proc: Path, ports: Iterable[int]) -> Iterator[Listener]:
    """Who listens on these TCP ports, on any address."""
    wanted = set(ports)
    by_inode = {
        inode: port
        for table in ("net/tcp", "net/tcp6")
        for port, inode in _listening(_text(proc / table))
        if port in wanted
    }
    if not by_inode:
        return
    owners = dict(_owners(proc, set(by_inode)))
    for inode, port in by_inode.items():
        pid = owners.get(inode)
        name = _text(proc / str(pid) / "comm").strip() if pid else ""
        yield Listener(port, pid, name, _units(_text(proc / str(pid) / "cgroup")) if pid else ())


def _listening(table: str) -> Iterator[tuple[int, str]]:
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTENING:
            yield int(fields[1].rpartition(":")[2], 16), fields[9]


def _owners(proc: Path, inodes: set[str]) -> Iterator[tuple[str, int]]:
    """Socket inode → process. Other users' processes are closed to those who are not root."""
    for folder in proc.iterdir():
        if folder.name.isdigit():
            for link in _links(folder / "fd"):
                if link.startswith("socket:[") and (inode := link[8:-1]) in inodes:
                    yield inode, int(folder.name)


def _links(folder: Path) -> Iterator[str]:
    try:
        for entry in folder.iterdir():
            yield str(entry.readlink())
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return


def _units(cgroups: str) -> tuple[str, ...]:
    parts = (part for line in cgroups.splitlines() for part in line.rpartition(":")[2].split("/"))
    return tuple(dict.fromkeys(part for part in parts if part.endswith((".service", ".scope"))))


def _space(root: Path, path: str) -> Space:
    place = _inside(root, path)
    while not place.exists():
        place = place.parent
    return Space(path, place.stat().st_dev, shutil.disk_usage(place).free)


def _inside(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _sizes(root: Path, wishes: Wishes) -> dict[str, int]:
    """What lies there already: of models their bytes, of installed things that they exist."""
    store = _inside(root, wishes.model_root)
    found = {
        f"{wishes.model_root}/{name}": size
        for name in wishes.models
        if (size := sum(_tree_bytes(store / part / name) for part in ("", PARTIAL, INCOMING)))
    }
    marks = (server.installed for server in wishes.servers if server.installed)
    return found | {mark: 0 for mark in marks if _inside(root, mark).exists()}


def _tree_bytes(folder: Path) -> int:
    return sum(entry.stat().st_size for entry in folder.rglob("*") if entry.is_file())


def _synchronised(run: Run) -> bool | None:
    said = (run(["timedatectl", "show", "--property=NTPSynchronized", "--value"]) or "").strip()
    return {"yes": True, "no": False}.get(said)


def _active(units: tuple[str, ...], run: Run) -> tuple[str, ...]:
    said = (run(["systemctl", "is-active", *units]) or "").splitlines() if units else []
    return tuple(unit for unit, state in zip(units, said, strict=False) if state == "active")


def _podman(run: Run) -> str:
    return (run(["podman", "--version"]) or "").strip().rpartition(" ")[2]


def _lock_holder(root: Path, asking: runlock.Holder) -> str:
    path = _inside(root, runlock.PATH)
    try:
        stand = runlock.stand(path, asking, root / "proc")
    except runlock.UnreadableError as error:
        return f"unknown, since {error}"
    return str(stand.holder) if stand.kind == "held" else ""
