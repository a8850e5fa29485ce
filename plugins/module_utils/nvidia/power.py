"""Persistence, power limits and clocks, from wishes and what the GPUs say of themselves: knobs, or every reason why not. Pure.

Gone by UUID: an index moves with the slots. Ranges are the card's own (NVML), never a table's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..families import GPU_UNIT, PERSISTENCED
from ..knob import Knob
from ..preflight_types import Finding
from . import files
from .wanted import fail

DRIVER_AREA, POWER_AREA = "nvidia_driver", "gpu_power"
STARTED = "started"
KEYS = ("power_limit_watts", "clocks_mhz")
SMI = "nvidia-smi; NVML's constraints of this card"


@dataclass(frozen=True)
class Wishes:
    persistence: bool = True
    power_limit_watts: float = 0
    """0: the board's own."""
    clocks_mhz: str = ""
    """`300,2400`; empty: free."""
    gpus: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By UUID, where one differs."""


@dataclass(frozen=True)
class Settings:
    knobs: tuple[Knob, ...] = ()
    findings: tuple[Finding, ...] = ()
    uuids: tuple[str, ...] = ()
    """GPUs that have a unit of ours."""


def persistence(unit: str) -> tuple[Knob, ...]:
    """What has NVIDIA's daemon keep persistence mode, from its unit as it was shipped."""
    why = "Ubuntu's unit starts without persistence mode: the driver lets the GPU go with its last program, and limits with it"
    source = "nvidia-persistenced.service of branches 580 to 595"
    return (
        Knob(DRIVER_AREA, "file", PERSISTENCED.path, files.persistence(unit), why, source),
        Knob(DRIVER_AREA, "boot_unit", files.PERSISTENCED, STARTED, "Ubuntu's unit has no [Install]", source),
    )


def settings(wishes: Wishes, gpus: Iterable[Mapping[str, Any]]) -> Settings:
    """`gpus` as gpu_facts returns them."""
    cards = {str(gpu["uuid"]): gpu for gpu in gpus if gpu.get("uuid")}
    findings = [*_strangers(wishes, cards)]
    knobs: list[Knob] = []
    for uuid, gpu in cards.items():
        asked = {**_general(wishes), **{k: v for k, v in wishes.gpus.get(uuid, {}).items() if k in KEYS}}
        found, wrong = _of_card(uuid, gpu, asked)
        knobs += found
        findings += wrong
    if knobs and not wishes.persistence:
        what = "a power limit and clocks hold only in persistence mode"
        findings.append(
            fail("persistence", what, "nvidia_driver_persistence: false", "Set it to true, or wish no limit.")
        )
    uuids = tuple(dict.fromkeys(knob.key.partition("/")[0] for knob in knobs))
    return Settings((*_units(uuids), *knobs), tuple(findings), uuids)


def _general(wishes: Wishes) -> dict[str, Any]:
    return {"power_limit_watts": wishes.power_limit_watts, "clocks_mhz": wishes.clocks_mhz}


def _strangers(wishes: Wishes, cards: Mapping[str, Any]) -> Iterator[Finding]:
    for uuid, asked in wishes.gpus.items():
        if uuid not in cards:
            fix = f"This host has {', '.join(cards) or 'no GPU that answers'}."
            yield fail("gpus", f"there is no GPU {uuid}", "nvidia_driver_gpus", fix)
        for key in set(asked) - set(KEYS):
            yield fail(
                "gpus", f"unknown key {key!r}", f"nvidia_driver_gpus: {uuid}", f"Known: {', '.join(KEYS)}."
            )


def _of_card(uuid: str, gpu: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[list[Knob], list[Finding]]:
    knobs: list[Knob] = []
    findings: list[Finding] = []
    name = f"{gpu.get('name') or gpu.get('address') or 'GPU'} ({uuid})"
    watts, clocks = asked["power_limit_watts"], str(asked["clocks_mhz"] or "").replace(" ", "")
    if watts:
        wrong = _limit_problem(watts, gpu)
        findings += [fail("power_limit", what, name, fix) for what, fix in wrong]
        if not wrong:
            why = "less power costs little speed where memory decides, and less heat"
            knobs.append(_knob(uuid, "power_limit", f"{float(watts):g}", why))
    if clocks:
        wrong = _clock_problem(clocks, gpu)
        findings += [fail("clocks", what, name, fix) for what, fix in wrong]
        if not wrong:
            knobs.append(_knob(uuid, "clocks", clocks, "clocks that do not move make runs alike"))
    return knobs, findings


def _limit_problem(watts: object, gpu: Mapping[str, Any]) -> list[tuple[str, str]]:
    power = gpu.get("power") or {}
    lowest, highest = power.get("minimum_watts"), power.get("maximum_watts")
    off = "Set nvidia_driver_power_limit_watts: 0."
    if isinstance(watts, bool) or not isinstance(watts, (int, float)):
        return [(f"a power limit of {watts!r} is no number of watts", off)]
    if power.get("limit_watts") is None or lowest is None or highest is None:
        return [("not supported: this card has no power limit that can be set", off)]
    if not lowest <= watts <= highest:
        return [
            (f"a power limit of {watts:g} W is out of range", f"This card takes {lowest:g} to {highest:g} W.")
        ]
    return []


def _clock_problem(clocks: str, gpu: Mapping[str, Any]) -> list[tuple[str, str]]:
    highest = (gpu.get("clocks") or {}).get("maximum_graphics_mhz")
    pair = re.fullmatch(r"([0-9]{1,5}),([0-9]{1,5})", clocks)
    if not pair or int(pair[1]) > int(pair[2]):
        return [(f"clocks of {clocks!r} are no lowest and highest", "Write two numbers of MHz: 300,2400.")]
    if highest is None:
        return [("not supported: this card tells no highest clock", 'Set nvidia_driver_clocks_mhz: "".')]
    if int(pair[2]) > highest:
        return [(f"a clock of {pair[2]} MHz is out of range", f"This card takes up to {highest} MHz.")]
    return []


def _knob(uuid: str, what: str, value: str, why: str) -> Knob:
    return Knob(POWER_AREA, "gpu", f"{uuid}/{what}", value, why, SMI, effect="none measured here")


def _units(uuids: tuple[str, ...]) -> Iterator[Knob]:
    """One instance a GPU, so that one that is lost does not keep the others from theirs."""
    if not uuids:
        return
    why, source = "NVML's settings are gone with the driver's next start", "systemd.unit(5)"
    yield Knob(POWER_AREA, "file", GPU_UNIT.path, files.GPU_UNIT, why, source)
    for uuid in uuids:
        yield Knob(POWER_AREA, "boot_unit", files.INSTANCE.format(uuid=uuid), STARTED, why, source)
