"""What may hold a server on the GPU back, or off it. Pure; each rule gives a suspect or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hostproof.judge.suspect import Case, Rule, Suspect

SLOW_COPY: Final = 0.70
"""Of the data sheet's bandwidth; 85-92 % is usual (from memory, nobody measured it here)."""
SLOW_CLOCK: Final = 0.60
"""Of the highest clock, under load: cards with a low power limit run well below it."""


def _slow_copy(case: Case) -> Iterator[Suspect]:
    copied = case.roof.memory.get("copied") or 0
    if copied and copied < SLOW_COPY * case.roof.bandwidth:
        yield Suspect(
            "VRAM slower than its data sheet",
            f"a copy moves {copied / 1e9:,.0f} of {case.roof.bandwidth / 1e9:,.0f} GB/s",
            "nvidia-smi -q -d CLOCK,PERFORMANCE,ECC  ; nvidia-smi -rmc  takes a fixed memory clock back",
            1 - copied / case.roof.bandwidth,
        )


def _not_on_gpu(case: Case) -> Iterator[Suspect]:
    asked = case.flag("--n-gpu-layers", "-ngl")
    if case.roof.device == "cpu" and asked not in ("", "0"):
        yield Suspect(
            "computes on the CPU though a GPU was asked for",
            f"--n-gpu-layers {asked}, and no process of it holds VRAM",
            f"nvidia-smi; podman run --rm --device nvidia.com/gpu=all …; then {case.apply}",
            0.95,
        )


def _kernel(case: Case) -> Iterator[Suspect]:
    verdict = case.proof.verdict if case.proof else ""
    costs = {"cpu": 0.95, "emulated": 0.9, "partial": 0.8, "weight-only": 0.3}
    if case.result.setup.server == "vllm_server" and verdict in costs and case.roof.device == "gpu":
        evidence = next(iter((*case.proof.wrong, *case.proof.evidence)), "") if case.proof else ""
        yield Suspect(
            f"kernels are {verdict}",
            evidence or f"the proof says {verdict}",
            f"a W4A4 checkpoint and no --linear-backend of another kind (docs/nvfp4-proof.md), then {case.apply}",
            costs[verdict],
        )


def _eager(case: Case) -> Iterator[Suspect]:
    if "--enforce-eager" in case.result.setup.flags and case.roof.device == "gpu":
        yield Suspect(
            "eager mode",
            "--enforce-eager: no CUDA graphs, so the GPU waits for the CPU between kernels",
            f"take --enforce-eager out of vllm_server_extra_args, then {case.apply}",
            0.5,
        )


def _power(case: Case) -> Iterator[Suspect]:
    throttles = _throttles(case)
    for gpu in case.roof.gpus:
        limit, usual = (
            (gpu.get("power") or {}).get("limit_watts"),
            (gpu.get("power") or {}).get("default_watts"),
        )
        if limit and usual and limit < usual:
            yield Suspect(
                "a power cap on the GPU",
                f"GPU {gpu.get('index')}: {limit:g} W of {usual:g}"
                + (", and it held the clocks" if throttles else ""),
                f"nvidia-smi -i {gpu.get('index')} -pl {usual:g}",
                0.4 * (1 - limit / usual) + (0.2 if "power cap" in throttles else 0.0),
            )
            return
    if "power cap" in throttles:
        yield Suspect(
            "power limit of the GPU",
            "NVML: the power cap held the clocks during the runs",
            "nvidia-smi -q -d POWER  ; raise it as far as the card allows: nvidia-smi -pl WATTS",
            0.15,
        )


def _heat(case: Case) -> Iterator[Suspect]:
    found = [each for each in _throttles(case) if "thermal" in each or "hardware" in each or "brake" in each]
    if found:
        yield Suspect(
            "a GPU that is held back",
            f"NVML: {', '.join(found)}; up to {case.worst('celsius'):.0f} °C",
            "nvidia-smi -q -d PERFORMANCE,TEMPERATURE  ; see to its air and its power supply",
            0.4,
        )


def _throttles(case: Case) -> list[str]:
    return list(dict.fromkeys(str(name) for run in case.runs for name in run.get("throttles", ())))


def _gpu_clock(case: Case) -> Iterator[Suspect]:
    seen = [float(run["gpu_mhz"]) for run in case.runs if isinstance(run.get("gpu_mhz"), int | float)]
    most = min(((g.get("clocks") or {}).get("maximum_graphics_mhz") or 0 for g in case.roof.gpus), default=0)
    if most and seen and min(seen) < SLOW_CLOCK * most:
        yield Suspect(
            "a GPU below its clock",
            f"{min(seen):,.0f} of {most:,.0f} MHz under load",
            "nvidia-smi -q -d CLOCK,PERFORMANCE  ; nvidia-smi -rgc  takes fixed clocks back",
            0.5 * (1 - min(seen) / most),
        )


def _mig(case: Case) -> Iterator[Suspect]:
    if any((gpu.get("mig") or {}).get("enabled") for gpu in case.roof.gpus) and case.roof.device == "gpu":
        yield Suspect(
            "a part of a GPU",
            "NVML: MIG is on, so an instance has a part of the bandwidth that the limit counts",
            "nvidia-smi -mig 0  (ends what runs there)",
            0.7,
        )


LIMIT: Final[tuple[Rule, ...]] = (_slow_copy,)
"""What lowers the limit itself."""
SPEED: Final[tuple[Rule, ...]] = (_not_on_gpu, _kernel, _mig, _eager, _power, _heat, _gpu_clock)
