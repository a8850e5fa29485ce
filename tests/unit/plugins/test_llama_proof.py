"""Whether llama-server is on the GPU, on logs of the builds named in their first lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hostproof.shared import llama_proof
from hostproof.shared.facts.gpu_model import GpuProcess
from hostproof.shared.llama_proof import Expected, Seen
from hostproof.shared.proof_types import Proof

LOGS = Path(__file__).parent / "logs"
GIB = 1024**3
WEIGHTS = int(26.4 * GIB)
CARD = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"
EXPECTED = Expected(weights_bytes=WEIGHTS, cpu_ceiling=21.6)


def text(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


def seen(name: str, **changes: object) -> Seen:
    known = Seen(
        llama_proof.parse(text(name)), processes=(GpuProcess(77, vram_bytes=30 * GIB),), pids=frozenset({77})
    )
    return dataclasses.replace(known, **changes)


def said(proof: Proof) -> str:
    return "\n".join(str(each) for each in (*proof.wrong, *proof.missing))


@pytest.mark.parametrize(
    ("name", "processes", "verdict"),
    [
        ("llama-b11434-gpu", (GpuProcess(77, vram_bytes=30 * GIB),), "gpu"),
        ("llama-b11434-gpu", (GpuProcess(77, vram_bytes=None),), "gpu"),
        ("llama-b11434-gpu", None, "unproved"),
        ("llama-b11434-gpu", (), "cpu"),
        ("llama-b11434-gpu", (GpuProcess(5, vram_bytes=30 * GIB),), "cpu"),
        ("llama-b11434-gpu", (GpuProcess(77, vram_bytes=3 * GIB),), "unproved"),
        ("llama-b3600-partial", (GpuProcess(77, vram_bytes=30 * GIB),), "partial"),
        ("llama-b11434-no-driver", None, "cpu"),
        ("llama-b11669-cpu-asked-for-gpu", None, "cpu"),
        ("llama-b11669-quiet", None, "unproved"),
        ("llama-b11669-quiet", (), "cpu"),
        ("llama-b11669-quiet", (GpuProcess(77, vram_bytes=30 * GIB),), "gpu"),
        ("llama-b11669-quiet", (GpuProcess(77, vram_bytes=3 * GIB),), "unproved"),
        ("llama-b11669-quiet", (GpuProcess(77, vram_bytes=None),), "unproved"),
    ],
)
def test_a_verdict_a_log(name: str, processes: tuple[GpuProcess, ...] | None, verdict: str) -> None:
    proof = llama_proof.prove(seen(name, processes=processes), EXPECTED)
    assert proof.verdict == verdict, said(proof)
    assert proof.verdict in llama_proof.VERDICTS
    assert bool(proof.wrong or proof.missing) == (verdict != "gpu"), said(proof)


def test_a_server_on_the_gpu_is_proved_line_by_line() -> None:
    devices = llama_proof.list_devices(text("llama-b11434-list-devices"))
    proof = llama_proof.prove(seen("llama-b11434-gpu", devices=devices, tokens_per_second=46.2), EXPECTED)
    assert proof.evidence == (
        f"card: {CARD}, compute capability 12.0",
        f"device: CUDA0 ({CARD})",
        f"listed: CUDA0: {CARD}, 94.3 GiB free",
        "layers: 81 of 81 on the GPU",
        "weights: CPU_Mapped 0.25 GiB",
        "weights: CUDA0 26.20 GiB",
        "FP4 of Blackwell: native",
        "VRAM: 30.0 GiB held by the server (NVML)",
        "speed: 46.2 tok/s (timings), more than the CPU's memory allows (21.6)",
    )


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("llama-b3600-partial", "30 of 62 layers are on the GPU."),
        ("llama-b11434-no-driver", "CUDA did not come up: no CUDA-capable device is detected."),
        ("llama-b11669-cpu-asked-for-gpu", "found no GPU that it uses, and serves from the CPU"),
    ],
)
def test_what_is_wrong_is_named(name: str, wanted: str) -> None:
    assert wanted in said(llama_proof.prove(seen(name), EXPECTED))


def test_weights_in_the_hosts_memory_alone_are_cpu_without_any_warning() -> None:
    """Started without -ngl there is no warning: only the buffers tell."""
    kept = "\n".join(
        line for line in text("llama-b11669-cpu-asked-for-gpu").splitlines() if not line.startswith("warning")
    )
    log = llama_proof.parse(kept)
    assert not log.no_gpu
    assert log.on_gpu == 0
    assert {place for place, _ in log.buffers} == {"CPU_Mapped", "CPU_REPACK"}
    assert llama_proof.prove(Seen(log), EXPECTED).verdict == "cpu"


def test_devices_inside_the_container() -> None:
    (device,) = llama_proof.list_devices(text("llama-b11434-list-devices"))
    assert (device.id, device.name, device.total_bytes) == ("CUDA0", CARD, 97247 * 1024**2)
    assert llama_proof.list_devices(text("llama-b11669-list-devices-none")) == ()
    proof = llama_proof.prove(seen("llama-b11434-gpu", devices=()), EXPECTED)
    assert proof.verdict == "unproved"
    assert "--list-devices shows no GPU" in said(proof)


def test_only_the_last_start_counts() -> None:
    both = (
        f"Started llama-server.service.\n{text('llama-b11434-gpu')}"
        f"Started llama-server.service.\n{text('llama-b11434-no-driver')}"
    )
    assert llama_proof.parse(both).offloaded is None
    assert llama_proof.parse(both).no_gpu


def test_without_the_weights_size_nothing_is_proved() -> None:
    proof = llama_proof.prove(seen("llama-b11434-gpu"), Expected())
    assert proof.verdict == "unproved"
    assert "How large the weights are is not known" in said(proof)
