"""Fetches a file over HTTP: goes on where an earlier try ended, and hashes on the way."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Protocol
from urllib.error import HTTPError

from .model_files import BLOCK, PARTIAL, Mark, Model, StoreError, settle, wrong_hash

TRIES = 5
PAUSE_SECONDS = 3.0
WATCH_SECONDS = 5.0
PIECE = 256 * 1024
"""Small enough that a slow line is watched often, and little is lost with it."""
CREDENTIALS = (401, 403)
GONE = (404, 410)
COMPLETE = 416
"""Range not satisfiable: there is nothing after the bytes that we have."""
CONTINUED = 206


class Response(Protocol):
    """What an opened address offers."""

    status: int
    headers: Mapping[str, str]

    def read(self, amount: int, /) -> bytes: ...

    def close(self) -> None: ...


Open = Callable[[str, int], Response]
"""(address, first byte wanted) → response; raises HTTPError or OSError."""

Alive = Callable[[], bool]
"""Whether the run that asked for the file is still there."""


@dataclass(frozen=True)
class Line:
    """How bytes come, and whether anybody still waits for them."""

    open_at: Open
    alive: Alive = lambda: True
    pause_seconds: float = PAUSE_SECONDS


class DroppedError(OSError):
    """The connection ended early; the next try goes on from there."""


class Part:
    """The bytes that have come so far, with their hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        file.seek(0)
        while block := file.read(BLOCK):
            self.digest.update(block)

    @property
    def size(self) -> int:
        return self.file.tell()

    def append(self, block: bytes) -> None:
        self.file.write(block)
        self.digest.update(block)

    def clear(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.digest = hashlib.sha256()


def fetch(root: Path, model: Model, file: str, line: Line) -> Mark:
    """Brings the file to its place. Raises StoreError; the partial file is kept unless it is wrong."""
    partial = root / PARTIAL / model.name / file
    partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial.touch()
    with partial.open("r+b", buffering=0) as target:
        _only_me(target, model, file)
        part = Part(target)
        _complete(part, model, file, line)
        actual = part.digest.hexdigest()
        if actual != model.files[file]:
            partial.unlink()
            raise wrong_hash(model, file, actual, model.urls[file])
        mark = settle(partial, root / model.name / file)
    return Mark(actual, mark.size, mark.mtime_ns)


def _only_me(target: IO[bytes], model: Model, file: str) -> None:
    try:
        fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(
            f"{model.name}: {file} is being fetched on this host by another process. "
            "Wait until it ends, then provision again."
        ) from None


def _complete(part: Part, model: Model, file: str, line: Line) -> None:
    """Tries until nothing is missing; a try that brought something does not use up the patience."""
    left = TRIES
    while True:
        before = part.size
        try:
            return _once(part, model.urls[file], line)
        except HTTPError as error:
            if error.code == COMPLETE and part.size:
                return None
            if error.code < 500:
                raise StoreError(_refused(model, file, error)) from error
            problem = str(error)
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise StoreError(f"{model.name}: the disk is full; {_kept(part)}") from error
            problem = str(error) or type(error).__name__
        left = TRIES if part.size > before else left - 1
        if left == 0:
            raise StoreError(
                f"{model.name}: {model.urls[file]} could not be fetched ({problem}); {_kept(part)}"
            )
        time.sleep(line.pause_seconds)


def _kept(part: Part) -> str:
    return f"{part.size} bytes are kept. Mend it and provision again, it goes on from there."


def _once(part: Part, url: str, line: Line) -> None:
    response = line.open_at(url, part.size)
    try:
        if response.status != CONTINUED:
            part.clear()  # This server does not continue files: from the start, then.
        length = response.headers.get("Content-Length")
        end = None if length is None else part.size + int(length)
        _copy(part, response, line.alive)
        if end is not None and part.size < end:
            raise DroppedError(f"the connection ended after {part.size} of {end} bytes")
    finally:
        response.close()


def _copy(part: Part, response: Response, alive: Alive) -> None:
    watched = time.monotonic()
    while block := response.read(PIECE):
        part.append(block)
        if time.monotonic() - watched > WATCH_SECONDS:
            if not alive():
                raise StoreError(f"the run that asked for this is gone; {_kept(part)}")
            watched = time.monotonic()


def _refused(model: Model, file: str, error: HTTPError) -> str:
    answer = f"{model.name}: {file} was refused: {model.urls[file]} answered {error.code} {error.reason}."
    if error.code in CREDENTIALS:
        # Hugging Face answers so for a repository that does not exist, too.
        answer += " Accept the model's terms and set model_store_huggingface_token (in a vault)."
    elif error.code in GONE:
        answer += " Correct its source in the catalogue."
    else:
        return answer
    return f"{answer} {model.advice}".strip()
