"""One part and how it gets into the cache: locked, made beside its place, checked, moved in as a whole.

A folder in the cache is trusted when its `part.json` was written by the same recipe and every file still has
the sha256 noted there. Anything else is made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab.parts import paths

Say = Callable[[str], None]
SCHEMA: Final = "hostproof.part/1"
MANIFEST: Final = "part.json"
KEYS: Final = {"recipe", "files", "facts"}
CHUNK: Final = 1 << 22


@dataclass(frozen=True)
class Part:
    """`make` fills an empty folder and returns facts worth keeping (a version, an image id)."""

    folder: Path
    title: str
    takes: str
    needs_bytes: int
    recipe: str
    make: Callable[[Path, Say], Mapping[str, str]]
    pinned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    recipe: str
    files: Mapping[str, str]
    facts: Mapping[str, str]


def recipe_of(*sources: Path | str) -> str:
    """One sha256 over all that decides the content: scripts, locks, versions."""
    digest = hashlib.sha256()
    for source in sources:
        text = source.read_bytes() if isinstance(source, Path) else source.encode()
        digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def manifest(part: Part) -> Manifest | None:
    """The manifest of a part that is whole and of today's recipe, else None."""
    found = _read(part.folder / MANIFEST)
    if found is None or found.recipe != part.recipe:
        return None
    return found if _holds(part.folder, found.files) else None


def obtain(part: Part, out: Path | None = None, say: Say = print) -> Manifest:
    """Makes the part where it is missing or damaged; with `out`, puts its files there too."""
    with alone(part.folder, say):
        kept = manifest(part)
        if kept is None:
            kept = _make(part, say)
        else:
            say(f"{part.title}: there and verified in {part.folder}")
        if out is not None and out.absolute() != part.folder:
            _put(part.folder, kept.files, out)
    return kept


def check_space(parts: list[Part]) -> None:
    """Fails before anything is fetched when the disk cannot take what is still missing."""
    needed = sum(part.needs_bytes for part in parts)
    names = ", ".join(part.title for part in parts)
    root = paths.cache()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise HostproofError(
            f"{needed / 1e9:.1f} GB are needed to make {names}, {free / 1e9:.1f} GB are free",
            where=str(existing),
            mend="Free some space, or set HOSTPROOF_CACHE to a folder on a larger disk.",
        )


def _read(path: Path) -> Manifest | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # torn: the part cannot be trusted
        return None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or not set(data) >= KEYS:
        return None
    return Manifest(recipe=data["recipe"], files=data["files"], facts=data["facts"])


def _holds(folder: Path, files: Mapping[str, str]) -> bool:
    return all(
        (folder / name).is_file() and sha256(folder / name) == wanted for name, wanted in files.items()
    )


def _make(part: Part, say: Say) -> Manifest:
    check_space([part])
    say(f"{part.title}: making it in {part.folder} ({part.takes})")
    begun = time.monotonic()
    # A fixed name under the lock: what a killed run left is found and removed.
    work = part.folder.with_name(f".{part.folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        facts = part.make(work, say)
        made = Manifest(recipe=part.recipe, files=_sums(work), facts=facts)
        _check_pins(part, made)
        _write(work / MANIFEST, made)
        shutil.rmtree(part.folder, ignore_errors=True)
        work.replace(part.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"{part.title}: made in {time.monotonic() - begun:.0f} s")
    return made


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


def _check_pins(part: Part, made: Manifest) -> None:
    wrong = sorted(name for name, wanted in part.pinned.items() if made.files.get(name) != wanted)
    extra = sorted(set(made.files) - set(part.pinned)) if part.pinned else []
    if wrong or extra:
        raise HostproofError(
            f"{part.title} came out different from what is pinned: {', '.join(wrong + extra)}",
            where=str(part.folder),
            mend="Report it with the Python version and the processor; the pins are in the part's module.",
        )


def _write(path: Path, made: Manifest) -> None:
    data = {"schema": SCHEMA, "recipe": made.recipe, "files": dict(made.files), "facts": dict(made.facts)}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _put(source: Path, files: Mapping[str, str], out: Path) -> None:
    """Hard links where the disk allows it, so that a second place costs nothing; each file appears whole."""
    out.mkdir(parents=True, exist_ok=True)
    for name, wanted in files.items():
        if (out / name).is_file() and sha256(out / name) == wanted:
            continue
        fresh = out / f".{name}.partial"
        fresh.unlink(missing_ok=True)
        try:
            os.link(source / name, fresh)
        except OSError:  # another file system, or one without links
            shutil.copy2(source / name, fresh)
        fresh.replace(out / name)


@contextlib.contextmanager
def alone(folder: Path, say: Say) -> Iterator[None]:
    """One maker at a time of what goes into this folder of the cache. The lock goes with the process that holds it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that makes {folder}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
