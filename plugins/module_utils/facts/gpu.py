"""NVIDIA GPUs and their driver: the PCI bus, NVML and modinfo put together. Without a card or a driver, that is the answer.

What is no file (NVML's and modinfo's answers) is kept in a recording as one file, so that a recorded tree gives the same facts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import driver, gpu_cards, modinfo, nvml, pci
from .gpu_model import (
    Gpu,
    GpuClocks,
    GpuEcc,
    GpuLink,
    GpuMemory,
    GpuMig,
    GpuPower,
    GpuProcess,
    Nvml,
    Seen,
)
from .model import PciDevice
from .tree import Tree

ANSWERS_FILE = "/hostproof-gpu.json"
"""At the top of a recorded tree."""
ANSWERS_SCHEMA = "hostproof.gpu-answers/1"
MOST_GPUS = 64
EVENTS: Mapping[int, str] = {
    0x1: "gpu_idle", 0x2: "applications_clocks_setting", 0x4: "sw_power_cap", 0x8: "hw_slowdown",
    0x10: "sync_boost", 0x20: "sw_thermal_slowdown", 0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown", 0x100: "display_clock_setting",
}  # fmt: skip
"""nvmlClocksEventReason* of nvml.h, in the words of nvidia-smi's clocks_event_reasons."""
GENERATIONS: Mapping[float, int] = {2.5: 1, 5: 2, 8: 3, 16: 4, 32: 5, 64: 6}
"""GT/s → generation of PCIe."""
BUSY_STATE = 2
"""At performance states 0 to 2 the link runs at its full speed."""


@dataclass(frozen=True)
class Ask:
    """How a live host is asked. Tests put something else here."""

    nvml: Callable[[], Mapping[str, Any]]
    modinfo: Callable[[list[str]], Mapping[str, Any]] = modinfo.ask


def asking(binding: str = "") -> Ask:
    """With nvidia-ml-py from that file; without one, wherever Python finds it."""
    return Ask(lambda: nvml.ask_apart(binding))


def look(tree: Tree, ask: Ask, wanted: str = "") -> Seen:
    """Never raises for what it finds."""
    cards = pci.read_vendor(tree, gpu_cards.VENDOR)
    answers = _live(tree, ask, bool(cards)) if tree.live else _recorded(tree)
    tree.files[ANSWERS_FILE] = json.dumps(_masked(answers), indent=1, sort_keys=True).encode()
    said = _mapping(answers.get("nvml"))
    gpus = tuple(_put_together(tree, cards, _list(said.get("gpus"))))
    seen = driver.read(tree, gpus, _nvml(said), _mapping(answers.get("modinfo")), wanted)
    return Seen(gpus, seen)


def _live(tree: Tree, ask: Ask, cards: bool) -> dict[str, Any]:
    # Where nothing of NVIDIA's is there, nothing is asked.
    there = cards or tree.exists(driver.SAID) or tree.exists(driver.LOADED)
    there = there or any(tree.exists(f"{folder}/{driver.LIBRARY}") for folder in driver.LIBRARY_FOLDERS)
    if not there:
        return {"schema": ANSWERS_SCHEMA, "nvml": {}, "modinfo": {}}
    return {"schema": ANSWERS_SCHEMA, "nvml": ask.nvml(), "modinfo": ask.modinfo(driver.kernels(tree))}


def _recorded(tree: Tree) -> dict[str, Any]:
    """Damage is no answer."""
    try:
        found = json.loads(tree.data(ANSWERS_FILE) or b"{}")
    except (ValueError, RecursionError):
        tree.note(ANSWERS_FILE, "is no JSON")
        found = {}
    if not isinstance(found, dict) or found.get("schema", ANSWERS_SCHEMA) != ANSWERS_SCHEMA:
        tree.note(ANSWERS_FILE, f"is not {ANSWERS_SCHEMA}")
        found = {}
    return {
        "schema": ANSWERS_SCHEMA,
        "nvml": _mapping(found.get("nvml")),
        "modinfo": _mapping(found.get("modinfo")),
    }


