"""Whether a running vLLM computes in native NVFP4: one verdict from its log, NVML, the checkpoint and the canary. Pure.

`native` means that everything was looked at and nothing speaks against it. What no one has looked at makes `unproved`, never `native`.
The log alone decides the other three: a single layer in the wrong kernel is enough for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from . import vllm_index, vllm_log
from .facts.gpu_model import GpuProcess
from .proof_types import Finding, Proof
from .vllm_log import EMULATED, NATIVE, UNKNOWN, WEIGHT_ONLY, VllmLog

CPU: Final = "cpu"
UNPROVED: Final = "unproved"
VERDICTS: Final = (NATIVE, WEIGHT_ONLY, EMULATED, CPU, UNPROVED)

WEIGHTS_TOLERANCE: Final = 0.07
"""Loaded against expected: 21.9 ± 1.5 GiB for the seed's model (shared facts), where FP8 would be 38 and BF16 74."""
FP4_CAPABILITY: Final = 10.0
"""GPUs from here on have tensor cores for FP4."""
OLD_EMULATION: Final = "VLLM_USE_NVFP4_CT_EMULATIONS"
"""Emulates in vLLM before 0.33, while the log names the kernel that would have been used."""
GIB: Final = 1024**3


@dataclass(frozen=True)
class Canary:
    """One question with a known answer that the server was asked."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Expected:
    """What the server should be, as far as it is known. None and empty: not known, so not held against anything."""

    version: str = ""
    commit: str = ""
    """Of a nightly build, any number of digits from 7."""
    weights_bytes: int | None = None
    """All tensors of the checkpoint that lie on the GPU."""
    w4a4: bool | None = None
    """Whether the checkpoint quantises activations too."""
    kv_tokens: int = 0
    """The least that the configuration needs: context × sequences."""
    eager: bool = False
    """Whether --enforce-eager was asked for; then nobody expects CUDA graphs."""
    compute_capability: str = ""
    """`12.0`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The server's own environment."""


@dataclass(frozen=True)
class Seen:
    """What was looked at on the host."""

    log: VllmLog
    processes: Sequence[GpuProcess] | None = None
    """Of all GPUs, by NVML; None: NVML was not asked."""
    pids: frozenset[int] = frozenset()
    """The server's own processes."""
    canaries: Sequence[Canary] | None = None
    """None: not asked."""


def prove(seen: Seen, expected: Expected) -> Proof:
    log = seen.log
    wrong = tuple(found for check in WRONG for found in check(seen, expected))
    missing = tuple(_missing(seen, expected))
    verdict = _decided(log, expected)
    if verdict == NATIVE and (wrong or missing):
        verdict = UNPROVED
    return Proof(verdict, tuple(_evidence(seen)), wrong, missing, tuple(_notes(seen)))


def _decided(log: VllmLog, expected: Expected) -> str:
    """By the log: the worst sign counts."""
    classes = log.classes
    if log.device == "CPU":
        return CPU
    if EMULATED in classes or _emulates(log, expected):
        return EMULATED
    if WEIGHT_ONLY in classes:
        return WEIGHT_ONLY
    return NATIVE if NATIVE in classes and UNKNOWN not in classes else UNPROVED


def _emulates(log: VllmLog, expected: Expected) -> bool:
    value = expected.environment.get(OLD_EMULATION, "0")
    return value not in ("", "0", "false", "False") and OLD_EMULATION not in log.unknown_names


def _kernels(seen: Seen, expected: Expected) -> Iterator[Finding]:
    log = seen.log
    if log.device == "CPU":
        yield Finding(
            "vLLM runs on the CPU.",
            "Install a CUDA build (docs/vllm-server.md), and see that the driver is loaded before the unit starts.",
        )
        return
    if _emulates(log, expected):
        yield Finding(
            f"{OLD_EMULATION} has this build emulate NVFP4, whatever kernel its log names.", "Unset it."
        )
    if log.emulation_warned or _names(log, EMULATED):
        yield Finding(
            f"NVFP4 is emulated{_listed(log, EMULATED)}: weights are unpacked for every product.",
            "The log says why each faster kernel was left out; mostly FlashInfer is off or --linear-backend=emulation was given.",
        )
    if log.marlin_warned or WEIGHT_ONLY in log.classes:
        yield Finding(
            f"Weights alone are in NVFP4, products are computed in 16 bits{_listed(log, WEIGHT_ONLY)}.",
            _why_weight_only(log, expected),
        )
    if unknown := _names(log, UNKNOWN):
        yield Finding(
            f"The log names a kernel that hostproof does not know: {', '.join(unknown)}.",
            "Look it up in vLLM's model_executor/kernels/linear/nvfp4 and add it to KERNELS in vllm_log.py.",
        )


