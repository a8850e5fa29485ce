"""GPUs, drives and network cards on PCIe: link, place, BAR1; and access control on the bridges."""

from __future__ import annotations

import re
import struct

from .model import Acs, Link, Pci, PciDevice
from .tree import Tree

DEVICES = "/sys/bus/pci/devices"
ADDRESS = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
KINDS = {"0x03": "gpu", "0x12": "accelerator", "0x0108": "nvme", "0x02": "network"}
"""By the first digits of the PCI class code."""
GRAPHICS = ("gpu", "accelerator")
BRIDGE = "0x0604"
CONFIG_BYTES, EXTENDED_AT = 64, 0x100
ACS_ID, ACS_LENGTH = 0x000D, 8
ACS_REDIRECTS = 0x04 | 0x08
"""Control bits: P2P request redirect, P2P completion redirect (PCIe base specification, 7.7.11)."""
CAPABILITIES_MOST = 96
MIB = 1024**2


def read(tree: Tree) -> Pci:
    addresses = tree.names(DEVICES, ADDRESS)
    classes = {address: tree.text(f"{DEVICES}/{address}/class") for address in addresses}
    devices = ((address, kind_of(code)) for address, code in classes.items())
    bridges = [address for address, code in classes.items() if code.startswith(BRIDGE)]
    return Pci(
        devices=tuple(_device(tree, address, kind) for address, kind in devices if kind),
        acs=_acs(tree, bridges),
        aspm=_bracketed(tree.text("/sys/module/pcie_aspm/parameters/policy")),
    )


def read_vendor(tree: Tree, vendor: str) -> tuple[PciDevice, ...]:
    """The GPUs and accelerators of one vendor, `10de`."""
    found = []
    for address in tree.names(DEVICES, ADDRESS):
        kind = kind_of(tree.text(f"{DEVICES}/{address}/class"))
        ours = tree.text(f"{DEVICES}/{address}/vendor").removeprefix("0x") == vendor
        if ours and kind in GRAPHICS:
            found.append(_device(tree, address, kind))
    return tuple(found)


def kind_of(code: str) -> str:
    return next((kind for prefix, kind in KINDS.items() if code.startswith(prefix)), "")


def _bracketed(text: str) -> str:
    match = re.search(r"\[(\w{1,40})\]", text)
    return match[1] if match else ""


def _device(tree: Tree, address: str, kind: str) -> PciDevice:
    folder = f"{DEVICES}/{address}"
    node = tree.number(f"{folder}/numa_node")
    group = tree.link(f"{folder}/iommu_group")
    graphics = kind in GRAPHICS
    possible = _largest_bar(tree.text(f"{folder}/resource1_resize")) if graphics else None
    return PciDevice(
        address=address,
        kind=kind,
        vendor=tree.text(f"{folder}/vendor").removeprefix("0x"),
        device=tree.text(f"{folder}/device").removeprefix("0x"),
        driver=tree.link(f"{folder}/driver"),
        # -1: the firmware names no node.
        node=node if node is not None and node >= 0 else None,
        iommu_group=int(group) if re.fullmatch(r"[0-9]{1,6}", group) else None,
        link=_link(tree, folder),
        bar1_bytes=bar_bytes(tree.text(f"{folder}/resource"), 1) if graphics else None,
        bar1_possible_bytes=possible,
        vram_bytes=tree.number(f"{folder}/mem_info_vram_total") if graphics else None,
    )


def _link(tree: Tree, folder: str) -> Link | None:
    """None for what hangs on no link of its own. `0` and `Unknown` are a device that is off or a virtual one."""
    names = ("current_link_speed", "max_link_speed", "current_link_width", "max_link_width")
    texts = [tree.text(f"{folder}/{name}") for name in names]
    found = [re.match(r"([0-9]{1,3}(?:\.[0-9])?)(?: GT/s.*)?$", text) for text in texts]
    if not all(found):
        return None
    speed, fastest, width, widest = (float(match[1]) for match in found if match)
    # 255 lanes is what an absent link reads as.
    if not (speed and width) or width > 32:
        return None
    return Link(speed, int(width), fastest, int(widest))


def bar_bytes(resource: str, number: int) -> int | None:
    """Size of a base address register from sysfs' `resource`: a line each with first, last address and flags."""
    lines = resource.splitlines()
    if number >= len(lines):
        return None
    words = lines[number].split()
    if len(words) != 3 or not all(re.fullmatch(r"0x[0-9a-f]{1,16}", word) for word in words):
        return None
    first, last = int(words[0], 16), int(words[1], 16)
    return last - first + 1 if last > first else None


def _largest_bar(bits: str) -> int | None:
    """`resource1_resize` is a mask: bit n says that 2^n MiB can be had."""
    if not re.fullmatch(r"(?:0x)?[0-9a-f]{1,16}", bits) or not int(bits, 16):
        return None
    return MIB << (int(bits, 16).bit_length() - 1)


def _acs(tree: Tree, bridges: list[str]) -> Acs | None:
    """None if the extended configuration space was closed, which it is to all but root."""
    capable = redirecting = 0
    for address in bridges:
        path = f"{DEVICES}/{address}/config"
        config = tree.data(path, distil=distil_config)
        if len(config) <= EXTENDED_AT:
            tree.note(path, "only its first bytes could be read; root sees the capabilities")
            return None
        control = acs_control(config)
        capable += control is not None
        redirecting += bool(control and control & ACS_REDIRECTS)
    return Acs(len(bridges), capable, redirecting) if bridges else None


def _acs_at(config: bytes) -> int:
    """Where the ACS capability lies, 0 if there is none."""
    at = EXTENDED_AT
    for _ in range(CAPABILITIES_MOST):
        if at < EXTENDED_AT or at + ACS_LENGTH > len(config):
            return 0
        (header,) = struct.unpack_from("<I", config, at)
        if header & 0xFFFF == ACS_ID:
            return at
        at = header >> 20
    return 0


def acs_control(config: bytes) -> int | None:
    at = _acs_at(config)
    return int(struct.unpack_from("<H", config, at + 6)[0]) if at else None


def distil_config(config: bytes) -> bytes:
    """The standard header and the ACS capability: other capabilities hold serial numbers."""
    if len(config) <= EXTENDED_AT:
        return config[:CONFIG_BYTES]
    at = _acs_at(config)
    capability = config[at : at + ACS_LENGTH] if at else bytes(ACS_LENGTH)
    # The last in the chain: the next one's place, the upper 12 bits, becomes 0.
    alone = struct.pack("<I", struct.unpack_from("<I", capability)[0] & 0xFFFFF) + capability[4:]
    return config[:CONFIG_BYTES].ljust(EXTENDED_AT, b"\0") + alone
