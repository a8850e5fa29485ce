"""The memory of a systemd unit: its cgroup's own peak where the kernel keeps one, else its processes' sum."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hostproof.measure import procfs

CGROUP = Path("/sys/fs/cgroup")
SYSTEMCTL_SECONDS = 10


@dataclass(frozen=True)
class Unit:
    """A running unit. `problem` says why its memory cannot be read; then the rest is empty."""

    main_pid: int = 0
    group: Path | None = None
    problem: str = ""
    proc: Path = procfs.PROC

    @property
    def source(self) -> str:
        return "cgroup" if self._peak_file else "smaps_rollup"

    @property
    def _peak_file(self) -> Path | None:
        file = self.group / "memory.peak" if self.group else None
        return file if file and file.is_file() else None

    def pids(self) -> list[int]:
        """Everything in the unit's group and those below it, where the container of a quadlet lives."""
        inside = sorted({pid for file in self._procs_files() for pid in _numbers(file)})
        return inside or procfs.descendants(self.main_pid, procfs.read_parents(self.proc))

    def memory(self) -> float | None:
        """Bytes: the peak since the unit started (cgroup), or what is in use now (processes)."""
        if self.problem:
            return None
        if self._peak_file:
            return float(self._peak_file.read_text(encoding="ascii"))
        return procfs.proportional_bytes(self.pids(), self.proc)

    def _procs_files(self) -> list[Path]:
        return sorted(self.group.rglob("cgroup.procs")) if self.group else []


def _numbers(file: Path) -> list[int]:
    try:
        return [int(line) for line in file.read_text(encoding="ascii").split() if line != "0"]
    except OSError:  # the group went away, or is threaded and has no processes of its own
        return []


def find(name: str, *, systemctl: Sequence[str] = ("systemctl",), cgroup: Path = CGROUP) -> Unit:
    """Asks systemd; an answer without a process is a Unit with a problem, never an exception."""
    if not name:
        return Unit(problem="the server has no systemd unit")
    command = [*systemctl, "show", "--property=MainPID,ControlGroup", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Unit(problem=f"systemctl cannot be asked for {name}: {error}")
    return _from_show(name, done.stdout, cgroup)


def _from_show(name: str, text: str, cgroup: Path) -> Unit:
    shown = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    main_pid = int(shown.get("MainPID") or 0)
    path = shown.get("ControlGroup", "").lstrip("/")
    if not main_pid:
        return Unit(problem=f"{name} has no running process")
    group = cgroup / path
    return Unit(main_pid, group if path and group.is_dir() else None)
