"""Installed packages, from dpkg's own list: only those that decide something here. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

STATUS = "/var/lib/dpkg/status"
WANTED = re.compile(
    r"libc6|.*nvidia.*|libcuda[0-9]|cuda-(?:drivers|keyring).*|xserver-xorg-video-nouveau"
    r"|linux-(?:image|modules|headers)(?:-extra)?-\d.*|linux-(?:image-|headers-)?(?:generic|virtual|aws|azure|gcp|oracle|lowlatency).*"
)
"""The C library; NVIDIA's driver and toolkit; kernels and the packages that pull the newest one in."""
KEPT = ("Package", "Status", "Version")
TRANSITIONAL = "transitional"


@dataclass(frozen=True)
class Package:
    version: str
    selection: str
    """`install`, or `hold` where apt is told to leave it."""
    state: str
    """`installed`; anything else is not whole: `half-installed`, `unpacked`, `config-files`, …"""
    transitional: bool = False
    """It only leads to another package: the branch's name moved."""


def distil(raw: bytes) -> bytes:
    """Name, state and version of the packages that count, of all there are."""
    kept = []
    for stanza in raw.decode("utf-8", "replace").split("\n\n"):
        fields = _fields(stanza)
        if WANTED.fullmatch(fields.get("Package", "")):
            lines = [f"{key}: {fields[key]}" for key in KEPT if key in fields]
            said = TRANSITIONAL if TRANSITIONAL in fields.get("Description", "").lower() else ""
            kept.append("\n".join([*lines, *([f"Description: {said}"] if said else [])]))
    return ("\n\n".join(kept) + "\n").encode() if kept else b""


def parse(text: str) -> Mapping[str, Package]:
    """Of what `distil` kept, by name; what is damaged is left out."""
    found = {}
    for stanza in text.split("\n\n"):
        fields = _fields(stanza)
        words = fields.get("Status", "install ok installed").split()
        if fields.get("Package") and fields.get("Version") and len(words) == 3:
            gone = TRANSITIONAL in fields.get("Description", "")
            found[fields["Package"]] = Package(fields["Version"], words[0], words[2], gone)
    return found


def _fields(stanza: str) -> dict[str, str]:
    """The first line of each field; what follows indented belongs to it and is not needed."""
    split = (line.partition(": ") for line in stanza.strip().split("\n") if line[:1] not in (" ", "\t"))
    return {key: value for key, _, value in split}