def _masked(answers: Mapping[str, Any]) -> dict[str, Any]:
    """What a recording may hold: a GPU's UUID names one card in the world, its processes are the host's own affair."""
    said = dict(_mapping(answers.get("nvml")))
    if "gpus" in said:
        said["gpus"] = [_masked_one(number, _mapping(one)) for number, one in enumerate(_list(said["gpus"]))]
    return {**answers, "nvml": said}


def _masked_one(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(_mapping(one.get("values")))
    if values.get("uuid"):
        values["uuid"] = f"GPU-00000000-0000-0000-0000-{number:012d}"
    if "processes" in values:
        values["processes"] = []
    return {**one, "values": values}


def _nvml(said: Mapping[str, Any]) -> Nvml:
    found = Values(said, {})
    cuda = found.number("cuda")
    return Nvml(
        state=found.text("state") or "not-asked",
        said=found.text("said"),
        code=found.number("code"),
        version=found.text("version"),
        driver=found.text("driver"),
        # 13000 is 13.0.
        cuda="" if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}",
    )


def _put_together(tree: Tree, cards: tuple[PciDevice, ...], said: list[Any]) -> Iterator[Gpu]:
    """NVML's GPUs in its own order, then what only the bus knows of."""
    by_address = {card.address: card for card in cards}
    told = [Values(_mapping(_mapping(one).get("values")), _mapping(one)) for one in said[:MOST_GPUS]]
    addresses = [sysfs_address(found.text("bus_id")) for found in told]
    # A card that is lost has not even an address: it is the one that nobody else claims.
    unclaimed = [address for address in by_address if address not in addresses]
    if len(unclaimed) == addresses.count(""):
        addresses = [address or unclaimed.pop(0) for address in addresses]
    for found, address in zip(told, addresses, strict=True):
        yield _gpu(tree, by_address.pop(address, None), found, address)
    for address, card in by_address.items():
        yield _gpu(tree, card, Values({}, {}), address)


def sysfs_address(bus_id: str) -> str:
    """NVML's `00000000:C1:00.0` → `0000:c1:00.0`."""
    match = re.fullmatch(r"([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", bus_id.lower())
    return f"{match[1].lstrip('0').rjust(4, '0')}:{match[2]}" if match else ""


def _gpu(tree: Tree, card: PciDevice | None, found: Values, address: str) -> Gpu:
    told = found.number("pci_device_id")
    # NVML has device and vendor in one number.
    device = card.device if card else f"{told >> 16:04x}" if told else ""
    known = gpu_cards.CARDS.get(device)
    code = found.number("architecture")
    architecture = gpu_cards.NVML_ARCHITECTURES.get(code or 0, "") or gpu_cards.architecture(device)
    vram, bar1 = found.three("memory"), found.number("bar1")
    if bar1 is None and card:
        bar1 = card.bar1_bytes
    lowest, highest = found.two("power_range")
    capability = found.two("compute_capability")
    gsp, ecc = found.number("gsp_mode") != 0, found.flags("ecc")
    return Gpu(
        address=address,
        device_id=f"{gpu_cards.VENDOR}:{device}" if device else "",
        card=known.name if known else "",
        architecture=architecture,
        open_modules_only=architecture in gpu_cards.OPEN_ONLY if architecture else None,
        kernel_driver=card.driver if card else "",
        node=card.node if card else None,
        answers=bool(found.text("uuid")),
        index=found.number("index"),
        name=found.text("name"),
        uuid=found.text("uuid"),
        compute_capability=f"{capability[0]}.{capability[1]}" if None not in capability else "",
        vram=GpuMemory(vram[0], vram[1], vram[2], found.number("memory_reserved")),
        bar1_bytes=bar1,
        resizable_bar=bar1 >= vram[0] if bar1 is not None and vram[0] is not None else None,
        link=_link(card, found),
        power=GpuPower(
            found.thousandth("power_draw"),
            found.thousandth("power_limit"),
            found.thousandth("power_enforced"),
            found.thousandth("power_default"),
            None if lowest is None else lowest / 1000,
            None if highest is None else highest / 1000,
        ),
        persistence=found.flag("persistence"),
        ecc=GpuEcc(ecc[0], ecc[1], found.number("ecc_corrected"), found.number("ecc_uncorrected")),
        mig=GpuMig(*found.flags("mig")),
        clocks=GpuClocks(
            graphics_mhz=found.number("clock_graphics"),
            sm_mhz=found.number("clock_sm"),
            memory_mhz=found.number("clock_memory"),
            maximum_graphics_mhz=found.number("clock_maximum_graphics"),
            maximum_sm_mhz=found.number("clock_maximum_sm"),
            maximum_memory_mhz=found.number("clock_maximum_memory"),
            memory_bus_bits=found.number("memory_bus_bits"),
        ),
        performance_state=found.number("performance_state"),
        throttle=events(found.number("throttle") or 0),
        energy_joules=found.thousandth("energy"),
        temperature_celsius=found.number("temperature"),
        utilization_percent=found.number("utilization"),
        compute_mode=found.number("compute_mode"),
        vbios=found.text("vbios"),
        gsp_firmware=found.text("gsp_firmware") if gsp else "",
        processes=tuple(_processes(tree, found)),
        unsupported=found.unsupported,
        problems=found.problems,
    )


