"""Recorded trees as archives: made from what a host handed over, opened again as a folder.

An archive from elsewhere is not trusted: it is unpacked by tarfile's `data` filter (nothing outside, no devices), and only
if it is as small as a recording is.
"""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hostproof.errors import HostproofError
from hostproof.shared.facts.recording import SCHEMA

MOST_MEMBERS = 200_000
MOST_BYTES = 256 * 1024 * 1024
COMPRESSION: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": lambda raw: gzip.compress(raw, mtime=0),
    ".tgz": lambda raw: gzip.compress(raw, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
NAMES = (".tar", *(f".tar{suffix}" for suffix in COMPRESSION if suffix != ".tgz"), ".tgz")
MARKS = ("proc", "sys")
MEND = "Name a folder that holds sys/ and proc/ of a host, or an archive made with ./inv facts --record FILE.tar."


def check_name(file: Path) -> None:
    """Refuses, before any host is asked, a name that no archive of ours can have. Raises HostproofError."""
    if not file.name.endswith(NAMES):
        raise HostproofError(
            f"{file.name} is no name of an archive that can be written",
            where="--record",
            mend=f"Let it end with one of {', '.join(NAMES)}.",
        )
    if not file.absolute().parent.is_dir():
        raise HostproofError(
            "there is no such folder",
            where=str(file.absolute().parent),
            mend="Make it, or name a file in another.",
        )


def write(recording: Mapping[str, Any], file: Path) -> None:
    """The archive of a recording; `.gz`, `.bz2`, `.xz` in the name decide the compression. The same data, the same bytes.

    Raises HostproofError if it is no recording or the file cannot be written.
    """
    if recording.get("schema") != SCHEMA:
        raise HostproofError(
            "what the host handed over is no recording", where=str(file), mend="Update the collection."
        )
    try:
        file.write_bytes(COMPRESSION.get(file.suffix, bytes)(packed(recording)))
    except OSError as error:
        raise HostproofError(
            f"the recording could not be written: {error.strerror}",
            where=str(file),
            mend="Name a file in a folder that you may write to.",
        ) from error


def packed(recording: Mapping[str, Any]) -> bytes:
    """The bytes of a plain tar, folders first."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        files = {path: base64.b64decode(data) for path, data in recording["files"].items()}
        for path in recording["folders"]:
            archive.addfile(_member(path, tarfile.DIRTYPE, 0o755))
        for path, data in sorted(files.items()):
            member = _member(path, tarfile.REGTYPE, 0o644)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for path, name in sorted(recording["links"].items()):
            # Only the name counts, and a link to nowhere leads nowhere.
            member = _member(path, tarfile.SYMTYPE, 0o777)
            member.linkname = name
            archive.addfile(member)
    return target.getvalue()


def _member(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.type, member.mode = kind, mode
    return member


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Path]:
    """A folder with `sys` and `proc` below: the one named, or an archive's, unpacked until the end of the block.

    Raises HostproofError for anything else.
    """
    if not path.exists():
        raise HostproofError("there is no such folder or archive", where=str(path), mend=MEND)
    if path.is_dir():
        yield _checked(path)
        return
    with tempfile.TemporaryDirectory(prefix="hostproof-") as folder:
        _unpack(path, Path(folder))
        yield _checked(Path(folder), path)


def _checked(folder: Path, named: Path | None = None) -> Path:
    if any((folder / mark).is_dir() for mark in MARKS):
        return folder
    inner = sorted(child for child in folder.iterdir() if any((child / mark).is_dir() for mark in MARKS))
    # The archives of lscpu's and lstopo's own tests have one folder around it.
    if named is not None and len(inner) == 1:
        return inner[0]
    hint = f"Did you mean {inner[0]}? " if inner and named is None else ""
    raise HostproofError(
        "this is no recorded tree: neither sys nor proc is in it",
        where=str(named or folder),
        mend=hint + MEND,
    )


def _unpack(path: Path, target: Path) -> None:
    try:
        with tarfile.open(path) as archive:
            size = 0
            for number, member in enumerate(archive):
                size += member.size
                if number >= MOST_MEMBERS or size > MOST_BYTES:
                    raise HostproofError(
                        "the archive is larger than any recording", where=str(path), mend=MEND
                    )
                archive.extract(member, target, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        # Of a file that is no archive tarfile says what each of its methods thought of it, a line each.
        said = str(error).splitlines()[0].rstrip(".:") if str(error) else type(error).__name__
        raise HostproofError(f"the archive cannot be read: {said}", where=str(path), mend=MEND) from error