def _why_weight_only(log: VllmLog, expected: Expected) -> str:
    if expected.w4a4 is False:
        return (
            "The checkpoint is the reason (its activations are not quantised), and vLLM's warning about the GPU is not: "
            "serve one with W4A4."
        )
    if log.asked_backend in ("marlin", "humming"):
        return f"--linear-backend={log.asked_backend} asks for it: take it out."
    if _below_fp4(expected.compute_capability):
        return f"A GPU of compute capability {expected.compute_capability} has no units for FP4; from 10.0 they do."
    if any("CuteDsl" in name for name in log.kernels):
        return (
            "Builds of August 2026 rank this kernel above W4A4 (vLLM #53014, #55397): take a later one, or set "
            "VLLM_DISABLED_KERNELS=FlashInferCuteDslNvFp4W4A16LinearKernel."
        )
    return (
        "See whether the checkpoint quantises activations (input_activations, quant_algo), and whether FlashInfer or "
        "vLLM's own CUTLASS kernels are in this build."
    )


def _below_fp4(capability: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", capability)) and float(capability) < FP4_CAPABILITY


def _starts(seen: Seen, _: Expected) -> Iterator[Finding]:
    log = seen.log
    if log.no_architecture:
        yield Finding(
            "FlashInfer found no CUDA architecture for SM 12.x: an nvcc older than 12.9 is on the server's PATH.",
            "Take that toolkit off its PATH and install flashinfer-cubin and flashinfer-jit-cache, or use CUDA 13.",
        )
    if log.no_kernel:
        yield Finding(
            "vLLM found no kernel for this NVFP4 checkpoint; its log lists the reasons.",
            "Mostly the build lacks SM 12.x, or --linear-backend names what this GPU does not have.",
        )
    for name in sorted(log.unknown_names):
        yield Finding(f"This build does not read {name}.", "Take it out of vllm_server_environment.")
    for name in sorted(log.ignored_backends):
        yield Finding(
            f"--linear-backend={name} had no effect on some layers.",
            "Take it out, or see which kernel is meant: --kernel-config sets one a scheme.",
        )


def _build(seen: Seen, expected: Expected) -> Iterator[Finding]:
    log = seen.log
    mend = "Restart vllm-server.service; if it stays so, provision again."
    # What follows `+` but for the commit is the wheel's own (cu130, cpu), and the server need not repeat it.
    if log.version and expected.version and _public(log.version) != _public(expected.version):
        yield Finding(f"vLLM {log.version} runs, and {expected.version} is pinned.", mend)
        return
    commit = expected.commit or vllm_index.commit_of(expected.version)
    if log.commit and commit and not _same_commit(log.commit, commit):
        yield Finding(f"The running build is of commit {log.commit}, and {commit} is pinned.", mend)


def _public(version: str) -> str:
    return version.partition("+")[0]


def _same_commit(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _memory(seen: Seen, expected: Expected) -> Iterator[Finding]:
    log, wanted = seen.log, expected.weights_bytes
    if log.loaded_gib is not None and wanted:
        gib = wanted / GIB
        if abs(log.loaded_gib - gib) > WEIGHTS_TOLERANCE * gib:
            yield Finding(
                f"The model took {log.loaded_gib:.2f} GiB, and its checkpoint makes {gib:.2f} GiB.",
                "More: the weights were not loaded as NVFP4 (FP8 takes 1.7 times as much, BF16 3.4 times). "
                "Less: it is another model. See vllm_server_model and --quantization.",
            )
    if log.kv_tokens is not None and log.kv_tokens < expected.kv_tokens:
        yield Finding(
            f"The KV cache holds {log.kv_tokens:,} tokens, and context times sequences needs {expected.kv_tokens:,}.",
            "Free VRAM, raise vllm_server_gpu_memory_utilization, or lower vllm_server_max_model_len.",
        )
    used = _own_vram(seen)
    if seen.processes is not None and seen.pids and used is None:
        yield Finding(
            "NVML lists no process of the server on any GPU.",
            "It runs on the CPU or has ended; see ./inv status and its log.",
        )
    elif used and wanted and used < wanted * (1 - WEIGHTS_TOLERANCE):
        yield Finding(
            f"The server's processes hold {used / GIB:.1f} GiB of VRAM, less than its weights ({wanted / GIB:.1f} GiB).",
            "Part of the model lies in the host's memory: take --cpu-offload-gb out.",
        )


def _own_vram(seen: Seen) -> int | None:
    """Bytes; 0 where NVML does not tell the size; None without a process of the server."""
    own = [each for each in seen.processes or () if each.pid in seen.pids]
    return sum(each.vram_bytes or 0 for each in own) if own else None


def _graphs(seen: Seen, expected: Expected) -> Iterator[Finding]:
    if seen.log.eager and not expected.eager and seen.log.device != "CPU":
        yield Finding(
            "CUDA graphs are off (--enforce-eager): generation is slower, and no figure is comparable.",
            "Set vllm_server_enforce_eager: false.",
        )


def _canaries(seen: Seen, _: Expected) -> Iterator[Finding]:
    for canary in seen.canaries or ():
        if not canary.passed:
            yield Finding(
                f"The canary {canary.name} came back wrong: {canary.detail or 'no detail'}.",
                "Native kernels have been silently wrong (vLLM #48898): try --linear-backend cutlass, then marlin; if marlin is "
                "right, stay with it and change the build.",
            )


WRONG: Final[Sequence[Callable[[Seen, Expected], Iterator[Finding]]]] = (
    _kernels,
    _starts,
    _build,
    _memory,
    _graphs,
    _canaries,
)


def _missing(seen: Seen, expected: Expected) -> Iterator[Finding]:
    log = seen.log
    if log.device == "CPU":
        return
    again = "Restart the server, and look again at the log of this start alone."
    if log.ready_seconds is None and log.kv_tokens is None:
        yield Finding("The log does not tell of a finished start.", again)
    if not log.classes:
        yield Finding(
            "The log names no NVFP4 kernel.",
            "The checkpoint is of another quantisation, the log is cut off, or the build is older than 0.11.",
        )
    if not log.version:
        yield Finding("The log does not name the build.", again)
    if log.loaded_gib is None:
        yield Finding("The log does not tell how much memory the weights took.", again)
    elif expected.weights_bytes is None:
        yield Finding(
            "What the weights should take is not known.", "Have the module checkpoint read the model's files."
        )
    if log.kv_tokens is None:
        yield Finding("The log does not tell how many tokens the KV cache holds.", again)
    if log.graphs_gib is None and not log.eager:
        yield Finding("The log does not tell that CUDA graphs were captured.", again)
    if seen.processes is None:
        yield Finding(
            "NVML was not asked which processes hold VRAM.", "Give the processes that gpu_facts lists."
        )
    wanted = {"canary_short", "canary_long"} - {each.name for each in seen.canaries or ()}
    if wanted:
        yield Finding(
            f"Not asked: {', '.join(sorted(wanted))}.",
            "Give the setup `canary: true` and run ./inv validate.",
        )


def _evidence(seen: Seen) -> Iterator[str]:
    log = seen.log
    if log.version:
        yield f"build: vLLM {log.version}"
    if log.device:
        yield f"device: {log.device}"
    for name in sorted(log.kernels):
        yield f"kernel: {name} ({vllm_log.kernel_class(name)})"
    for name in sorted(log.moe):
        yield f"experts: {name} ({vllm_log.MOE_FALLBACK.get(name, NATIVE)})"
    if log.loaded_gib is not None:
        yield f"weights loaded: {log.loaded_gib:.2f} GiB"
    if log.kv_tokens is not None:
        yield f"KV cache: {log.kv_tokens:,} tokens"
    if log.graphs_gib is not None:
        yield f"CUDA graphs: captured, {log.graphs_gib:.2f} GiB"
    if log.attention:
        decode = f", decoding with {log.decode_backend}" if log.decode_backend else ""
        yield f"attention: {log.attention}{decode}"
    if used := _own_vram(seen):
        yield f"VRAM: {used / GIB:.1f} GiB held by the server (NVML)"
    for canary in seen.canaries or ():
        yield f"{canary.name}: {'right' if canary.passed else 'WRONG'}"


def _notes(seen: Seen) -> Iterator[Finding]:
    log = seen.log
    kernels = "Run `vllm download-kernels`, or add flashinfer-cubin and flashinfer-jit-cache to the lock."
    if log.flashinfer_off:
        yield Finding("FlashInfer's kernels are off; vLLM's own CUTLASS kernels are native too.", kernels)
    if log.flashinfer_mismatch:
        yield Finding("FlashInfer's compiled kernels do not fit: it compiles at each first start.", kernels)
    others = [each for each in seen.processes or () if each.pid not in seen.pids]
    if others:
        held = sum(each.vram_bytes or 0 for each in others) / GIB
        yield Finding(
            f"{len(others)} other processes hold {held:.1f} GiB of VRAM.", "See ./inv status what they are."
        )


def _names(log: VllmLog, kind: str) -> list[str]:
    found = [name for name in log.kernels if vllm_log.kernel_class(name) == kind]
    found += [name for name in log.moe if vllm_log.MOE_FALLBACK.get(name, NATIVE) == kind]
    return sorted(found)


def _listed(log: VllmLog, kind: str) -> str:
    names = _names(log, kind)
    return f" ({', '.join(names)})" if names else ""
