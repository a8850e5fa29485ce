"""How fast a GPU moves its own memory: a copy from one place of VRAM to another, by the driver's own library. On the host.

A copy reads and writes: of n bytes it moves 2 n. Bytes a second, 1 GB = 10^9. Tried against a stand-in for libcuda alone, never on a card.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

LIBRARY: Final = "libcuda.so.1"
SIZE: Final = 512 * 1024 * 1024
"""Of each of the two places: four times the level 2 cache of the largest card (128 MB)."""
LEAST: Final = 64 * 1024 * 1024
SHARE: Final = 8
"""At most this part of the free VRAM for each: a server may be about to take more."""
COPIES: Final = 8
"""In one round, so that the start of it does not count."""
ROUNDS: Final = 9
SECONDS: Final = 30.0
"""CUDA's start took 3 s on a slow host; a driver that hangs is given up."""


class CopyError(RuntimeError):
    """It could not be measured; the reason in one sentence."""


@dataclass(frozen=True)
class Copied:
    """Read and written together."""

    median: float
    low: float
    best: float
    rounds: int


def measure(bus_id: str, library: str = LIBRARY, seconds: float = SECONDS) -> Copied:
    """In a child: whatever the driver does, this returns within the time. `bus_id`: `0000:c1:00.0`. Raises CopyError."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            os.write(writer, json.dumps(_told(bus_id, library)).encode())
        finally:
            os._exit(0)  # nothing of the process that was forked may run its end here
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], seconds)
        line = os.read(reader, 65536) if ready else b""
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not ready:
        raise CopyError(f"the driver did not answer within {seconds:.0f} s")
    try:
        told = json.loads(line)
    except ValueError as error:
        raise CopyError("the driver's library ended the process") from error
    if "error" in told:
        raise CopyError(str(told["error"]))
    rates = told["rates"]
    return Copied(median(rates), min(rates), max(rates), len(rates))


def _told(bus_id: str, library: str) -> dict[str, Any]:
    try:
        return {"rates": list(_rates(Cuda(library), bus_id))}
    except (CopyError, OSError, AttributeError) as error:
        return {"error": str(error)}


class Cuda:
    """The few calls that a copy takes. Raises CopyError with CUDA's own name for what went wrong."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)

    def __call__(self, name: str, *given: Any) -> None:  # noqa: ANN401  (whatever ctypes takes)
        code = int(getattr(self._library, name)(*given))
        if code:
            raise CopyError(f"{name}: {self.word(code)}")

    def word(self, code: int) -> str:
        text = ctypes.c_char_p()
        if self._library.cuGetErrorName(code, ctypes.byref(text)) or not text.value:
            return f"CUDA error {code}"
        return text.value.decode(errors="replace")


def _rates(cuda: Cuda, bus_id: str) -> Iterator[float]:
    cuda("cuInit", 0)
    device = ctypes.c_int()
    cuda("cuDeviceGetByPCIBusId", ctypes.byref(device), bus_id.encode())
    with _context(cuda, device):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        cuda("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        size = min(SIZE, free.value // SHARE)
        if size < LEAST:
            raise CopyError(f"{free.value / 1e6:.0f} MB of VRAM are free, too little to copy in")
        with _place(cuda, size) as source, _place(cuda, size) as target:
            for number in range(ROUNDS + 1):
                begun = time.monotonic()
                for _ in range(COPIES):
                    cuda("cuMemcpyDtoDAsync_v2", target, source, ctypes.c_size_t(size), None)
                cuda("cuCtxSynchronize")
                if number:  # the first wakes the card up
                    yield 2 * size * COPIES / (time.monotonic() - begun)


@contextmanager
def _context(cuda: Cuda, device: ctypes.c_int) -> Iterator[None]:
    context = ctypes.c_void_p()
    cuda("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    try:
        cuda("cuCtxSetCurrent", context)
        yield
    finally:
        cuda("cuDevicePrimaryCtxRelease_v2", device)


@contextmanager
def _place(cuda: Cuda, size: int) -> Iterator[ctypes.c_uint64]:
    pointer = ctypes.c_uint64()
    cuda("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
    try:
        yield pointer
    finally:
        cuda("cuMemFree_v2", pointer)
