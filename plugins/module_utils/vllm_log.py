"""What a vLLM server's log says of its last start: kernels, memory, graphs, build, complaints. Pure.

The forms are those of vLLM 0.11 to 0.33; where one changed, both are read. `KERNELS` knows the names of NVFP4's kernels in every
form: a name that is not in it is reported as unknown and never taken for a good one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from . import vllm_index

NATIVE: Final = "native"
WEIGHT_ONLY: Final = "weight-only"
EMULATED: Final = "emulated"
UNKNOWN: Final = "unknown"

KERNELS: Final[Mapping[str, str]] = {
    # vLLM 0.2x to 0.33: class names (vllm/model_executor/kernels/linear/nvfp4/, read in 0.32.0 and 0.33.0).
    "FlashInferCutlassNvFp4LinearKernel": NATIVE,
    "FlashInferB12xNvFp4LinearKernel": NATIVE,
    "CutlassNvFp4LinearKernel": NATIVE,
    "B12xNvFp4LinearKernel": NATIVE,
    "FlashInferCudnnNvFp4LinearKernel": NATIVE,
    "FlashInferCuteDslNvFp4LinearKernel": NATIVE,
    "FlashInferTrtllmNvFp4LinearKernel": NATIVE,
    "FbgemmNvFp4LinearKernel": NATIVE,
    "TorchNvFp4LinearKernel": NATIVE,
    "MarlinNvFp4LinearKernel": WEIGHT_ONLY,
    "FlashInferCuteDslNvFp4W4A16LinearKernel": WEIGHT_ONLY,
    "B12xNvFp4W4A16LinearKernel": WEIGHT_ONLY,
    "HummingNvFp4LinearKernel": WEIGHT_ONLY,
    "EmulationNvFp4LinearKernel": EMULATED,
    # About 0.14 to 0.20: members of an enumeration.
    "NvFp4LinearBackend.VLLM_CUTLASS": NATIVE,
    "NvFp4LinearBackend.FLASHINFER_CUTLASS": NATIVE,
    "NvFp4LinearBackend.FLASHINFER_TRTLLM": NATIVE,
    "NvFp4LinearBackend.FLASHINFER_CUDNN": NATIVE,
    "NvFp4LinearBackend.FBGEMM": NATIVE,
    "NvFp4LinearBackend.MARLIN": WEIGHT_ONLY,
    "NvFp4LinearBackend.EMULATION": EMULATED,
    # About 0.11 to 0.13: words.
    "flashinfer-cutlass": NATIVE,
    "flashinfer-trtllm": NATIVE,
    "flashinfer-cudnn": NATIVE,
    "cutlass": NATIVE,
    "fbgemm": NATIVE,
    "marlin": WEIGHT_ONLY,
    "emulation": EMULATED,
}
MOE_FALLBACK: Final[Mapping[str, str]] = {"MARLIN": WEIGHT_ONLY, "EMULATION": EMULATED}
"""Backends of experts that are not native; every other one is."""

# A journal may hold several starts; only what came after the last of these counts.
_START = re.compile(r"^Started \S+\.service|non-default args: |vLLM API server version ", re.MULTILINE)
_KERNEL = re.compile(r"Using (?P<name>\S+) for NVFP4 GEMM")
_MOE = re.compile(r"Using '(?P<name>[A-Z0-9_]+)' NvFp4 MoE backend")
_MARLIN = re.compile(r"does not have native support for FP4 computation")
_OLD_WEIGHT_ONLY = re.compile(r"does not support cutlass NVFP4\. Running CompressedTensorsW4A16Fp4")
_FLASHINFER_OFF = re.compile(r"FlashInfer kernels are disabled")
_FLASHINFER_MISMATCH = re.compile(r"FlashInfer's precompiled kernels are missing or do not match")
_EMULATION = re.compile(r"NVFP4 linear falling back to the slow and unoptimized")
_IGNORED = re.compile(
    r"--linear-backend=(?P<name>\S+) (?:has no kernel for this linear layer type|was requested, but)"
)
_NO_KERNEL = re.compile(
    r"Failed to find a kernel that can implement the NVFP4 linear layer|Forced NVFP4 kernel"
)
_NO_ARCHITECTURE = re.compile(r"No supported CUDA architectures found for major versions \[12\]")
_UNKNOWN_NAME = re.compile(r"Unknown vLLM environment variable detected: (VLLM_\w+)")
_EAGER = re.compile(
    r"Enforce eager set, disabling torch\.compile(?:,| and) CUDAGraphs|\benforce_eager=True\b"
)
_ASKED = re.compile(r"non-default args: .*'linear_backend': '(\w+)'")
_VERSION = re.compile(r"Initializing an? (?:V\d )?LLM engine \(v(\S+?)\) with config")
_DEVICE = re.compile(r"\bdevice_config=(\w+)")
_LOADED = re.compile(r"Model loading took ([\d.]+) (?:GiB|GB)")
_GRAPHS = re.compile(r"Graph capturing finished in (\d+) secs, took ([\d.]+) GiB")
_ATTENTION = re.compile(
    r"Using (\w+) attention backend out of potential backends|Using (Flash Attention|FlashInfer) backend on V1"
)
_DECODE = re.compile(r"decode_backend=([\w-]+), kv_cache_dtype=")
_KV_TOKENS = re.compile(r"\b(GPU|CPU|[A-Z]+)(?: \+ host)? KV cache size: ([\d,]+) tokens")
_KV_LEFT = re.compile(r"Available KV cache memory: ([\d.]+) GiB")
_COMPILED = re.compile(
    r"torch\.compile (?:and initial profiling/warmup run together )?took ([\d.]+) s in total"
)
_READY = re.compile(r"init engine \(profile, create kv cache, warmup model\) took ([\d.]+)")
_RUNNER = re.compile(r"Using (V\d) Model Runner")
_USED_ON = re.compile(r"\b(GPU|CPU) KV cache usage: [\d.]+%")


@dataclass(frozen=True)
class VllmLog:
    """One start of one server. None and empty: the log does not say."""

    version: str = ""
    device: str = ""
    """`GPU`, `CPU`, or what else vLLM calls it."""
    kernels: frozenset[str] = frozenset()
    """Names of NVFP4's kernels for linear layers, each once: vLLM tells a class at its first layer only."""
    moe: frozenset[str] = frozenset()
    """Backends of NVFP4's experts."""
    marlin_warned: bool = False
    """vLLM's warning about the GPU; a checkpoint may be the reason, whatever it says."""
    emulation_warned: bool = False
    flashinfer_off: bool = False
    flashinfer_mismatch: bool = False
    ignored_backends: frozenset[str] = frozenset()
    """`--linear-backend` values without effect on some layers."""
    asked_backend: str = ""
    """`--linear-backend`, where it was given."""
    no_kernel: bool = False
    no_architecture: bool = False
    unknown_names: frozenset[str] = frozenset()
    """Environment variables that this build does not read."""
    eager: bool = False
    loaded_gib: float | None = None
    graphs_gib: float | None = None
    """What captured CUDA graphs take; None: none were captured."""
    attention: str = ""
    decode_backend: str = ""
    """FlashInfer's decode kernel: `xqa` on SM 12.x since vLLM 0.28."""
    kv_tokens: int | None = None
    kv_gib: float | None = None
    compile_seconds: float | None = None
    ready_seconds: float | None = None
    """How long the engine took to profile, make its cache and warm up; None: it did not get there."""
    runner: str = ""

    @property
    def commit(self) -> str:
        """The digits after `+g` in the version of a nightly build; empty for a release."""
        return vllm_index.commit_of(self.version)

    @property
    def classes(self) -> frozenset[str]:
        """Of everything that the log tells of NVFP4's kernels, linear layers and experts together."""
        return frozenset(_classes(self))


