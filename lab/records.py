"""`.lab/`: what this checkout knows of its hosts. A folder each, with key, host keys and record."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Final

SCHEMA: Final = "hostproof.lab/1"
RECORD: Final = "state.json"
KEY: Final = "key"
KNOWN_HOSTS: Final = "known_hosts"
CONTAINER: Final = "container"
VM: Final = "vm"


@dataclass(frozen=True)
class Record:
    """A host that came up. Written last: a folder without it is a host that is half made.

    `container` is what it is called on this machine, as container or as QEMU's guest; `nodes` are a vm's NUMA nodes.
    """

    name: str
    container: str
    image: str
    base: str
    python: str
    port: int
    folder: str
    inventory: str
    kind: str = CONTAINER
    nodes: int = 0
    gpu: str = ""
    """The profile of a stand-in GPU, as `--gpu` named it."""
    gpu_key: str = ""
    """Fingerprint of the key that its repositories are signed with."""

    @property
    def key(self) -> str:
        return f"{self.folder}/{KEY}"

    @property
    def known_hosts(self) -> str:
        return f"{self.folder}/{KNOWN_HOSTS}"


@dataclass(frozen=True)
class Store:
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".lab"

    def host(self, name: str) -> Path:
        return self.folder / name

    def names(self) -> list[str]:
        """Every host with a folder, half made ones too."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def read(self, name: str) -> Record | None:
        """None for a host that is not there, half made, or from another version of the lab."""
        try:
            data = json.loads((self.host(name) / RECORD).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        known = {field.name for field in fields(Record)}
        needed = {field.name for field in fields(Record) if field.default is MISSING}
        if not isinstance(data, dict) or data.pop("schema", "") != SCHEMA or not needed <= set(data) <= known:
            return None
        return Record(**data)

    def records(self) -> list[Record]:
        return [record for name in self.names() if (record := self.read(name))]

    def write(self, record: Record) -> None:
        text = json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1) + "\n"
        replace_file(self.host(record.name) / RECORD, text)

    @contextlib.contextmanager
    def alone(self, say: Callable[[str], None]) -> Iterator[None]:
        """One `up` or `down` at a time; the lock goes with the process that holds it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another lab.up or lab.down of this checkout")
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def replace_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    """The whole file or the old one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.chmod(mode)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
