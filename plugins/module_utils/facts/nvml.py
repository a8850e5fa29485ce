"""NVIDIA's management library, asked through nvidia-ml-py: every answer as plain data, and never an exception.

A question that the card, the driver or the binding does not know is `unsupported`; any other refusal stands in `problems`.
The library is asked in a child process with a time limit: a driver that hangs or crashes takes only the child with it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

SECONDS = 60.0
"""The proprietary driver on a card that it does not know lets nvmlInit hang; eight GPUs in good health answer in one second."""
MOST_BYTES = 4 * 1024 * 1024
UNSUPPORTED = (2, 3, 13, 25, 26)
"""nvmlReturn_t that mean "not for this card and driver": invalid argument (a sensor it lacks), not supported, function not
found, another version of the structure, deprecated."""
STATES: Mapping[int, str] = {
    0: "ok", 4: "no-permission", 9: "not-loaded", 12: "no-library", 18: "mismatch",
}  # fmt: skip
"""By nvmlReturn_t of nvmlInit; any other is `failed`."""

Answer = Any
"""Anything that JSON can hold."""
Binding = Any
"""The module pynvml, or what a test has in its place."""
Handle = Any
"""nvmlDevice_t."""
Question = Callable[[Binding, Handle], Answer]


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


QUESTIONS: Mapping[str, Question] = {
    "uuid": lambda n, g: _text(n.nvmlDeviceGetUUID(g)),
    "name": lambda n, g: _text(n.nvmlDeviceGetName(g)),
    "index": lambda n, g: n.nvmlDeviceGetIndex(g),
    "bus_id": lambda n, g: _text(n.nvmlDeviceGetPciInfo(g).busId),
    "pci_device_id": lambda n, g: n.nvmlDeviceGetPciInfo(g).pciDeviceId,
    "architecture": lambda n, g: n.nvmlDeviceGetArchitecture(g),
    "compute_capability": lambda n, g: list(n.nvmlDeviceGetCudaComputeCapability(g)),
    "memory": lambda n, g: _memory(n.nvmlDeviceGetMemoryInfo(g)),
    "memory_reserved": lambda n, g: n.nvmlDeviceGetMemoryInfo(g, n.nvmlMemory_v2).reserved,
    "bar1": lambda n, g: n.nvmlDeviceGetBAR1MemoryInfo(g).bar1Total,
    "link_generation": lambda n, g: n.nvmlDeviceGetCurrPcieLinkGeneration(g),
    "link_width": lambda n, g: n.nvmlDeviceGetCurrPcieLinkWidth(g),
    "link_maximum_generation": lambda n, g: n.nvmlDeviceGetMaxPcieLinkGeneration(g),
    "link_card_generation": lambda n, g: n.nvmlDeviceGetGpuMaxPcieLinkGeneration(g),
    "link_maximum_width": lambda n, g: n.nvmlDeviceGetMaxPcieLinkWidth(g),
    "power_draw": lambda n, g: n.nvmlDeviceGetPowerUsage(g),
    "power_limit": lambda n, g: n.nvmlDeviceGetPowerManagementLimit(g),
    "power_enforced": lambda n, g: n.nvmlDeviceGetEnforcedPowerLimit(g),
    "power_default": lambda n, g: n.nvmlDeviceGetPowerManagementDefaultLimit(g),
    "power_range": lambda n, g: list(n.nvmlDeviceGetPowerManagementLimitConstraints(g)),
    "persistence": lambda n, g: n.nvmlDeviceGetPersistenceMode(g),
    "ecc": lambda n, g: list(n.nvmlDeviceGetEccMode(g)),
    "ecc_corrected": lambda n, g: n.nvmlDeviceGetTotalEccErrors(g, 0, 0),
    "ecc_uncorrected": lambda n, g: n.nvmlDeviceGetTotalEccErrors(g, 1, 0),
    "mig": lambda n, g: list(n.nvmlDeviceGetMigMode(g)),
    "clock_graphics": lambda n, g: n.nvmlDeviceGetClockInfo(g, 0),
    "clock_sm": lambda n, g: n.nvmlDeviceGetClockInfo(g, 1),
    "clock_memory": lambda n, g: n.nvmlDeviceGetClockInfo(g, 2),
    "clock_maximum_graphics": lambda n, g: n.nvmlDeviceGetMaxClockInfo(g, 0),
    "clock_maximum_sm": lambda n, g: n.nvmlDeviceGetMaxClockInfo(g, 1),
    "clock_maximum_memory": lambda n, g: n.nvmlDeviceGetMaxClockInfo(g, 2),
    "memory_bus_bits": lambda n, g: n.nvmlDeviceGetMemoryBusWidth(g),
    "performance_state": lambda n, g: n.nvmlDeviceGetPerformanceState(g),
    "throttle": lambda n, g: _event_reasons(n, g),  # noqa: PLW0108  (defined below)
    "energy": lambda n, g: n.nvmlDeviceGetTotalEnergyConsumption(g),
    "temperature": lambda n, g: n.nvmlDeviceGetTemperature(g, 0),
    "utilization": lambda n, g: n.nvmlDeviceGetUtilizationRates(g).gpu,
    "compute_mode": lambda n, g: n.nvmlDeviceGetComputeMode(g),
    "vbios": lambda n, g: _text(n.nvmlDeviceGetVbiosVersion(g)),
    "gsp_mode": lambda n, g: n.nvmlDeviceGetGspFirmwareMode(g)[0],
    "gsp_firmware": lambda n, g: _text(n.nvmlDeviceGetGspFirmwareVersion(g)),
    "processes": lambda n, g: [
        [one.pid, one.usedGpuMemory] for one in n.nvmlDeviceGetComputeRunningProcesses(g)
    ],
}
"""What is asked of each GPU: the constants 0, 1, 2 are those of nvml.h (clock domains, volatile counters, temperature of the GPU)."""


def _memory(info: Answer) -> list[int]:
    return [info.total, info.used, info.free]


def _event_reasons(n: Binding, g: Handle) -> int:
    """The newer name first: drivers since 535 have both."""
    try:
        return int(n.nvmlDeviceGetCurrentClocksEventReasons(g))
    except (AttributeError, n.NVMLError):
        return int(n.nvmlDeviceGetCurrentClocksThrottleReasons(g))


def load(file: str = "") -> Binding:
    """The module pynvml: from the file, or from wherever Python finds it. Raises ImportError, OSError or SyntaxError."""
    if not file:
        return importlib.import_module("pynvml")
    spec = importlib.util.spec_from_file_location("pynvml", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pynvml"] = module  # it looks itself up there
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        # A cache that root writes into the user's temporary folder could not be cleared away with it.
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def ask(file: str = "") -> dict[str, Answer]:
    """Everything that NVML tells here and now, in this process."""
    try:
        n = load(file)
    except (ImportError, OSError, SyntaxError) as error:
        return {"state": "no-binding", "said": f"nvidia-ml-py cannot be loaded: {error}"}
    try:
        n.nvmlInit()
    except n.NVMLError as error:
        return {"state": STATES.get(error.value, "failed"), "code": error.value, "said": _text(str(error))}
    try:
        return {"state": "ok", "code": 0, "said": "", **_system(n), "gpus": list(_gpus(n))}
    finally:
        with contextlib.suppress(n.NVMLError):  # everything is said by now
            n.nvmlShutdown()


def _system(n: Binding) -> dict[str, Answer]:
    names = {
        "version": "nvmlSystemGetNVMLVersion",
        "driver": "nvmlSystemGetDriverVersion",
        "cuda": "nvmlSystemGetCudaDriverVersion_v2",
    }
    found = {}
    for key, name in names.items():
        with contextlib.suppress(AttributeError, n.NVMLError):  # left out is unknown
            value = getattr(n, name)()
            found[key] = value if isinstance(value, int) else _text(value)
    return found


def _gpus(n: Binding) -> Iterator[dict[str, Answer]]:
    try:
        count = n.nvmlDeviceGetCount()
    except n.NVMLError as error:
        yield {"problems": {"count": _text(str(error))}}
        return
    for index in range(count):
        try:
            handle = n.nvmlDeviceGetHandleByIndex(index)
        except n.NVMLError as error:
            yield {"values": {"index": index}, "problems": {"handle": _text(str(error))}}
            continue
        yield _one(n, handle)


def _one(n: Binding, handle: Handle) -> dict[str, Answer]:
    values: dict[str, Answer] = {}
    unsupported: list[str] = []
    problems: dict[str, str] = {}
    for key, question in QUESTIONS.items():
        try:
            values[key] = question(n, handle)
        except n.NVMLError as error:
            if error.value in UNSUPPORTED:
                unsupported.append(key)
            else:
                problems[key] = _text(str(error))
        except AttributeError:
            # An older nvidia-ml-py, which has no such function.
            unsupported.append(key)
    return {"values": values, "unsupported": unsupported, "problems": problems}


def ask_apart(file: str = "", seconds: float = SECONDS) -> dict[str, Answer]:
    """As `ask`, in a child: whatever the library does, this returns within the time."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        # No return from here: the caller's clean-up is the parent's.
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as stream:
                stream.write(json.dumps(_whatever(file)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    try:
        raw, in_time = _until(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        ended = _end(child)
    if not in_time:
        return {"state": "no-answer", "said": f"NVML did not answer within {seconds:g} s"}
    try:
        return dict(json.loads(raw))
    except ValueError:
        return {"state": "failed", "said": f"the process that asked NVML ended {ended}"}


def _whatever(file: str) -> dict[str, Answer]:
    """The child's outermost shell: what a broken library does to the binding is an answer too."""
    try:
        return ask(file)
    except Exception as error:  # noqa: BLE001
        return {"state": "failed", "said": f"nvidia-ml-py failed: {type(error).__name__}: {error}"}


def _until(reader: int, deadline: float) -> tuple[bytes, bool]:
    """What was written, and whether the writer was done in time."""
    found = bytearray()
    while len(found) <= MOST_BYTES:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return bytes(found), False
        chunk = os.read(reader, 65536)
        if not chunk:
            return bytes(found), True
        found += chunk
    return b"", True


def _end(child: int) -> str:
    """Says how the child ended. One that hangs in the driver cannot even be killed: it is left behind."""
    for wait in (0.0, 0.05, 0.2, 1.0):
        time.sleep(wait)
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return f"with status {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        os.kill(child, signal.SIGKILL)
    return "not at all"


def binding_here() -> str:
    """The file of the nvidia-ml-py that is installed here, empty if there is none."""
    spec = importlib.util.find_spec("pynvml")
    return spec.origin if spec and spec.origin and Path(spec.origin).is_file() else ""
