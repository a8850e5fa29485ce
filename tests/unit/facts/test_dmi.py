"""The firmware's table of memory slots, against dmidecode's reading of the same bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hostproof.shared.facts import dmi
from hostproof.shared.facts.memory import channel_name, channels_of
from hostproof.shared.facts.model import Dimm
from tests.unit.facts.synthetic import dmi_table

DMIDECODE = Path(__file__).with_name("dmidecode.txt")
"""What `dmidecode -t 17` (3.4, Debian 12) says of `dmi_table(6, 4800)` behind an entry point; these lines of it."""
NOTHING = ("", "Unknown", "No Module Installed", "Not Specified")


def devices() -> list[dict[str, str]]:
    blocks = DMIDECODE.read_text(encoding="utf-8").split("Memory Device\n")[1:]
    return [dict(re.findall(r"\t(.+?): (.+)", block)) for block in blocks]


def number(text: str) -> int:
    return 0 if text in NOTHING else int(text.split(maxsplit=1)[0])


def test_every_slot_as_dmidecode_says() -> None:
    said, slots = devices(), dmi.slots(dmi_table(6, 4800))
    assert len(said) == len(slots) == 12
    for one, slot in zip(said, slots, strict=True):
        assert slot.slot == one["Locator"]
        assert slot.bank == one["Bank Locator"]
        assert slot.size_bytes == number(one["Size"]) * 1024**3
        assert slot.type == one["Type"]
        assert slot.rated_mts == number(one.get("Speed", ""))
        assert slot.configured_mts == number(one.get("Configured Memory Speed", ""))
        assert slot.manufacturer == ("" if one.get("Manufacturer", "") in NOTHING else one["Manufacturer"])


def with_size(size: int, extended: int = 0) -> Dimm:
    table = bytearray(dmi_table(1, 6400))
    table[0x0C:0x0E] = size.to_bytes(2, "little")
    table[0x1C:0x20] = extended.to_bytes(4, "little")
    return dmi.slots(bytes(table))[0]


@pytest.mark.parametrize(
    ("size", "extended", "expected"),
    [
        (0, 0, 0),  # an empty slot
        (0xFFFF, 0, 0),  # unknown
        (16384, 0, 16 * 1024**3),  # MiB
        (0x8000 | 512, 0, 512 * 1024),  # KiB
        (0x7FFF, 131072, 128 * 1024**3),  # too big for the old field
    ],
)
def test_sizes_in_all_their_forms(size: int, extended: int, expected: int) -> None:
    assert with_size(size, extended).size_bytes == expected


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("P0 CHANNEL A", "A"),
        ("P1 CHANNEL L", "L"),
        ("CPU0_DIMM_A1", "A"),
        ("CPU1 DIMM B2", "B"),
        ("DIMM_C1", "C"),
        ("DIMMD1", "D"),
        ("P0_E", "E"),
        ("BANK 0", ""),
        ("", ""),
    ],
)
def test_channels_in_the_names_that_boards_give(text: str, channel: str) -> None:
    assert channel_name(text) == channel


def dimm(slot: str, bank: str = "") -> Dimm:
    return Dimm(slot, bank, 1, "DDR5", 6400, 6400)


def test_two_dimms_on_a_channel_are_one_channel() -> None:
    assert channels_of([dimm("DIMM_A1"), dimm("DIMM_A2"), dimm("DIMM_B1")])[0] == 2


def test_the_same_letter_on_two_sockets_is_two_channels() -> None:
    assert channels_of([dimm("CPU0_DIMM_A1"), dimm("CPU1_DIMM_A1")])[0] == 2
