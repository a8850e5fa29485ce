"""One vLLM nightly as it was pinned: build, commit, variant, and the sha256 of the wheel that was fetched first. Pure.

The file is kept beside the inventory and belongs into its repository: whoever has it gets the same wheel, or a refusal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from . import vllm_index, vllm_pins
from .vllm_index import Wheel

SCHEMA: Final = "hostproof.vllm-nightly/1"
_SHA256 = re.compile(r"[0-9a-f]{64}")
FLASHINFER: Final = "flashinfer-python"


class NightlyPinError(ValueError):
    """The file is no pin; the message says why."""


@dataclass(frozen=True)
class NightlyPin:
    version: str
    commit: str
    """All 40 digits."""
    variant: str
    url: str
    """Of the wheel, under its commit: the address that stays."""
    filename: str
    sha256: str = ""
    """Of what was fetched first; the index has none. Empty: not fetched yet."""


def of(wheel: Wheel, variant: str) -> NightlyPin:
    return NightlyPin(wheel.version, wheel.commit, variant, wheel.url, wheel.filename)


def render(pin: NightlyPin) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(pin)}, indent=1) + "\n"


def parse(text: str) -> NightlyPin:
    """Raises NightlyPinError."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise NightlyPinError(f"it is no JSON ({error})") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise NightlyPinError(f"its schema is not {SCHEMA}")
    try:
        pin = NightlyPin(**{key: str(value) for key, value in raw.items() if key != "schema"})
    except TypeError as error:
        raise NightlyPinError(f"a field is missing or unknown ({error})") from error
    if not vllm_index.COMMIT.fullmatch(pin.commit) or (pin.sha256 and not _SHA256.fullmatch(pin.sha256)):
        raise NightlyPinError("its commit is not 40 digits, or its sha256 not 64")
    return pin


def beside(lock: str, packages: Sequence[str]) -> list[str]:
    """Packages that go with the FlashInfer of a lock: `{flashinfer}` in a name becomes its version. Without FlashInfer none."""
    version = next((one.version for one in vllm_pins.requirements(lock) if one.name == FLASHINFER), "")
    return [
        each.replace("{flashinfer}", version) for each in packages if version or "{flashinfer}" not in each
    ]


def index_words(indexes: Sequence[str]) -> list[str]:
    return [word for index in indexes for word in ("--index", index)]
