"""NVIDIA GPUs through NVML, where there are any: names, and memory, power and energy around a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRIVER = Path("/proc/driver/nvidia/version")

ASKED: Mapping[str, Callable[[Any, Any], float]] = {
    "power_watts": lambda nvml, handle: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
    "energy_joules": lambda nvml, handle: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,
    "graphics_mhz": lambda nvml, handle: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_GRAPHICS),
    "memory_mhz": lambda nvml, handle: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
    "celsius": lambda nvml, handle: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
    "memory_used_bytes": lambda nvml, handle: nvml.nvmlDeviceGetMemoryInfo(handle).used,
    "utilisation": lambda nvml, handle: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
    "throttle": lambda nvml, handle: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
}
"""Name here → how NVML is asked for it, of one GPU."""
SUMMED = ("memory_used_bytes", "power_watts", "energy_joules")


@dataclass(frozen=True)
class Gpus:
    """`nvml` is None where there is no GPU, or no way to ask; `problem` says why if there should be one."""

    nvml: Any = None
    problem: str = ""

    def names(self) -> str:
        if self.nvml is None:
            return "none seen"
        return ", ".join(_text(self.nvml.nvmlDeviceGetName(handle)) for handle in self._handles())

    def driver(self) -> str:
        return "" if self.nvml is None else _text(self.nvml.nvmlSystemGetDriverVersion())

    def reading(self) -> Mapping[str, float]:
        """Summed over GPUs, now: memory in use, watts, and joules since the driver was loaded; what one does not tell is left out."""
        if self.nvml is None:
            return {}
        try:
            each = [self._asked(handle, SUMMED) for handle in self._handles()]
        except self.nvml.NVMLError:
            return {}  # a card that is lost: without it there is no sum
        return {
            name: sum((told[name] for told in each), 0.0)
            for name in SUMMED
            if all(name in told for told in each)
        }

    def readings(self) -> tuple[Mapping[str, float], ...]:
        """Of each GPU, now; what a GPU does not tell is left out. `throttle` is NVML's bit mask of reasons."""
        return () if self.nvml is None else tuple(self._asked(handle, ASKED) for handle in self._handles())

    def _asked(self, handle: object, names: Iterable[str]) -> dict[str, float]:
        found = {}
        for name in names:
            try:
                found[name] = ASKED[name](self.nvml, handle)
            except self.nvml.NVMLError:
                continue  # this GPU does not tell; what it does tell is kept
        return found

    def _handles(self) -> list[Any]:
        return [self.nvml.nvmlDeviceGetHandleByIndex(i) for i in range(self.nvml.nvmlDeviceGetCount())]


def find(driver: Path = DRIVER) -> Gpus:
    """Without the kernel driver there is nothing to ask, and nothing is missing."""
    if not driver.exists():
        return Gpus()
    try:
        import pynvml  # noqa: PLC0415  (332 kB that a host without a GPU need not read)
    except ImportError:
        return Gpus(problem="pynvml is missing, so the GPU's memory and power were not observed")
    try:
        nvml: Any = pynvml
        nvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus(
            problem=f"NVML does not answer ({error}), so the GPU's memory and power were not observed"
        )
    return Gpus(pynvml)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
