"""Looks at the host five times a second from a process of its own, so that the client's time stamps stay undisturbed.

The child appends one JSON line a look to a file and ends when its standard input closes, also when the parent is killed.
"""

from __future__ import annotations

import gzip
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import hostproof
from hostproof.measure import ticks
from hostproof.measure.ticks import Looker, Tick
from hostproof.measure.unit import Unit

HERTZ = 5.0
"""What per-core load, clocks and power need to show a hiccup of a second; docs/telemetry.md says what it costs."""
MOST_HERTZ = 50.0
"""Beyond, the kernel's own ticks (USER_HZ, 100 a second) are too coarse to tell anything."""
END_SECONDS = 5.0
"""A look takes milliseconds; a child that does not end by then hangs in a driver."""

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from hostproof.measure.recorder import child; child()"
)


@dataclass(frozen=True)
class Record:
    """What was seen. `cpu_seconds`: what looking cost; `missing`: what this host does not tell."""

    ticks: tuple[Tick, ...] = ()
    hertz: float = 0.0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    missing: tuple[str, ...] = ()


class Recorder:
    """`with Recorder(unit, file) as recorder: …`, then `recorder.record()`. With 0 Hz it does nothing."""

    def __init__(self, unit: Unit, file: Path, hertz: float = HERTZ) -> None:
        self._unit = unit
        self._file = file
        self._hertz = hertz
        self._child: subprocess.Popen[bytes] | None = None
        self._begun = 0.0
        self._ended = 0.0
        self._cpu = 0.0

    def __enter__(self) -> Recorder:
        if self._hertz <= 0:
            return self
        root = Path(hostproof.__file__).parents[1]  # inside hostproof.pyz: that file
        about = {
            "unit": {
                "main_pid": self._unit.main_pid,
                "group": str(self._unit.group or ""),
                "problem": self._unit.problem,
            },
            "instrument": os.getpid(),
            "file": str(self._file),
            "pause": 1 / self._hertz,
        }
        command = [sys.executable, "-I", "-c", _BOOT, str(root), json.dumps(about)]
        self._begun = time.monotonic()
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        child = self._child
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        self._ended = time.monotonic()
        until = self._ended + END_SECONDS
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > until:
                child.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        child.returncode = os.waitstatus_to_exitcode(status)
        self._cpu = used.ru_utime + used.ru_stime

    def record(self) -> Record:
        """After the end. A child that failed is told in `missing`; it never ends a measurement."""
        if self._child is None:
            return Record(missing=("anything: it was switched off (0 Hz)",))
        seen, missing = _read(self._file)
        if self._child.returncode:
            missing.append(f"the time after it ended by itself (exit status {self._child.returncode})")
        return Record(tuple(seen), self._hertz, self._cpu, self._ended - self._begun, tuple(missing))


def compress(file: Path, target: Path) -> None:
    """Writes a gzipped copy, all of it or nothing."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    with file.open("rb") as plain, gzip.open(beside, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    beside.replace(target)


def child() -> None:
    """What the child does: looks until its standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the pipe tells when to end
    about = json.loads(sys.argv[1])
    raw = about["unit"]
    unit = Unit(raw["main_pid"], Path(raw["group"]) if raw["group"] else None, raw["problem"])
    try:
        with Path(about["file"]).open("w", encoding="utf-8") as out:
            _look_until_closed(Looker(unit, (about["instrument"], os.getpid())), out, about["pause"])
    except OSError as error:
        sys.exit(f"hostproof: telemetry: {error.filename or about['file']}: {error.strerror}")


def _look_until_closed(looker: Looker, out: IO[str], pause: float) -> None:
    for sentence in looker.missing:
        _write(out, {"missing": sentence})
    due = time.monotonic()
    closed = False
    while not closed:
        _write(out, ticks.to_json(looker.look()))
        due = max(due + pause, time.monotonic())
        closed = bool(select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0])
    _write(out, ticks.to_json(looker.look()))


def _write(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line, separators=(",", ":")) + "\n")
    out.flush()


def _read(file: Path) -> tuple[list[Tick], list[str]]:
    seen, missing = [], []
    for raw in _lines(file):
        if "missing" in raw:
            missing.append(raw["missing"])
        else:
            seen.append(ticks.from_json(raw))
    return seen, missing


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):  # one that was cut off tells nothing
            yield json.loads(line)
