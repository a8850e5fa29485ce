"""One measurement at a time on a host: two would measure each other."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hostproof.measure.errors import ConfigError, HostBusy

NAME = "hostproof-measure.lock"
RUN_LOCK = Path("/run/lock")


def default_path() -> Path:
    """Where every user of the host can reach it; gone after a reboot."""
    return (RUN_LOCK if os.access(RUN_LOCK, os.W_OK) else Path(tempfile.gettempdir())) / NAME


@contextmanager
def held(path: Path, run_id: str) -> Iterator[None]:
    """Raises HostBusy with who measures since when. The kernel lets go however the process ends."""
    descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HostBusy(f"this host is being measured already: {_holder(path)}") from error
        _sign(descriptor, run_id)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        if (
            path.exists()
        ):  # without O_CREAT: fs.protected_regular forbids root that on another's file in a sticky folder
            return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        os.fchmod(descriptor, 0o666)  # whatever the umask: the next one may be another user
    except OSError as error:
        raise ConfigError(str(path), f"the lock cannot be opened: {error.strerror}") from error
    return descriptor


def _sign(descriptor: int, run_id: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "run_id": run_id, "since": since}).encode(), 0)


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"run {who['run_id']}, process {who['pid']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "by a process that has not signed yet"
