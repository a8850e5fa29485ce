"""vLLM releases side by side in a folder: which is whole, which serves, which may go.

`<root>/releases/<release>/` is a venv, made in its place because a venv does not move; `.hostproof.json` in it is written last
and says that it is whole. `<root>/current` and `<root>/previous` are links. `<root>/.incoming` is what the controller pushed,
`<root>/.uv` uv's cache while an install goes on, `<root>/.lock` keeps two installs apart.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = "hostproof.vllm-release/1"
STAMP = ".hostproof.json"
RELEASES = "releases"
INCOMING = ".incoming"
CACHE = ".uv"
LOCK = ".lock"
LEAST_KEPT = 2
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Stamp:
    """What a whole release was made from."""

    version: str
    lock: str
    """sha256 of the requirements that were installed."""
    python: str
    made: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class Links:
    """Names of releases; empty where there is no link."""

    current: str
    previous: str


def folder(root: Path, release: str) -> Path:
    return root / RELEASES / release


def read_stamp(release: Path) -> Stamp | None:
    """None for a release that is not whole, or whose stamp is not ours."""
    try:
        raw = json.loads((release / STAMP).read_text(encoding="utf-8"))
        if raw.pop("schema") != SCHEMA:
            return None
        return Stamp(**raw)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_stamp(release: Path, stamp: Stamp) -> None:
    """At once or not at all, and on the disk after everything that it vouches for."""
    os.sync()
    new = release / f"{STAMP}.new"
    with new.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps({"schema": SCHEMA, **asdict(stamp)}, indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(release / STAMP)


def read_links(root: Path) -> Links:
    return Links(_target(root / "current"), _target(root / "previous"))


def _target(link: Path) -> str:
    return link.readlink().name if link.is_symlink() else ""


def switched(links: Links, release: str) -> Links:
    """What the links say once this release serves."""
    return links if release == links.current else Links(release, links.current)


def write_links(root: Path, links: Links) -> None:
    """`previous` first: whenever this is cut short, `current` names a release that has answered."""
    for name in ("previous", "current"):
        release = getattr(links, name)
        if release and release != _target(root / name):
            new = root / f".{name}.new"
            new.unlink(missing_ok=True)
            new.symlink_to(Path(RELEASES) / release)
            new.replace(root / name)


def stamps(root: Path) -> dict[str, Stamp | None]:
    """Every release's folder, whole or not."""
    place = root / RELEASES
    if not place.is_dir():
        return {}
    return {path.name: read_stamp(path) for path in sorted(place.iterdir()) if path.is_dir()}


def to_prune(found: Mapping[str, Stamp | None], links: Links, keep: int) -> list[str]:
    """All but `keep` releases: the two that are linked, then the newest; never what is linked, and never less than two."""
    linked = [name for name in (links.current, links.previous) if name]
    others = [(stamp.made, name) for name, stamp in found.items() if stamp and name not in linked]
    newest = [name for _, name in sorted(others, reverse=True)]
    room = max(0, max(keep, LEAST_KEPT) - len(linked))
    halves = [name for name, stamp in found.items() if stamp is None and name not in linked]
    return sorted([*newest[room:], *halves])


def prepare_incoming(root: Path, owner: int) -> Path:
    """A folder that the ssh user may push into, closed to everybody else."""
    incoming = root / INCOMING
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    incoming.mkdir(mode=0o700, exist_ok=True)
    os.chown(incoming, owner, -1)
    return incoming


def tidy(root: Path, *, keep_cache: bool = False) -> None:
    """What is only there while a release comes in."""
    for name in (INCOMING,) if keep_cache else (INCOMING, CACHE):
        shutil.rmtree(root / name, ignore_errors=True)


class BusyError(Exception):
    """Another install goes on. A sentence for the user."""


@contextlib.contextmanager
def alone(root: Path, wait_seconds: float) -> Iterator[int]:
    """Keeps a second install out, also one whose run was cut short while its uv works on. Gives what a child must inherit for that.

    Raises BusyError after the wait.
    """
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    until = time.monotonic() + wait_seconds
    with (root / LOCK).open("a+", encoding="utf-8") as lock:
        while not _locked(lock.fileno()):
            if time.monotonic() > until:
                lock.seek(0)
                raise BusyError(
                    f"An install in {root} goes on ({lock.read().strip() or 'by an unknown process'}); it was waited for "
                    f"{wait_seconds:.0f} s. Provision again when it has ended."
                )
            time.sleep(PAUSE_SECONDS)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} since {datetime.now(UTC).isoformat(timespec='seconds')}\n")
        lock.flush()
        yield lock.fileno()


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
