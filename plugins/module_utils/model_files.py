"""What lies in the model store, and whether it is what the catalogue names. Reads, records and moves files.

A store: `<root>/<model>/<file>`, beside it `.verified.json` with what was hashed once. `<root>/.partial`
holds unfinished downloads (root's), `<root>/.incoming` what the controller pushes (the ssh user's).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = "hostproof.verified/1"
RECORD = ".verified.json"
PARTIAL = ".partial"
INCOMING = ".incoming"
BLOCK = 4 * 1024 * 1024


class StoreError(Exception):
    """A sentence for the user: what is wrong and how to mend it."""


@dataclass(frozen=True)
class Model:
    """A wanted model. `urls` is empty if the controller pushes it."""

    name: str
    files: Mapping[str, str]
    size_bytes: int
    urls: Mapping[str, str]
    advice: str = ""
    """What to do where its source does not have it."""


@dataclass(frozen=True)
class Mark:
    """A file as it was when its hash was taken: while these hold, it need not be hashed again."""

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Seen:
    """One file of a model: `good`, `absent` or `corrupt`."""

    kind: str
    mark: Mark | None = None
    """Of a good or corrupt file."""


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def see(path: Path, sha256: str, known: Mark | None) -> Seen:
    """Hashes the file unless it is unchanged since it was hashed last."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return Seen("absent")
    if known is not None and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        mark = known
    else:
        mark = Mark(sha256_of(path), stat.st_size, stat.st_mtime_ns)
    return Seen("good" if mark.sha256 == sha256 else "corrupt", mark)


def look(root: Path, model: Model, *, again: bool = False) -> dict[str, Seen]:
    """Every file of the model; `again` hashes all of them, whatever was recorded."""
    folder = root / model.name
    known = {} if again else read_record(folder)
    return {file: see(folder / file, sha256, known.get(file)) for file, sha256 in model.files.items()}


def read_record(folder: Path) -> dict[str, Mark]:
    """What was hashed before. A record that cannot be read counts as none: the files are hashed anew."""
    try:
        raw: Mapping[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            return {}
        return {name: Mark(**mark) for name, mark in raw["files"].items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_record(folder: Path, marks: Mapping[str, Mark]) -> None:
    if marks == read_record(folder):
        return
    text = json.dumps({"schema": SCHEMA, "files": {n: vars(m) for n, m in sorted(marks.items())}}, indent=1)
    temporary = folder / f"{RECORD}.new"
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(folder / RECORD)


def settle(source: Path, target: Path) -> Mark:
    """Moves a complete file to its place, at once for everybody who looks."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    os.chown(source, os.geteuid(), os.getegid())
    source.chmod(0o644)
    stat = source.stat()
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Mark("", stat.st_size, stat.st_mtime_ns)


def adopt(root: Path, model: Model, file: str) -> Mark:
    """Takes in a file that the controller pushed, if it is the right one."""
    source = root / INCOMING / model.name / file
    if not source.is_file():
        raise StoreError(
            f"{model.name}: {file} did not arrive at {source}. Provision again; what has arrived is kept."
        )
    actual = sha256_of(source)
    if actual != model.files[file]:
        source.unlink()
        raise wrong_hash(model, file, actual, "the controller")
    mark = settle(source, root / model.name / file)
    return Mark(actual, mark.size, mark.mtime_ns)


def wrong_hash(model: Model, file: str, actual: str, origin: str) -> StoreError:
    return StoreError(
        f"{model.name}: {file} from {origin} has sha256 {actual}, the catalogue says {model.files[file]}. "
        "It was removed. Correct the catalogue if the file is the right one, else provision again."
    )


def bytes_there(root: Path, model: Model) -> int:
    """Bytes of the model on the host already, unfinished ones included."""
    folders = (root / model.name, root / PARTIAL / model.name, root / INCOMING / model.name)
    return sum(
        (folder / file).stat().st_size
        for folder in folders
        for file in model.files
        if (folder / file).is_file()
    )


def check_space(root: Path, model: Model) -> None:
    """Raises before anything is fetched that would not fit."""
    missing = model.size_bytes - bytes_there(root, model)
    place = root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if missing > free:
        raise StoreError(
            f"{model.name} needs {missing / 1e9:.1f} GB more, {free / 1e9:.1f} GB are free ({place}). "
            "Free some space there, or mount a larger disk."
        )


def prepare_incoming(root: Path, model: Model, owner: int) -> None:
    """A folder that the ssh user may push into, closed to everybody else."""
    folder = root / INCOMING / model.name
    folders = {folder, folder.parent, *((folder / file).parent for file in model.files)}
    for one in sorted(folders):
        one.mkdir(parents=True, exist_ok=True)
        os.chown(one, owner, -1)
        one.chmod(0o700)


def tidy(root: Path, model: Model) -> None:
    """Removes the model's folders for what was on its way, once everything is there."""
    for name in (PARTIAL, INCOMING):
        shutil.rmtree(root / name / model.name, ignore_errors=True)
        if (root / name).is_dir() and not any((root / name).iterdir()):
            (root / name).rmdir()


def leftovers(root: Path) -> Iterator[Path]:
    """What is only there while models come in."""
    yield from (root / name for name in (PARTIAL, INCOMING) if (root / name).is_dir())


def stored(root: Path) -> Iterator[Path]:
    """Model folders that this store filled; others' folders are never touched."""
    if root.is_dir():
        yield from (folder for folder in sorted(root.iterdir()) if (folder / RECORD).is_file())
