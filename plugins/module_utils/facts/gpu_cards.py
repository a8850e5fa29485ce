"""NVIDIA's PCI device ids: which card, which generation, and what follows for the driver. Data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VENDOR = "10de"


@dataclass(frozen=True)
class Card:
    name: str
    vram_mib: int
    """As NVML counts it; 0: not known."""


CARDS: Mapping[str, Card] = {
    "2bb1": Card("RTX PRO 6000 Blackwell Workstation Edition", 97887),
    "2bb4": Card("RTX PRO 6000 Blackwell Max-Q Workstation Edition", 97887),
    "2bb5": Card("RTX PRO 6000 Blackwell Server Edition", 97887),
    "2b85": Card("GeForce RTX 5090", 0),
    "2330": Card("H100 SXM5 80GB", 0),
    "2335": Card("H200 SXM 141GB", 143771),
    "2684": Card("GeForce RTX 4090", 24564),
    "2204": Card("GeForce RTX 3090", 24576),
    "20b5": Card("A100 80GB PCIe", 0),
}
"""Names: README of NVIDIA's open-gpu-kernel-modules, table of compatible GPUs. VRAM where a published run log shows it."""

ARCHITECTURES: Mapping[str, str] = {
    **dict.fromkeys(("29", "2b", "2c", "2d", "2f"), "Blackwell"),
    "23": "Hopper",
    **dict.fromkeys(("26", "27", "28"), "Ada Lovelace"),
    **dict.fromkeys(("20", "22", "24", "25"), "Ampere"),
    **dict.fromkeys(("1e", "1f", "21"), "Turing"),
    "1d": "Volta",
}
"""By the first two digits of the device id (same table); a card that is in none of them has no entry."""
NVML_ARCHITECTURES: Mapping[int, str] = {
    5: "Volta", 6: "Turing", 7: "Ampere", 8: "Ada Lovelace", 9: "Hopper", 10: "Blackwell", 13: "Rubin",
}  # fmt: skip
"""nvmlDeviceArchitecture_t (nvml.h)."""
OPEN_ONLY = ("Blackwell", "Rubin")
"""NVIDIA's README: "Blackwell and later are only supported by the open kernel modules"."""


def architecture(device_id: str) -> str:
    """`2bb4` → `Blackwell`; empty where the table does not say."""
    return ARCHITECTURES.get(device_id[:2].lower(), "")
