"""What a vLLM release was built for, from the libraries in it: CUDA and compute capabilities. Opens files, decides nothing else.

The linker's table of needed libraries and the names of the GPU code are texts in the file: no tool is needed on the host, and no GPU.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .proof_types import Finding

PATTERN: Final = "lib/python*/site-packages/vllm/_C*.so"
_CUDART = re.compile(rb"libcudart\.so\.(\d+)")
_SM = re.compile(rb"\bsm_(\d{2,3})[af]?\b")


@dataclass(frozen=True)
class Built:
    cuda: frozenset[int] = frozenset()
    """Major versions of CUDA that its libraries ask for; empty: a build for the CPU."""
    capabilities: frozenset[str] = frozenset()
    """`12.0`."""


def look(release: Path) -> Built:
    """Raises FileNotFoundError where there is no library of vLLM's own."""
    files = sorted(release.glob(PATTERN))
    if not files:
        raise FileNotFoundError(f"{release} has none of vLLM's own libraries ({PATTERN})")
    found = [_read(file) for file in files]
    return Built(
        frozenset().union(*(each.cuda for each in found)),
        frozenset().union(*(each.capabilities for each in found)),
    )


def _read(path: Path) -> Built:
    """Hundreds of megabytes: mapped, not read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        cuda = {int(match[1]) for match in _CUDART.finditer(data)}
        return Built(frozenset(cuda), frozenset(_capabilities({match[1] for match in _SM.finditer(data)})))


def _capabilities(names: Iterable[bytes]) -> Iterator[str]:
    for name in names:
        digits = name.decode()
        yield f"{digits[:-1]}.{digits[-1]}"


def complaints(built: Built, driver_cuda: str, capability: str, release: str) -> Iterator[Finding]:
    """`driver_cuda`: the newest that the driver speaks, `13.0`; `capability`: the card's, `12.0`. Empty ones are not held against it."""
    if not built.cuda:
        yield Finding(
            f"{release} is a build for the CPU: its libraries ask for no CUDA.",
            "Take a build for the GPU (docs/vllm-server.md), or set vllm_server_devices: [] to serve from the CPU.",
        )
        return
    newest = max(built.cuda)
    if driver_cuda and newest > int(driver_cuda.partition(".")[0]):
        yield Finding(
            f"{release} is for CUDA {newest}, and the driver speaks up to {driver_cuda}.",
            "Take a newer driver (CUDA 13 needs 580: nvidia_driver_branch), or the build of another variant (vllm_server_variant: cu129).",
        )
    if capability and built.capabilities and capability not in built.capabilities:
        known = ", ".join(sorted(built.capabilities, key=float))
        yield Finding(
            f"{release} has no code for compute capability {capability}; it has {known}.",
            "Take a later build, or one whose variant is for a newer CUDA.",
        )
