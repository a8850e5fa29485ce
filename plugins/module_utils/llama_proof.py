"""Whether a running llama-server computes on the GPU: from its log, its `--list-devices`, NVML and its `timings`. Pure.

The forms are those of llama.cpp b3600 to b11669. At its default verbosity a new build may print none of them: then NVML and
the speed are what is left, and a log without lines proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .facts.gpu_model import GpuProcess
from .proof_types import Finding, Proof

GPU: Final = "gpu"
PARTIAL: Final = "partial"
CPU: Final = "cpu"
UNPROVED: Final = "unproved"
VERDICTS: Final = (GPU, PARTIAL, CPU, UNPROVED)

MIB: Final = 1024**2
GIB: Final = 1024**3
LEAST_SHARE: Final = 0.93
"""Of the weights, that the server's processes must hold in VRAM: an embedding may stay in the host's memory."""

_FOUND = re.compile(r"(?:ggml_cuda_init|ggml_init_cublas): found (\d+) (\w+) devices")
_CARD = re.compile(r"^.*Device (\d+): (.+?), compute capability (\d+\.\d+)", re.MULTILINE)
_USING = re.compile(r"using device ([A-Z][A-Za-z]*\d+) \(([^)]+)\)")
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_BUFFER = re.compile(r"load_tensors: +(\S+) (?:model )?buffer size = +([\d.]+) MiB")
_ON_GPU = re.compile(r"[A-Za-z]+\d+")
_NO_GPU = re.compile(r"no usable GPU found, --gpu-layers option will be ignored")
_BACKEND = re.compile(r"load_backend: loaded (\w+) backend from")
_FP4 = re.compile(r"BLACKWELL_NATIVE_FP4 = (\d)")
_FAILED = re.compile(r"ggml_cuda_init: failed to initialize CUDA: (.+)")
_START = re.compile(r"^Started \S+\.service", re.MULTILINE)
_DEVICE_LINE = re.compile(
    r"^ +(?P<id>[A-Z][A-Za-z]*\d*): (?P<name>.+?) \((?P<total>\d+) MiB, (?P<free>\d+) MiB free\)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Device:
    """As `--list-devices` prints it."""

    id: str
    """`CUDA0`."""
    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class LlamaLog:
    """One start. None and empty: the log does not say."""

    cards: tuple[str, ...] = ()
    """GPUs that the CUDA backend found: name and compute capability."""
    found: int | None = None
    using: tuple[str, ...] = ()
    """Devices that the model was given to: `CUDA0 (NVIDIA …)`."""
    offloaded: int | None = None
    layers: int | None = None
    """One more than the model has: the output counts too."""
    buffers: tuple[tuple[str, int], ...] = ()
    """Weights: where (`CUDA0`, `CPU_Mapped`, …), and bytes; each place once."""
    no_gpu: bool = False
    """It was asked for a GPU and says that it has none. It goes on with the CPU, and exits with 0."""
    failed: str = ""
    """Why CUDA did not come up."""
    backends: frozenset[str] = frozenset()
    native_fp4: bool | None = None

    @property
    def on_gpu(self) -> int | None:
        """Bytes of weights on GPUs; None: the log does not tell where they are."""
        if not self.buffers:
            return None
        return sum(size for place, size in self.buffers if _ON_GPU.fullmatch(place))


@dataclass(frozen=True)
class Seen:
    log: LlamaLog
    devices: Sequence[Device] | None = None
    """Of `--list-devices` inside the container; None: not asked."""
    processes: Sequence[GpuProcess] | None = None
    pids: frozenset[int] = frozenset()
    tokens_per_second: float | None = None
    """`timings.predicted_per_second` of an answer."""


@dataclass(frozen=True)
class Expected:
    weights_bytes: int | None = None
    cpu_ceiling: float | None = None
    """tok/s that the CPU's memory allows: what is faster was not computed there."""


def parse(text: str) -> LlamaLog:
    """The last start in a log."""
    text = _last_start(text)
    offloaded, found = _OFFLOADED.findall(text), _FOUND.search(text)
    failed, fp4 = _FAILED.search(text), _FP4.search(text)
    return LlamaLog(
        cards=tuple(f"{name}, compute capability {level}" for _, name, level in _CARD.findall(text)),
        found=int(found[1]) if found else None,
        using=tuple(f"{device} ({name})" for device, name in _USING.findall(text)),
        offloaded=int(offloaded[-1][0]) if offloaded else None,
        layers=int(offloaded[-1][1]) if offloaded else None,
        buffers=_buffers(text),
        no_gpu=bool(_NO_GPU.search(text)),
        failed=failed[1].strip() if failed else "",
        backends=frozenset(_BACKEND.findall(text)),
        native_fp4=fp4[1] == "1" if fp4 else None,
    )


def _buffers(text: str) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for place, size in _BUFFER.findall(text):
        found[place] = found.get(place, 0) + round(float(size) * MIB)
    return tuple(found.items())


def _last_start(text: str) -> str:
    """A journal holds several: systemd's line begins each. Without one, all of it is one start."""
    starts = [found.start() for found in _START.finditer(text)]
    return text[starts[-1] :] if starts else text


