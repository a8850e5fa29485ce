"""Memory of the whole host: totals, DIMMs and channels, error counts, explicit pools, transparent huge pages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import dmi
from .model import Dimm, Edac, Memory, Pool, Thp
from .numa import memory_info
from .tree import Tree

HUGEPAGES = "/sys/kernel/mm/hugepages"
THP = "/sys/kernel/mm/transparent_hugepage"
EDAC = "/sys/devices/system/edac/mc"
DMI_TABLE = "/sys/firmware/dmi/tables/DMI"
BYTES_A_TRANSFER = 8
"""A DDR4 or DDR5 channel is 64 bits wide, check bits aside."""
CHANNEL_WORDS = (
    r"CHANNEL\s*([A-Z]|[0-9]{1,2})",  # P0 CHANNEL A, bank locator of AMD's own firmware
    r"(?:CPU|P|PROC)\s*([0-9])[\s_-]*(?:DIMM|CHANNEL)?[\s_-]*([A-P])[0-9]?",  # CPU0_DIMM_A1, P0_A
    r"DIMM[\s_-]*([A-P])[0-9]?",  # DIMM_A1, DIMMA1
)
SOCKET_WORD = r"(?:CPU|P|PROC|NODE|SOCKET)\s*_?([0-9])"


def read(tree: Tree) -> Memory:
    info = memory_info(tree, "/proc/meminfo")
    slots = dmi.slots(tree.data(DMI_TABLE, needed=True, distil=dmi.distil))
    dimms = tuple(dimm for dimm in slots if dimm.size_bytes)
    channels, why = channels_of(dimms)
    configured = min((d.configured_mts for d in dimms if d.configured_mts), default=0)
    return Memory(
        total_bytes=info.get("MemTotal", 0),
        available_bytes=info.get("MemAvailable", 0),
        swap_bytes=info.get("SwapTotal"),
        dimms=dimms,
        slots=len(slots),
        channels=channels,
        channels_why=why,
        rated_mts=min((d.rated_mts for d in dimms if d.rated_mts), default=0),
        configured_mts=configured,
        peak_bandwidth_bytes_per_second=(
            channels * configured * 1_000_000 * BYTES_A_TRANSFER if channels and configured else None
        ),
        edac=_edac(tree),
        hugepages=_pools(tree),
        default_hugepage=f"{info['Hugepagesize'] // 1024}kB" if info.get("Hugepagesize") else "",
        thp=Thp(*(bracketed(tree.text(f"{THP}/{name}")) for name in ("enabled", "defrag", "shmem_enabled"))),
    )


def bracketed(text: str) -> str:
    """`always [madvise] never` → `madvise`."""
    match = re.search(r"\[([^\]\s]{1,40})\]", text)
    return match[1] if match else ""


def channels_of(dimms: Sequence[Dimm]) -> tuple[int | None, str]:
    """Distinct channels in the names of the populated slots. Boards name slots as they like, so this may not say."""
    if not dimms:
        return None, "no DIMM was seen"
    names = [(channel_name(dimm.bank) or channel_name(dimm.slot)) for dimm in dimms]
    if not all(names):
        shown = next(dimm for dimm, name in zip(dimms, names, strict=True) if not name)
        return None, f"the slot's name says no channel: {shown.slot!r}, {shown.bank!r}"
    sockets = [_socket_name(dimm) for dimm in dimms]
    return len(set(zip(sockets, names, strict=True))), "from the slots' names"


def channel_name(text: str) -> str:
    for pattern in CHANNEL_WORDS:
        if match := re.search(pattern, text.upper()):
            return match[match.re.groups]
    return ""


def _socket_name(dimm: Dimm) -> str:
    match = re.search(SOCKET_WORD, f"{dimm.bank} {dimm.slot}".upper())
    return match[1] if match else ""


def _edac(tree: Tree) -> Edac | None:
    controllers = tree.names(EDAC, r"mc[0-9]{1,4}")
    if not controllers:
        return None
    counts = {
        kind: sum(tree.count(f"{EDAC}/{mc}/{kind}_count", needed=True) for mc in controllers)
        for kind in ("ce", "ue")
    }
    return Edac(len(controllers), counts["ce"], counts["ue"])


def _pools(tree: Tree) -> dict[str, Pool]:
    return {
        name.removeprefix("hugepages-"): Pool(
            total=tree.count(f"{HUGEPAGES}/{name}/nr_hugepages"),
            free=tree.count(f"{HUGEPAGES}/{name}/free_hugepages"),
            surplus=tree.count(f"{HUGEPAGES}/{name}/surplus_hugepages"),
            reserved=tree.count(f"{HUGEPAGES}/{name}/resv_hugepages"),
            overcommit=tree.count(f"{HUGEPAGES}/{name}/nr_overcommit_hugepages"),
        )
        for name in tree.names(HUGEPAGES, r"hugepages-[0-9]{1,9}kB")
    }
