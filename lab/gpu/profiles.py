"""Which card: a profile by name or by path, and how many of it. `rtx-pro-6000-max-q`, `h200:8`, `/my/card.json`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hostproof.errors import HostproofError

FOLDER: Final = Path(__file__).parent / "profiles"
SCHEMA: Final = "hostproof.gpu-profile/1"
MOST: Final = 16
NVIDIA: Final = 0x10DE
KEYS: Final = {"schema", "title", "source", "count", "pci", "gpu"}
PCI_KEYS: Final = {"device", "subsystem", "class", "first_bus", "node"}
NEEDED: Final = ("name", "architecture")
FAMILY: Final = uuid.UUID("6a1d9e0c-5a53-4e0a-9d6f-68706c616200")
"""UUIDs are worked out from profile and number, so that a host has the same ones each time."""


@dataclass(frozen=True)
class Profile:
    """`cards` are what `lab-gpu` reads on the host."""

    name: str
    title: str
    cards: tuple[Mapping[str, Any], ...]


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def load(wanted: str) -> Profile:
    """Raises HostproofError for an unknown name, a number that is none, or a file that is no profile."""
    name, _, many = wanted.partition(":")
    file = Path(name) if name.endswith(".json") else FOLDER / f"{name}.json"
    if not file.is_file():
        mend = f"There are: {', '.join(names())}; or name a file: ./card.json."
        raise HostproofError(f"there is no GPU profile {name!r}", where="--gpu", mend=mend)
    raw = _read(file)
    count = _count(many, raw, wanted)
    return Profile(file.stem, raw["title"], tuple(_card(raw, file.stem, number) for number in range(count)))


def _count(many: str, raw: Mapping[str, Any], wanted: str) -> int:
    count = int(many) if many.isdecimal() else raw["count"] if not many else 0
    if not isinstance(count, int) or not 1 <= count <= MOST:
        mend = f"Give a number from 1 to {MOST}, as in h200:8."
        raise HostproofError(f"{wanted!r} names no number of GPUs", where="--gpu", mend=mend)
    return count


def _read(file: Path) -> Mapping[str, Any]:
    def wrong(what: str) -> HostproofError:
        return HostproofError(what, where=str(file), mend="See lab/gpu/profiles and docs/gpu-lab.md.")

    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise wrong(f"the profile is no JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise wrong(f"the profile's schema is not {SCHEMA}")
    if differing := sorted(set(raw) ^ KEYS):
        raise wrong(f"the profile lacks the key, or has the unknown key {differing[0]!r}")
    if not isinstance(raw["pci"], dict) or set(raw["pci"]) != PCI_KEYS:
        raise wrong(f"`pci` needs exactly {', '.join(sorted(PCI_KEYS))}")
    gpu = raw["gpu"]
    if not isinstance(gpu, dict) or not all(key in gpu for key in NEEDED):
        raise wrong(f"`gpu` needs at least {', '.join(NEEDED)}")
    for key, value in gpu.items():
        if not isinstance(value, str) and (type(value) is not int or value < 0):
            raise wrong(f"`gpu.{key}` is neither a text nor a whole number")
    return raw


def _card(raw: Mapping[str, Any], name: str, number: int) -> Mapping[str, Any]:
    pci = raw["pci"]
    bus = (int(pci["first_bus"], 16) + 0x10 * number) % 0x100
    address = f"0000:{bus:02x}:00.0"
    own = {
        "uuid": f"GPU-{uuid.uuid5(FAMILY, f'{name}/{number}')}",
        "serial": f"13{number:011d}",
        "bus_id": f"0000{address.upper()}",
        "pci_device_id": int(pci["device"], 16) << 16 | NVIDIA,
        "pci_subsystem_id": int(pci["subsystem"], 16) << 16 | NVIDIA,
        "numa_node": pci["node"],
    }
    return {**pci, "address": address, "gpu": {**own, **raw["gpu"]}}