@dataclass(frozen=True)
class Window:
    """One of the periodic lines: averages over ten seconds, idle time included. No speeds: nothing is judged by them."""

    prompt_tokens_per_second: float
    generation_tokens_per_second: float
    running: int
    waiting: int
    kv_cache_usage: float | None
    """0..1."""
    prefix_cache_hit_rate: float | None
    """0..1; None before the first query."""


def parse(text: str) -> VllmLog:
    """The last start in a log. Lines of an earlier one do not count, also when the last has not got far."""
    text = last_start(text)
    version, attention = _text(_VERSION, text), _ATTENTION.search(text)
    return VllmLog(
        version=version,
        device=_device(text),
        kernels=frozenset(_KERNEL.findall(text)),
        moe=frozenset(_MOE.findall(text)),
        marlin_warned=bool(_MARLIN.search(text) or _OLD_WEIGHT_ONLY.search(text)),
        emulation_warned=bool(_EMULATION.search(text)),
        flashinfer_off=bool(_FLASHINFER_OFF.search(text)),
        flashinfer_mismatch=bool(_FLASHINFER_MISMATCH.search(text)),
        ignored_backends=frozenset(_IGNORED.findall(text)),
        asked_backend=_text(_ASKED, text),
        no_kernel=bool(_NO_KERNEL.search(text)),
        no_architecture=bool(_NO_ARCHITECTURE.search(text)),
        unknown_names=frozenset(_UNKNOWN_NAME.findall(text)),
        eager=bool(_EAGER.search(text)),
        loaded_gib=_number(_LOADED, text),
        graphs_gib=float(found[2]) if (found := _GRAPHS.search(text)) else None,
        attention=next((each for each in attention.groups() if each), "") if attention else "",
        decode_backend=_text(_DECODE, text),
        kv_tokens=int(kv[2].replace(",", "")) if (kv := _last(_KV_TOKENS, text)) else None,
        kv_gib=_number(_KV_LEFT, text),
        compile_seconds=_number(_COMPILED, text),
        ready_seconds=_number(_READY, text),
        runner=_text(_RUNNER, text),
    )


