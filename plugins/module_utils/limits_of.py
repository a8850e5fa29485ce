"""What limits a server on this host: the memory that it reads its weights from, and the operations of what computes. Pure.

`memory` and `compute` are plain data for the document `hostproof.roofline/1` (docs/roofline.md), which the judge reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from . import ceilings
from .bandwidth import Bandwidth
from .gpu_copy import Copied
from .model_costs import Costs

CPU: Final = "cpu"
GPU: Final = "gpu"
BOTH: Final = "both"
HELD: Final = 0.93
"""Of the weights, that a server's processes hold in VRAM if the model is on the GPU: an embedding may stay outside."""

INTEGER: Final = ("Q", "IQ", "TQ", "I8", "MXFP4", "NVFP4")
"""How the names of types begin that a CPU multiplies as 8-bit integers."""
ZEN4: Final = 25
"""AMD's family of Zen 3 and Zen 4: it works a 512-bit instruction off in two halves."""


def device(pids: frozenset[int], gpus: Sequence[Mapping[str, Any]], weights_bytes: int) -> str:
    """Where a server computes, by whose VRAM its processes hold."""
    held = [each for gpu in gpus for each in gpu.get("processes") or () if each.get("pid") in pids]
    if not held:
        return CPU
    sizes = [each.get("vram_bytes") for each in held]
    if all(sizes) and weights_bytes and sum(map(int, filter(None, sizes))) < HELD * weights_bytes:
        return BOTH
    return GPU


def cpu_memory(facts: Mapping[str, Any], found: Bandwidth | None, problem: str = "") -> dict[str, Any]:
    """Measured on a quiet host, else what the DIMMs promise, else measured on a busy one: then it is a floor, and `busy` says so.

    Empty if nothing is known. `problem`: why it was not measured.
    """
    memory = facts["memory"]
    peak = memory.get("peak_bandwidth_bytes_per_second") or 0
    if found and not (found.busy and peak):
        return _measured(found) | ({"theory": peak} if peak else {})
    if not peak:
        return {}
    reason = f"the host was busy when it was measured: {found.busy}" if found else problem
    why = f"{memory['channels']} channels × {memory['configured_mts']} MT/s × 8 bytes; not measured"
    return {
        "bytes_per_second": peak,
        "source": "theory",
        "why": f"{why}: {reason}" if reason else why,
        "theory": peak,
    }


def _measured(found: Bandwidth) -> dict[str, Any]:
    return {
        "bytes_per_second": found.host.best,
        "median": found.host.median,
        "low": found.host.low,
        "source": "measured",
        "why": f"best of {found.host.rounds} rounds of reading with {_count(found.host.cores, 'core')}",
        "busy": found.busy,
        "small": found.small,
        "cores": found.host.cores,
        "one_core": found.core.best,
        "nodes": {str(node): rate.best for node, rate in found.nodes.items()},
    }


def gpu_memory(
    gpus: Iterable[Mapping[str, Any]], copied: Mapping[str, Copied], problems: Mapping[str, str]
) -> dict[str, Any]:
    """Of the cards that the server uses together. `copied` and `problems` by address. Empty if a card's is not known."""
    cards = list(gpus)
    known = [_card(each) for each in cards]
    if not cards or not all(rate for rate, _ in known):
        return {}
    total = sum(rate for rate, _ in known)
    told: dict[str, Any] = {
        "bytes_per_second": total,
        "source": "data sheet",
        "why": "; ".join(dict.fromkeys(why for _, why in known)),
        "cards": len(cards),
    }
    if len(copied) == len(cards):
        told["copied"] = sum(each.best for each in copied.values())
    elif problems:
        told["not_copied"] = "; ".join(dict.fromkeys(problems.values()))
    return told


