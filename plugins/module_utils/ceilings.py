"""How fast a model can be at best: weights read for each token by the memory's bandwidth, operations by the GPU's peak. Pure.

A ceiling is what physics allows, not what a server reaches: `USUAL` says what healthy ones do. GB and TB are powers of ten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Gpu:
    """What a card can do. 0: not known."""

    bytes_per_second: float
    source: str
    fp4_flops: float = 0.0
    """Dense."""
    flops_source: str = ""


_PRO_6000: Final = "28 Gbit/s GDDR7 on 512 bits"
GPUS: Final[Mapping[str, Gpu]] = {
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": Gpu(
        1.792e12, _PRO_6000, 1.755e15, "half of the 3,511 sparse AI TOPS that NVIDIA names; not measured"
    ),
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": Gpu(
        1.792e12, _PRO_6000, 2.0e15, "half of the 4,000 sparse AI TOPS that NVIDIA names; not measured"
    ),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": Gpu(1.597e12, "sgl-project/sglang#33711"),
    "NVIDIA GeForce RTX 5090": Gpu(1.792e12, "28 Gbit/s GDDR7 on 512 bits"),
    "NVIDIA GeForce RTX 4090": Gpu(1.008e12, "21 Gbit/s GDDR6X on 384 bits"),
    "NVIDIA GeForce RTX 3090": Gpu(0.936e12, "19.5 Gbit/s GDDR6X on 384 bits"),
    "NVIDIA L40S": Gpu(0.864e12, "18 Gbit/s GDDR6 on 384 bits"),
    "NVIDIA GB10": Gpu(0.273e12, "NVIDIA's data sheet of DGX Spark"),
    "NVIDIA H100 80GB HBM3": Gpu(3.35e12, "NVIDIA's data sheet of H100 SXM"),
    "NVIDIA H200": Gpu(4.8e12, "NVIDIA's data sheet of H200"),
}
"""By the name that NVML gives."""

USUAL: Final = (0.55, 0.70)
"""Share of the ceiling that healthy servers reach at batch 1: a dense 70B in NVFP4 on GB10 60-62 % (NVIDIA/dgx-spark-playbooks
PR #91); 45-55 tok/s for the seed's 40B (shared facts). Derived for other models and cards."""
OPERATIONS_PER_PARAMETER: Final = 2.0


@dataclass(frozen=True)
class Ceiling:
    """Of one model on one GPU."""

    tokens_per_second: float
    """Generation at batch 1, at the beginning of a sequence."""
    why: str
    """With its figures, for a reader."""
    usual: tuple[float, float]
    """tok/s that a healthy server reaches."""


def gpu(name: str, bytes_per_second: float = 0.0) -> Gpu | None:
    """The card by its name; with a bandwidth that was measured or looked up, any card. None: not known, and nothing is guessed."""
    known = GPUS.get(" ".join(name.split()))
    if bytes_per_second > 0:
        return Gpu(
            bytes_per_second,
            "as given",
            known.fp4_flops if known else 0.0,
            known.flops_source if known else "",
        )
    return known


def by_clock(memory_mhz: int, bus_bits: int) -> float:
    """Bytes a second of a memory that NVML describes by its highest clock and its width: each line carries two bits a clock."""
    return memory_mhz * 1e6 * 2 * bus_bits / 8


def generation(read_bytes: int, kv_bytes: int, card: Gpu, tokens: int = 0) -> Ceiling:
    """`read_bytes` and `kv_bytes` a token (checkpoint.py), `tokens` already in the sequence.

    Raises ValueError for a model without weights.
    """
    if read_bytes <= 0:
        raise ValueError("a model that reads nothing has no ceiling")
    moved = read_bytes + kv_bytes * tokens
    speed = card.bytes_per_second / moved
    behind = f" after {tokens:,} tokens" if tokens else ""
    why = f"{moved / 1e9:.2f} GB a token{behind} at {card.bytes_per_second / 1e9:,.0f} GB/s ({card.source})"
    return Ceiling(speed, why, (USUAL[0] * speed, USUAL[1] * speed))


def first_token_seconds(parameters: int, prompt_tokens: int, card: Gpu, passes: int = 1) -> float | None:
    """The shortest that the prompt can take in FP4, attention left out. None: the card's peak is not known."""
    if not card.fp4_flops:
        return None
    return OPERATIONS_PER_PARAMETER * parameters * passes * prompt_tokens / card.fp4_flops
