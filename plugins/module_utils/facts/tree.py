"""One folder that facts are read from: a live host's `/`, or a recorded tree with `sys`, `proc` and `etc` below it.

The only place of the facts that opens files. It never raises for what it finds: a file that is not there, closed, damaged
or too big gives an empty value and a reason in `unreadable`. What was read can be kept, which is how a recording is made.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from io import RawIOBase
from pathlib import Path

LARGEST_BYTES = 16 * 1024 * 1024
"""More than any file here: /var/lib/dpkg/status has a few MiB."""
CHUNK_BYTES = 64 * 1024
MOST_NAMES = 100_000
REASONS_FILE = "hostproof-recording.json"
"""At the top of a recorded tree: what could not be read when it was recorded."""
REASONS_SCHEMA = "hostproof.recording/1"

ABSENT = "not there"
CLOSED = "permission denied; root may read it"
OUTSIDE = "a link that leads out of the recorded tree"

Distil = Callable[[bytes], bytes]
"""Reduces a file to what is needed of it, so that nothing else is kept. Of its own result it must give the same again."""


class Tree:
    """Reads below `root`. Paths are given as on the host: `/proc/cpuinfo`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = Path(os.path.realpath(root))
        self.live = self.root == Path("/")
        self.unreadable: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        """What was read, by path, distilled."""
        self.links: dict[str, str] = {}
        """Names that links led to, by path."""
        self.folders: set[str] = set()
        self._real: dict[str, Path] = {}
        self._recorded = {} if self.live else _recorded_reasons(self.root / REASONS_FILE)

    def note(self, path: str, why: str) -> None:
        """Says why nothing came of a path; the first reason stands."""
        self.unreadable.setdefault(path, why)

    def data(self, path: str, *, needed: bool = False, distil: Distil | None = None) -> bytes:
        """A file's bytes, empty if there are none. Absence is only noted if it was `needed`."""
        raw = self._read(path, needed)
        if raw is None:
            return b""
        kept = distil(raw) if distil else raw
        self.files[path] = kept
        return kept

    def text(self, path: str, *, needed: bool = False, distil: Distil | None = None) -> str:
        return (
            self.data(path, needed=needed, distil=distil).decode("utf-8", "replace").strip().replace("\0", "")
        )

    def number(self, path: str, *, needed: bool = False) -> int | None:
        """A whole number, decimal; None with a reason otherwise."""
        text = self.text(path, needed=needed)
        if not text:
            return None
        if not re.fullmatch(r"-?\d{1,20}", text):
            self.note(path, f"not a number: {text[:40]!r}")
            return None
        return int(text)

    def count(self, path: str, *, needed: bool = False) -> int:
        """A whole number that is not negative; 0 with a reason otherwise."""
        number = self.number(path, needed=needed) or 0
        if number < 0:
            self.note(path, f"negative: {number}")
        return max(number, 0)

    def parsed(
        self, path: str, parse: Callable[[str], frozenset[int]], *, needed: bool = False
    ) -> frozenset[int]:
        """What `parse` makes of the text; its ValueError becomes the reason."""
        text = self.text(path, needed=needed)
        try:
            return parse(text) if text else frozenset()
        except ValueError as error:
            self.note(path, str(error))
            return frozenset()

    def names(self, path: str, pattern: str, *, needed: bool = False) -> tuple[str, ...]:
        """A folder's entries that the pattern fits, numbers inside names in numeric order."""
        place = self._place(path, needed)
        if place is None:
            return ()
        try:
            found = [name for name in _listed(place) if re.fullmatch(pattern, name)]
        except OSError as error:
            self._failed(path, error, needed)
            return ()
        self.folders.update([path, *(f"{path}/{name}" for name in found)])
        return tuple(sorted(found, key=_natural))

    def exists(self, path: str) -> bool:
        place = self._place(path, needed=False)
        try:
            # Kept as a folder: what stands there does not matter to who asks.
            there = place is not None and place.exists()
        except OSError as error:
            self._failed(path, error, needed=False)
            return False
        if there:
            self.folders.add(path)
        return there

    def link(self, path: str) -> str:
        """The last part of what a link leads to: the name of a driver, a group, a unit. Empty if it is none."""
        place = self._place(str(Path(path).parent), needed=False)
        if place is None:
            return ""
        try:
            name = (place / Path(path).name).readlink().name
        except OSError as error:
            if error.errno != errno.EINVAL:
                self._failed(path, error, needed=False)
            return ""
        self.links[path] = name
        return name

    def _read(self, path: str, needed: bool) -> bytes | None:
        place = self._place(path, needed)
        if place is None:
            return None
        try:
            # A pipe or a device in a tree from elsewhere must not hold us up.
            if not stat.S_ISREG(place.stat().st_mode):
                self.note(path, "not a plain file")
                return None
            with place.open("rb", buffering=0) as file:
                raw = _chunks(file)
        except OSError as error:
            self._failed(path, error, needed)
            return None
        if len(raw) > LARGEST_BYTES:
            self.note(path, f"larger than {LARGEST_BYTES} bytes")
            return None
        return raw

    def _place(self, path: str, needed: bool) -> Path | None:
        """Where a path lies, links followed, if that is within the tree."""
        if self.live:
            return Path(path)
        folder, _, name = path.rpartition("/")
        try:
            place = self._real_folder(folder) / name
            # Most are no links, and following costs a look at each folder on the way.
            real = Path(os.path.realpath(place)) if place.is_symlink() else place
        except OSError as error:
            self._failed(path, error, needed)
            return None
        if real != self.root and self.root not in real.parents:
            self.note(path, OUTSIDE)
            return None
        return real

    def _real_folder(self, folder: str) -> Path:
        if folder not in self._real:
            self._real[folder] = Path(os.path.realpath(self.root / folder.lstrip("/")))
        return self._real[folder]

    def _failed(self, path: str, error: OSError, needed: bool) -> None:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            if recorded := self._recorded.get(path):
                self.note(path, recorded)
            elif needed:
                self.note(path, ABSENT)
        elif error.errno in (errno.EACCES, errno.EPERM):
            self.note(path, CLOSED)
        else:
            self.note(path, os.strerror(error.errno) if error.errno else str(error))


def _chunks(file: RawIOBase) -> bytes:
    """Everything, up to one byte more than is allowed. In chunks: /proc/sys answers a large read with ENOMEM."""
    found = bytearray()
    while len(found) <= LARGEST_BYTES and (chunk := file.read(CHUNK_BYTES)):
        found += chunk
    return bytes(found)


def _listed(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MOST_NAMES:
                return
            yield entry.name


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """node2 before node10."""
    return tuple(
        (int(part), "") if part.isascii() and part.isdigit() else (-1, part)
        for part in re.split(r"([0-9]+)", name)
    )


def _recorded_reasons(path: Path) -> dict[str, str]:
    try:
        raw = json.loads(path.read_bytes()[:LARGEST_BYTES]) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        # Damaged reasons are no reasons; the files' absence is then noted by itself.
        return {}
    reasons = raw.get("unreadable") if isinstance(raw, dict) and raw.get("schema") == REASONS_SCHEMA else None
    return {str(key): str(why) for key, why in reasons.items()} if isinstance(reasons, dict) else {}
