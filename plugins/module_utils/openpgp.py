"""Fingerprints of an OpenPGP keyring, as `gpg --show-keys` prints them: an apt host need not have gpg, only gpgv. Pure.

Reads version 4 keys (RFC 9580, 5.5.4.2: SHA-1 over 0x99, length, packet), armoured or not. It verifies no signature; apt does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Final

PRIMARY: Final = 6
"""Packet of a public key; 14 is a subkey, which its primary vouches for."""
_ARMOUR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*\n(?:[A-Za-z]+: .*\n)*\s*\n?(?P<body>[A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4})?\s*"
    r"-----END PGP PUBLIC KEY BLOCK-----"
)


class KeyringError(ValueError):
    """Not a keyring that can be read; the message says why."""


def binary(data: bytes) -> bytes:
    """Without its armour. Raises KeyringError."""
    if data[:1] and data[0] & 0x80:
        return data
    found = _ARMOUR.findall(data.decode("utf-8", errors="replace"))
    if not found:
        raise KeyringError("it is no OpenPGP key")
    try:
        return b"".join(base64.b64decode("".join(each.split()), validate=True) for each in found)
    except binascii.Error as error:
        raise KeyringError(f"its armour is damaged ({error})") from error


def fingerprints(data: bytes) -> list[str]:
    """Of every primary key in it, 40 digits in capitals. Raises KeyringError."""
    found = [_fingerprint(body) for tag, body in _packets(binary(data)) if tag == PRIMARY]
    if not found:
        raise KeyringError("it has no public key")
    return found


def _fingerprint(body: bytes) -> str:
    if body[:1] != b"\x04":
        raise KeyringError(f"it has a key of version {body[0] if body else 'none'}, and 4 is expected")
    # The algorithm's own; nothing is protected by it here but against a mix-up.
    packet = b"\x99" + len(body).to_bytes(2, "big") + body
    return hashlib.sha1(packet, usedforsecurity=False).hexdigest().upper()


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise KeyringError("it is damaged: a packet does not begin as one")
        tag, at, length = _new(data, at) if head & 0x40 else _old(data, at)
        if at + length > len(data):
            raise KeyringError("it ends within a packet")
        yield tag, data[at : at + length]
        at += length


def _new(data: bytes, at: int) -> tuple[int, int, int]:
    tag, first = data[at] & 0x3F, _byte(data, at + 1)
    if first < 192:
        return tag, at + 2, first
    if first < 224:
        return tag, at + 3, ((first - 192) << 8) + _byte(data, at + 2) + 192
    if first == 255:
        return tag, at + 6, int.from_bytes(data[at + 2 : at + 6], "big")
    raise KeyringError("it has a packet in pieces, which keys are not")


def _old(data: bytes, at: int) -> tuple[int, int, int]:
    tag, kind = (data[at] & 0x3C) >> 2, data[at] & 0x03
    if kind == 3:
        raise KeyringError("it has a packet without a length")
    size = 1 << kind
    return tag, at + 1 + size, int.from_bytes(data[at + 1 : at + 1 + size], "big")


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise KeyringError("it ends within a packet")
    return data[at]
