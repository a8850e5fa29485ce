"""The firmware's table of memory slots (SMBIOS 3.x, DSP0134, structure type 17), and the same without what is secret. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .model import Dimm

MEMORY_DEVICE = 17
END = 127
HEADER_BYTES = 4
SERIAL_AT, ASSET_AT = 0x18, 0x19
"""Where a memory device names the strings of its serial number and asset tag."""
TYPES = {0x18: "DDR3", 0x1A: "DDR4", 0x1E: "LPDDR4", 0x20: "HBM", 0x22: "DDR5", 0x23: "LPDDR5", 0x25: "HBM3"}
SIZE_UNKNOWN, SIZE_EXTENDED = 0xFFFF, 0x7FFF
SPEED_EXTENDED = 0xFFFF
HIDDEN = b"hidden"


@dataclass(frozen=True)
class Structure:
    kind: int
    formatted: bytes
    """The part with fixed offsets, header included."""
    strings: tuple[bytes, ...]

    def byte(self, at: int) -> int:
        return self.formatted[at] if at < len(self.formatted) else 0

    def word(self, at: int) -> int:
        return struct.unpack_from("<H", self.formatted, at)[0] if at + 2 <= len(self.formatted) else 0

    def double(self, at: int) -> int:
        return struct.unpack_from("<I", self.formatted, at)[0] if at + 4 <= len(self.formatted) else 0

    def string(self, at: int) -> str:
        number = self.byte(at)
        found = self.strings[number - 1] if 0 < number <= len(self.strings) else b""
        return " ".join(found.decode("ascii", "replace").split())


def structures(table: bytes) -> Iterator[Structure]:
    """Until the end mark, or until the table makes no sense."""
    at = 0
    while at + HEADER_BYTES <= len(table):
        kind, length = table[at], table[at + 1]
        if length < HEADER_BYTES or at + length > len(table):
            return
        # The strings end with an empty one; a structure without any has two zero bytes.
        end = table.find(b"\0\0", at + length)
        if end < 0:
            return
        strings = table[at + length : end]
        yield Structure(kind, table[at : at + length], tuple(strings.split(b"\0")) if strings else ())
        if kind == END:
            return
        at = end + 2


def slots(table: bytes) -> tuple[Dimm, ...]:
    """Every memory slot, an empty one with a size of 0."""
    return tuple(_dimm(one) for one in structures(table) if one.kind == MEMORY_DEVICE)


def _dimm(one: Structure) -> Dimm:
    size = _size_bytes(one)
    return Dimm(
        slot=one.string(0x10),
        bank=one.string(0x11),
        size_bytes=size,
        type=TYPES.get(one.byte(0x12), ""),
        rated_mts=_speed(one, 0x15, 0x54) if size else 0,
        configured_mts=_speed(one, 0x20, 0x58) if size else 0,
        manufacturer=one.string(0x17) if size else "",
        part=one.string(0x1A) if size else "",
    )


def _size_bytes(one: Structure) -> int:
    size = one.word(0x0C)
    if size == SIZE_UNKNOWN:
        return 0
    if size == SIZE_EXTENDED:
        return (one.double(0x1C) & 0x7FFFFFFF) * 1024**2
    # The highest bit says KiB instead of MiB.
    return (size & 0x7FFF) * 1024 if size & 0x8000 else size * 1024**2


def _speed(one: Structure, at: int, extended_at: int) -> int:
    speed = one.word(at)
    return one.double(extended_at) & 0x7FFFFFFF if speed == SPEED_EXTENDED else speed


def distil(table: bytes) -> bytes:
    """The memory devices alone, without serial numbers and asset tags."""
    kept = [_without_secrets(one) for one in structures(table) if one.kind == MEMORY_DEVICE]
    return b"".join(kept)


def _without_secrets(one: Structure) -> bytes:
    secret = {one.byte(SERIAL_AT), one.byte(ASSET_AT)}
    strings = [HIDDEN if number in secret else text for number, text in enumerate(one.strings, start=1)]
    return one.formatted + (b"\0".join(strings) if strings else b"\0") + (b"\0\0" if strings else b"\0")