def events(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in EVENTS.items() if bits & bit)


def _link(card: PciDevice | None, found: Values) -> GpuLink:
    """NVML's, else the bus's own."""
    generation, width = found.number("link_generation"), found.number("link_width")
    if generation is None and width is None:
        if card is None or card.link is None:
            return GpuLink()
        one = card.link
        best = GENERATIONS.get(one.maximum_speed_gts)
        return GpuLink(GENERATIONS.get(one.speed_gts), one.width, best, best, one.maximum_width)
    state, busy = found.number("performance_state"), found.number("utilization")
    known = state is not None or busy is not None
    loaded = bool(busy) or (state is not None and state <= BUSY_STATE)
    return GpuLink(
        generation,
        width,
        found.number("link_maximum_generation"),
        found.number("link_card_generation"),
        found.number("link_maximum_width"),
        read="loaded" if loaded else "idle" if known else "unknown",
    )


def _processes(tree: Tree, found: Values) -> Iterator[GpuProcess]:
    for one in _list(found.values.get("processes")):
        pid, used = (one[0], one[1]) if isinstance(one, list) and len(one) == 2 else (None, None)
        if type(pid) is int and pid > 0:
            name = tree.text(f"/proc/{pid}/comm") if tree.live else ""
            yield GpuProcess(pid, name, used if type(used) is int else None)


@dataclass(frozen=True)
class Values:
    """NVML's answers of one GPU. A value of another kind than expected is unknown: a recording may come from anywhere."""

    values: Mapping[str, Any]
    whole: Mapping[str, Any]

    def number(self, key: str) -> int | None:
        value = self.values.get(key)
        return value if type(value) is int and value >= 0 else None

    def thousandth(self, key: str) -> float | None:
        """Milliwatts, millijoules."""
        value = self.number(key)
        return None if value is None else value / 1000

    def text(self, key: str) -> str:
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool | None:
        value = self.number(key)
        return None if value is None else value == 1

    def _several(self, key: str, count: int) -> tuple[int | None, ...]:
        value = self.values.get(key)
        if isinstance(value, list) and len(value) == count and all(type(one) is int for one in value):
            return tuple(value)
        return (None,) * count

    def two(self, key: str) -> tuple[int | None, ...]:
        return self._several(key, 2)

    def three(self, key: str) -> tuple[int | None, ...]:
        return self._several(key, 3)

    def flags(self, key: str) -> tuple[bool | None, ...]:
        return tuple(None if one is None else one == 1 for one in self.two(key))

    @property
    def unsupported(self) -> tuple[str, ...]:
        return tuple(str(one) for one in _list(self.whole.get("unsupported")))

    @property
    def problems(self) -> dict[str, str]:
        return {str(key): str(why) for key, why in _mapping(self.whole.get("problems")).items()}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
