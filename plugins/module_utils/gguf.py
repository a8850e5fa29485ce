"""The header of a GGUF file: metadata and what its tensors are. Reads no weights.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from .ggml_types import KINDS, Kind

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
ALIGNMENT: Final = 32
"""Of the data, unless `general.alignment` says otherwise."""
LONGEST_KEPT: Final = 4096
"""An array of the metadata with more elements is passed over: those are vocabularies."""
MOST_TENSORS: Final = 1_000_000
LONGEST_TEXT: Final = 64 * 1024 * 1024
MOST_DIMENSIONS: Final = 4

_STRING, _ARRAY = 8, 9
_SCALARS: Final[Mapping[int, str]] = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


class GgufError(ValueError):
    """The file is no GGUF, or not whole; what, where and how to mend it, in one sentence."""


@dataclass(frozen=True)
class Tensor:
    name: str
    kind: Kind
    shape: tuple[int, ...]
    """The first is a row, as ggml counts: elements that lie side by side."""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.elements // self.kind.block * self.kind.size_bytes


@dataclass(frozen=True)
class Gguf:
    """One file, or all parts of one model."""

    metadata: Mapping[str, object]
    tensors: Sequence[Tensor]


def load(path: Path) -> Gguf:
    """Every part, where the model is split (`…-00001-of-00003.gguf`). Raises GgufError, OSError."""
    found = [_whole(part) for part in parts(path)]
    return Gguf(found[0].metadata, tuple(tensor for part in found for tensor in part.tensors))


def parts(path: Path) -> list[Path]:
    """In their order; the file alone if its name tells no number. Raises GgufError if one is not there."""
    told = _PART.search(path.name)
    if not told:
        return [path]
    stem, count = path.name[: told.start()], int(told[2])
    named = [path.with_name(f"{stem}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]
    if absent := [each.name for each in named if not each.is_file()]:
        raise GgufError(
            f"{path.parent} lacks {len(absent)} of {count} parts: {absent[0]}. Provision again, so that model_store fetches it."
        )
    return named


def _whole(path: Path) -> Gguf:
    with path.open("rb") as file:
        found, needs = read(file, path.name)
    size = path.stat().st_size
    if size < needs:
        raise GgufError(
            f"{path.name} has {size:,} bytes, and its header says {needs:,}. Provision again, so that model_store fetches it."
        )
    return found


def read(file: BinaryIO, name: str) -> tuple[Gguf, int]:
    """A file from its beginning, and how many bytes its header says that it has. Raises GgufError."""
    reader = _Reader(file, name)
    if file.read(4) != MAGIC:
        raise GgufError(f"{name} is no GGUF file (or an unfinished download). Fetch it again.")
    version = reader.number("I")
    if version not in VERSIONS:
        raise GgufError(
            f"{name} is GGUF version {version}; known: 2 and 3, little endian. Convert it with a current llama.cpp."
        )
    tensors, pairs = reader.number("Q"), reader.number("Q")
    if max(tensors, pairs) > MOST_TENSORS:
        raise reader.broken(f"{tensors} tensors")
    metadata: dict[str, object] = {}
    for _ in range(pairs):
        key = reader.text()
        value = reader.value(reader.number("I"))
        if value is not None:
            metadata[key] = value
    listed = [reader.tensor() for _ in range(tensors)]
    told = metadata.get("general.alignment")
    alignment = told if isinstance(told, int) and told > 0 else ALIGNMENT
    begin = -(-file.tell() // alignment) * alignment
    end = max((offset + tensor.size_bytes for tensor, offset in listed), default=0)
    return Gguf(metadata, tuple(tensor for tensor, _ in listed)), begin + end


@dataclass(frozen=True)
class _Reader:
    file: BinaryIO
    name: str

    def broken(self, what: str) -> GgufError:
        return GgufError(f"{self.name} has a header that cannot be read ({what}). Fetch it again.")

    def number(self, code: str) -> int:
        return int(self.scalar(code))

    def scalar(self, code: str) -> int | float:
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return cast("int | float", value)

    def take(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) < size:
            raise GgufError(f"{self.name} ends within its header. Fetch it again.")
        return data

    def length(self) -> int:
        length = self.number("Q")
        if length > LONGEST_TEXT:
            raise self.broken(f"a text of {length:,} bytes")
        return length

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8", errors="replace")

    def value(self, kind: int) -> object:
        """None: an array that is passed over."""
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self.array(self.number("I"), self.length())
        if kind not in _SCALARS:
            raise self.broken(f"a value of kind {kind}")
        return self.scalar(_SCALARS[kind])

    def array(self, kind: int, count: int) -> list[object] | None:
        if count <= LONGEST_KEPT:
            return [self.value(kind) for _ in range(count)]
        if kind in _SCALARS:
            self.file.seek(count * struct.calcsize(f"<{_SCALARS[kind]}"), 1)
        else:
            for _ in range(count):
                if kind == _STRING:
                    self.file.seek(self.length(), 1)
                else:
                    self.value(kind)
        return None

    def tensor(self) -> tuple[Tensor, int]:
        name, dimensions = self.text(), self.number("I")
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise self.broken(f"{name} has {dimensions} dimensions")
        shape = tuple(self.number("Q") for _ in range(dimensions))
        number, offset = self.number("I"), self.number("Q")
        if number not in KINDS:
            raise GgufError(
                f"{self.name} has {name} as type {number}, whose size is not known here. Add it to ggml_types.py."
            )
        kind = KINDS[number]
        if shape[0] % kind.block:
            raise self.broken(f"rows of {name} have {shape[0]} elements, no multiple of {kind.block}")
        return Tensor(name, kind, shape), offset