def list_devices(text: str) -> tuple[Device, ...]:
    """What `llama-server --list-devices` printed; empty where it has the CPU alone."""
    return tuple(
        Device(found["id"], found["name"], int(found["total"]) * MIB, int(found["free"]) * MIB)
        for found in _DEVICE_LINE.finditer(text)
    )


def prove(seen: Seen, expected: Expected) -> Proof:
    wrong = tuple(finding for check in WRONG for finding in check(seen, expected))
    missing = tuple(_missing(seen, expected))
    verdict = _decided(seen, expected)
    if verdict == GPU and (wrong or missing):
        verdict = UNPROVED
    return Proof(verdict, tuple(_evidence(seen, expected)), wrong, missing)


def _decided(seen: Seen, expected: Expected) -> str:
    log, held = seen.log, _held(seen)
    if log.no_gpu or log.failed or log.found == 0 or log.offloaded == 0 or log.on_gpu == 0:
        return CPU
    if seen.processes is not None and seen.pids and held is None:
        return CPU
    if log.offloaded is not None and log.layers is not None and log.offloaded < log.layers:
        return PARTIAL
    if log.offloaded is not None and held is not None:
        return GPU
    # A quiet log: VRAM that holds the weights is proof enough.
    if held and expected.weights_bytes and held >= LEAST_SHARE * expected.weights_bytes:
        return GPU
    return UNPROVED


def _device(seen: Seen, _: Expected) -> Iterator[Finding]:
    log = seen.log
    if log.failed:
        yield Finding(
            f"CUDA did not come up: {log.failed}.",
            "See nvidia-smi, and whether the driver was there before the container (docs/nvfp4-proof.md).",
        )
    elif log.no_gpu or log.found == 0 or log.on_gpu == 0:
        yield Finding(
            "llama-server found no GPU that it uses, and serves from the CPU.",
            "Take an image with CUDA, give the container nvidia.com/gpu=all, and restart it once the driver is loaded.",
        )
    if seen.devices is not None and not seen.devices:
        yield Finding(
            "--list-devices shows no GPU inside the container.",
            "See the CDI specification: podman run --device.",
        )
    if seen.processes is not None and seen.pids and _held(seen) is None:
        yield Finding(
            "NVML lists no process of the server on any GPU.",
            "It runs on the CPU: restart it, and look again.",
        )


def _layers(seen: Seen, _: Expected) -> Iterator[Finding]:
    log = seen.log
    if log.offloaded is not None and log.layers is not None and log.offloaded < log.layers:
        yield Finding(
            f"{log.offloaded} of {log.layers} layers are on the GPU.",
            "Raise --n-gpu-layers (999 is all), and free VRAM or lower the context if they do not fit.",
        )


def _vram(seen: Seen, expected: Expected) -> Iterator[Finding]:
    held = _held(seen)
    if held and expected.weights_bytes and held < LEAST_SHARE * expected.weights_bytes:
        yield Finding(
            f"The server holds {held / GIB:.1f} GiB of VRAM, less than its weights ({expected.weights_bytes / GIB:.1f} GiB).",
            "Part of them is in the host's memory: see --n-gpu-layers, --override-tensor and --n-cpu-moe.",
        )


WRONG: Final[Sequence[Callable[[Seen, Expected], Iterator[Finding]]]] = (_device, _layers, _vram)


def _missing(seen: Seen, expected: Expected) -> Iterator[Finding]:
    log = seen.log
    if log.offloaded is None and _decided(seen, expected) == UNPROVED:
        yield Finding(
            "The log does not tell how many layers are on the GPU.",
            "Newer builds tell it with -lv 4 alone; NVML tells too.",
        )
    if seen.processes is None:
        yield Finding(
            "NVML was not asked which processes hold VRAM.", "Give the processes that gpu_facts lists."
        )
    if expected.weights_bytes is None:
        yield Finding("How large the weights are is not known.", "Give the size of the .gguf.")


def _held(seen: Seen) -> int | None:
    """Bytes of VRAM; 0 where NVML does not tell the size; None without a process of the server."""
    own = [each for each in seen.processes or () if each.pid in seen.pids]
    return sum(each.vram_bytes or 0 for each in own) if own else None


def _evidence(seen: Seen, expected: Expected) -> Iterator[str]:
    log = seen.log
    yield from (f"card: {card}" for card in log.cards)
    yield from (f"device: {device}" for device in log.using)
    yield from (
        f"listed: {each.id}: {each.name}, {each.free_bytes / GIB:.1f} GiB free" for each in seen.devices or ()
    )
    if log.offloaded is not None:
        yield f"layers: {log.offloaded} of {log.layers} on the GPU"
    yield from (f"weights: {place} {size / GIB:.2f} GiB" for place, size in log.buffers)
    if log.native_fp4 is not None:
        yield f"FP4 of Blackwell: {'native' if log.native_fp4 else 'not native'}"
    if held := _held(seen):
        yield f"VRAM: {held / GIB:.1f} GiB held by the server (NVML)"
    if seen.tokens_per_second is not None:
        most = expected.cpu_ceiling
        than = (
            f", more than the CPU's memory allows ({most:.1f})"
            if most and seen.tokens_per_second > most
            else ""
        )
        yield f"speed: {seen.tokens_per_second:.1f} tok/s (timings){than}"