def last_start(text: str) -> str:
    starts = list(_START.finditer(text))
    if not starts:
        return text
    # "Started" comes a little before the arguments of the same start.
    last = starts[-1]
    units = [each for each in starts if each[0].startswith("Started ")]
    return text[(units[-1] if units else last).start() :]


def windows(text: str) -> Iterator[Window]:
    """Every periodic line, read by key: its parts come and go between versions."""
    for line in text.splitlines():
        if "Avg prompt throughput:" not in line or "Avg generation throughput:" not in line:
            continue
        yield Window(
            prompt_tokens_per_second=_share(r"Avg prompt throughput: ([\d.]+) tokens/s", line) or 0.0,
            generation_tokens_per_second=_share(r"Avg generation throughput: ([\d.]+) tokens/s", line) or 0.0,
            running=int(_share(r"Running: (\d+) reqs", line) or 0),
            waiting=int(_share(r"Waiting: (\d+) reqs", line) or 0),
            kv_cache_usage=_percent(r"KV cache usage: ([\d.]+)%", line),
            prefix_cache_hit_rate=_percent(r"(?<!External )Prefix cache hit rate: ([\d.]+)%", line),
        )


def kernel_class(name: str) -> str:
    """`native`, `weight-only`, `emulated`, or `unknown` for a name that no version known here has."""
    return KERNELS.get(name, UNKNOWN)


def _classes(log: VllmLog) -> Iterator[str]:
    yield from (kernel_class(name) for name in log.kernels)
    yield from (MOE_FALLBACK.get(name, NATIVE) for name in log.moe)
    if log.marlin_warned:
        yield WEIGHT_ONLY
    if log.emulation_warned:
        yield EMULATED


def _device(text: str) -> str:
    """The engine's own configuration first: until 0.3x the CPU's cache was called the GPU's, too."""
    told = _text(_DEVICE, text)
    if told:
        return {"cuda": "GPU", "cpu": "CPU"}.get(told, told.upper())
    cache = _last(_KV_TOKENS, text) or _last(_USED_ON, text)
    return cache[1] if cache else ""


def _text(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(reversed(list(pattern.finditer(text))), None)


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    found = _last(pattern, text)
    return float(found[1]) if found else None


def _share(pattern: str, line: str) -> float | None:
    found = re.search(pattern, line)
    return float(found[1]) if found else None


def _percent(pattern: str, line: str) -> float | None:
    found = _share(pattern, line)
    return None if found is None else found / 100