def _card(gpu: Mapping[str, Any]) -> tuple[float, str]:
    """NVML's clock and width, else the table."""
    clocks = gpu.get("clocks") or {}
    megahertz, bits = clocks.get("maximum_memory_mhz"), clocks.get("memory_bus_bits")
    if megahertz and bits:
        return ceilings.by_clock(megahertz, bits), f"NVML: {megahertz} MHz, {bits} bits wide"
    known = ceilings.gpu(str(gpu.get("name", "")))
    return (known.bytes_per_second, known.source) if known else (0.0, "")


def cpu_compute(facts: Mapping[str, Any], kind: str, megahertz: float) -> dict[str, Any]:
    """The most operations that the cores could do, by their instruction set; empty without cores or clock.

    A bound and no forecast: nothing else than multiplications of the widest form, on every core, at the highest clock.
    """
    cores = int(facts["cpu"].get("cores") or 0)
    clock = (facts["power"].get("maximum_khz") or 0) / 1e3 or megahertz
    each, named = _each(facts["cpu"], kind)
    if not cores or not clock:
        return {}
    return {
        "operations_per_second": cores * clock * 1e6 * each,
        "why": f"{_count(cores, 'core')} × {clock / 1e3:.2f} GHz × {each} operations ({named}); derived, not measured",
    }


def _each(cpu: Mapping[str, Any], kind: str) -> tuple[int, str]:
    """Operations a core and clock: two instructions, of AMD's family 25 one of 512 bits; a multiplication and an addition count two."""
    flags = frozenset(cpu.get("flags") or ())
    halves = 2 if cpu.get("vendor") == "AuthenticAMD" and int(cpu.get("family") or 0) == ZEN4 else 1
    if kind.startswith(INTEGER):
        if "amx_int8" in flags:
            return 2048, "AMX, 8-bit integers"
        if "avx512_vnni" in flags:
            return 256 // halves, "AVX-512 VNNI, 8-bit integers"
        if "avx2" in flags:
            return 64, "AVX2, 8-bit integers"
    if kind == "BF16" and "avx512_bf16" in flags:
        return 128 // halves, "AVX-512 BF16"
    if "avx512f" in flags:
        return 64 // halves, "AVX-512, 32-bit floats"
    return (32, "AVX2, 32-bit floats") if "avx2" in flags else (8, "SSE, 32-bit floats")


def gpu_compute(gpus: Iterable[Mapping[str, Any]], quantisation: str) -> dict[str, Any]:
    """By the table of cards; empty for a card whose peak is not known there."""
    cards = list(gpus)
    known = [ceilings.gpu(str(each.get("name", ""))) for each in cards]
    peaks = [card.fp4_flops for card in known if card and card.fp4_flops]
    if not cards or len(peaks) < len(cards):
        return {}
    share, named = (
        (1.0, "FP4") if quantisation in ("nvfp4-w4a4", "NVFP4") else (0.25, "16-bit floats, a quarter of FP4")
    )
    source = next(card.flops_source for card in known if card)
    return {"operations_per_second": sum(peaks) * share, "why": f"{named}: {source}"}


def ceiling(costs: Costs, memory: Mapping[str, Any]) -> dict[str, Any]:
    """For the endpoint file's `ceiling`: at batch 1, at the beginning of a sequence.

    Empty without a bandwidth, and with that of a busy host: a limit that is too low would flatter every share of it.
    """
    if not memory or not costs.read_bytes or memory.get("busy"):
        return {}
    rate = memory["bytes_per_second"]
    why = f"{costs.read_bytes / 1e9:.3g} GB a token at {rate / 1e9:,.4g} GB/s ({memory['why']})"
    return {"tokens_per_second": round(rate / costs.read_bytes, 2), "why": why}


def pages(maps: str) -> dict[str, int]:
    """/proc/PID/numa_maps → bytes on each node, mapped files among them."""
    found: dict[str, int] = {}
    for line in maps.splitlines():
        size = re.search(r"\bkernelpagesize_kB=(\d+)", line)
        if size:
            for node, count in re.findall(r"\bN(\d+)=(\d+)", line):
                found[node] = found.get(node, 0) + int(count) * int(size[1]) * 1024
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
