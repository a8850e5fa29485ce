"""What a vLLM log proves, on logs of the versions named in their first lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hostproof.shared import nvfp4_proof, vllm_log
from hostproof.shared.facts.gpu_model import GpuProcess
from hostproof.shared.nvfp4_proof import Canary, Expected, Seen
from hostproof.shared.proof_types import Proof

LOGS = Path(__file__).parent / "logs"
GIB = 1024**3
WEIGHTS = int(21.9 * GIB)
GOOD = (Canary("canary_short", True), Canary("canary_long", True))


def text(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


def seen(name: str, **changes: object) -> Seen:
    """All that can be looked at, and all of it good but for the log."""
    known = Seen(
        log=vllm_log.parse(text(name)),
        processes=(GpuProcess(4182, vram_bytes=88 * GIB),),
        pids=frozenset({4100, 4182}),
        canaries=GOOD,
    )
    return dataclasses.replace(known, **changes)


def expected(**changes: object) -> Expected:
    return dataclasses.replace(
        Expected(
            version="0.33.0", weights_bytes=WEIGHTS, w4a4=True, kv_tokens=32768, compute_capability="12.0"
        ),
        **changes,
    )


def said(proof: Proof) -> str:
    return "\n".join(str(each) for each in (*proof.wrong, *proof.missing))


def test_every_log_tells_where_it_is_from() -> None:
    names = sorted(LOGS.glob("*.log"))
    assert names
    for path in names:
        assert path.read_text(encoding="utf-8").startswith(("# recorded: ", "# composed")), path.name


VERDICTS = {
    "vllm-0.33.0-native": "native",
    "vllm-nightly-native-flashinfer-off": "unproved",
    "vllm-0.33.0-mixed": "weight-only",
    "vllm-0.33.0-marlin-asked": "weight-only",
    "vllm-0.33.0-emulated": "emulated",
    "vllm-0.25.1-native": "native",
    "vllm-0.19-marlin": "weight-only",
    "vllm-0.12-words": "native",
    "vllm-0.10-no-fp4": "weight-only",
    "vllm-0.33.0-no-kernel": "unproved",
    "vllm-0.32.0-cpu": "unproved",
}


def test_every_log_of_vllm_is_judged() -> None:
    assert sorted(VERDICTS) == sorted(path.stem for path in LOGS.glob("vllm-*.log"))


@pytest.mark.parametrize(("name", "verdict"), VERDICTS.items())
def test_a_verdict_a_log(name: str, verdict: str) -> None:
    """Without a version to compare; the second start of the recorded one has only begun."""
    proof = nvfp4_proof.prove(seen(name), expected(version=""))
    assert proof.verdict == verdict, said(proof)
    assert proof.verdict in nvfp4_proof.VERDICTS
    assert (proof.wrong or proof.missing) if verdict != "native" else not (proof.wrong or proof.missing)


def test_a_native_server_is_proved_with_a_line_for_each_thing_looked_at() -> None:
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-native"), expected())
    assert proof.verdict == "native"
    assert proof.evidence == (
        "build: vLLM 0.33.0",
        "device: GPU",
        "kernel: FlashInferCutlassNvFp4LinearKernel (native)",
        "weights loaded: 21.93 GiB",
        "KV cache: 206,208 tokens",
        "CUDA graphs: captured, 0.13 GiB",
        "attention: FLASH_ATTN",
        "VRAM: 88.0 GiB held by the server (NVML)",
        "canary_short: right",
        "canary_long: right",
    )
    assert proof.line == "native: build: vLLM 0.33.0"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"processes": None}, "NVML was not asked"),
        ({"canaries": None}, "Not asked: canary_long, canary_short."),
        ({"canaries": GOOD[:1]}, "Not asked: canary_long."),
        (
            {"canaries": (GOOD[0], Canary("canary_long", False, "'!!!!'"))},
            "canary_long came back wrong: '!!!!'",
        ),
        ({"processes": ()}, "NVML lists no process of the server"),
        ({"processes": (GpuProcess(1, vram_bytes=88 * GIB),)}, "NVML lists no process of the server"),
        (
            {"processes": (GpuProcess(4182, vram_bytes=8 * GIB),)},
            "hold 8.0 GiB of VRAM, less than its weights (21.9 GiB)",
        ),
    ],
)
def test_one_thing_that_is_wrong_or_was_not_looked_at_keeps_it_unproved(
    changes: dict[str, object], wanted: str
) -> None:
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-native", **changes), expected())
    assert proof.verdict == "unproved"
    assert wanted in said(proof)
    assert wanted in proof.line


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"version": "0.34.0"}, "vLLM 0.33.0 runs, and 0.34.0 is pinned"),
        ({"weights_bytes": int(74 * GIB)}, "The model took 21.93 GiB, and its checkpoint makes 74.00 GiB."),
        ({"weights_bytes": int(12 * GIB)}, "The model took 21.93 GiB, and its checkpoint makes 12.00 GiB."),
        ({"weights_bytes": None}, "What the weights should take is not known"),
        ({"kv_tokens": 300_000}, "holds 206,208 tokens, and context times sequences needs 300,000"),
    ],
)
def test_what_is_not_as_expected_keeps_it_unproved(changes: dict[str, object], wanted: str) -> None:
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-native"), expected(**changes))
    assert proof.verdict == "unproved"
    assert wanted in said(proof)


@pytest.mark.parametrize(
    "line", ["Using Fla", "Model loading", "GPU KV", "Graph capt", "init engine", "Initializing"]
)
def test_a_log_without_one_of_its_lines_proves_nothing(line: str) -> None:
    """Each line is needed; without "init engine" the size of the cache still tells of a finished start."""
    kept = "\n".join(each for each in text("vllm-0.33.0-native").splitlines() if line not in each)
    if line == "init engine":
        kept = kept.replace("KV cache size", "KV")
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-native", log=vllm_log.parse(kept)), expected())
    assert proof.verdict == "unproved"
    assert proof.missing


def test_vram_of_unknown_size_is_no_evidence_against() -> None:
    """NVML does not tell sizes in a container; that the process is listed is what counts."""
    proof = nvfp4_proof.prove(
        seen("vllm-0.33.0-native", processes=(GpuProcess(4182, vram_bytes=None),)), expected()
    )
    assert proof.verdict == "native"


def test_a_nightly_is_held_against_its_commit() -> None:
    def against(commit: str) -> str:
        return said(
            nvfp4_proof.prove(seen("vllm-nightly-native-flashinfer-off"), expected(version="", commit=commit))
        )

    assert "is of commit" not in against("0123abcde" + "0" * 31)
    assert "The running build is of commit 0123abcde, and fedcba9876" in against("fedcba9876" + "0" * 30)


@pytest.mark.parametrize(
    ("pinned", "same"),
    [
        ("0.33.1rc1.dev12+g0123abcde.cu130", True),
        ("0.33.1rc1.dev12+g0123abcde", True),
        ("0.33.1rc1.dev12", True),
        ("0.33.1rc1.dev12+gfedcba987", False),
        ("0.33.1rc1.dev13+g0123abcde", False),
        ("0.33.1", False),
    ],
)
def test_a_version_is_the_same_whatever_its_wheel_calls_its_cuda(pinned: str, same: bool) -> None:
    told = said(nvfp4_proof.prove(seen("vllm-nightly-native-flashinfer-off"), expected(version=pinned)))
    assert ("is pinned" not in told) == same


def test_flashinfer_off_is_still_native_and_told() -> None:
    before = text("vllm-nightly-native-flashinfer-off")
    clean = "\n".join(line for line in before.splitlines() if "Unknown vLLM" not in line)
    proof = nvfp4_proof.prove(
        seen("vllm-nightly-native-flashinfer-off", log=vllm_log.parse(clean)), expected(version="")
    )
    assert proof.verdict == "native"
    assert "FlashInfer's kernels are off" in proof.notes[0].what
    assert "attention: FLASHINFER, decoding with xqa" in proof.evidence


def test_a_stale_variable_is_named() -> None:
    proof = nvfp4_proof.prove(seen("vllm-nightly-native-flashinfer-off"), expected(version=""))
    assert "does not read VLLM_NVFP4_GEMM_BACKEND" in said(proof)


def test_one_weight_only_layer_among_native_ones_is_weight_only() -> None:
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-mixed"), expected(w4a4=False))
    assert proof.verdict == "weight-only"
    assert "kernel: FlashInferCutlassNvFp4LinearKernel (native)" in proof.evidence
    assert "The checkpoint is the reason" in said(proof)
    assert "do not fit" in proof.notes[0].what


@pytest.mark.parametrize(
    ("name", "changes", "wanted"),
    [
        ("vllm-0.33.0-marlin-asked", {}, "--linear-backend=marlin asks for it"),
        ("vllm-0.10-no-fp4", {"compute_capability": "9.0"}, "compute capability 9.0 has no units for FP4"),
        ("vllm-0.33.0-mixed", {"w4a4": None}, "See whether the checkpoint quantises activations"),
    ],
)
def test_weight_only_says_whose_doing_it_is(name: str, changes: dict[str, object], wanted: str) -> None:
    assert wanted in said(nvfp4_proof.prove(seen(name), expected(version="", **changes)))


def test_the_kernel_that_august_builds_rank_too_high_is_named() -> None:
    log = text("vllm-0.33.0-native").replace(
        "FlashInferCutlassNvFp4LinearKernel", "FlashInferCuteDslNvFp4W4A16LinearKernel"
    )
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-native", log=vllm_log.parse(log)), expected())
    assert proof.verdict == "weight-only"
    assert "VLLM_DISABLED_KERNELS" in said(proof)


def test_an_unknown_kernel_is_never_taken_for_a_good_one() -> None:
    log = text("vllm-0.33.0-native").replace("FlashInferCutlassNvFp4", "BrandNewNvFp4")
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-native", log=vllm_log.parse(log)), expected())
    assert proof.verdict == "unproved"
    assert "does not know: BrandNewNvFp4LinearKernel" in said(proof)


def test_old_emulation_is_seen_in_the_environment_since_the_log_hides_it() -> None:
    emulating = {"VLLM_USE_NVFP4_CT_EMULATIONS": "1"}
    proof = nvfp4_proof.prove(seen("vllm-0.12-words"), expected(version="", environment=emulating))
    assert proof.verdict == "emulated"
    assert "Unset it." in said(proof)
    off = {"VLLM_USE_NVFP4_CT_EMULATIONS": "0"}
    assert (
        nvfp4_proof.prove(seen("vllm-0.12-words"), expected(version="", environment=off)).verdict == "native"
    )


def test_eager_is_wrong_unless_it_was_asked_for() -> None:
    wrong = "CUDA graphs are off"
    assert wrong in said(nvfp4_proof.prove(seen("vllm-0.33.0-marlin-asked"), expected()))
    assert wrong not in said(nvfp4_proof.prove(seen("vllm-0.33.0-marlin-asked"), expected(eager=True)))


def test_a_server_that_died_says_why() -> None:
    proof = nvfp4_proof.prove(seen("vllm-0.33.0-no-kernel", processes=()), expected())
    told = said(proof)
    assert "an nvcc older than 12.9" in told
    assert "no kernel for this NVFP4 checkpoint" in told
    assert "--linear-backend=flashinfer_trtllm had no effect" in told


def test_a_cpu_server_is_seen_whatever_else_is_there() -> None:
    first = text("vllm-0.32.0-cpu").partition("Stopping vllm-server")[0]
    proof = nvfp4_proof.prove(seen("vllm-0.32.0-cpu", log=vllm_log.parse(first)), expected())
    assert proof.verdict == "cpu"
    assert proof.wrong[0].what == "vLLM runs on the CPU."
    assert proof.missing == ()


def test_an_old_cpu_build_that_calls_its_cache_the_gpus_is_cpu_all_the_same() -> None:
    log = vllm_log.parse(
        "Initializing a V1 LLM engine (v0.10.2) with config: model='/m', device_config=cpu\n"
        "GPU KV cache size: 5,536 tokens\n"
    )
    assert log.device == "CPU"


def test_only_the_last_start_counts() -> None:
    both = text("vllm-0.33.0-emulated") + text("vllm-0.33.0-native")
    assert vllm_log.parse(both).kernels == {"FlashInferCutlassNvFp4LinearKernel"}
    just_begun = text("vllm-0.33.0-native") + "Started vllm-server.service - vLLM.\nnon-default args: {}\n"
    assert vllm_log.parse(just_begun) == vllm_log.VllmLog()


def test_what_the_recorded_start_said() -> None:
    log = vllm_log.parse(text("vllm-0.32.0-cpu").partition("Stopping vllm-server")[0])
    assert (log.version, log.device, log.kv_tokens, log.eager) == ("0.32.0", "CPU", 2_097_152, True)
    assert (log.ready_seconds, log.kernels, log.graphs_gib, log.commit) == (0.64, frozenset(), None, "")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("vllm-0.33.0-native", "runner", "V2"),
        ("vllm-0.33.0-native", "compile_seconds", 41.2),
        ("vllm-0.33.0-native", "ready_seconds", 54.31),
        ("vllm-0.33.0-native", "kv_gib", 62.95),
        ("vllm-nightly-native-flashinfer-off", "compile_seconds", 44.0),
        ("vllm-nightly-native-flashinfer-off", "commit", "0123abcde"),
        ("vllm-0.25.1-native", "kv_tokens", 206_432),
        ("vllm-0.19-marlin", "moe", {"MARLIN"}),
        ("vllm-0.19-marlin", "kernels", {"NvFp4LinearBackend.MARLIN"}),
        ("vllm-0.12-words", "kernels", {"flashinfer-cutlass"}),
        ("vllm-0.12-words", "attention", "FLASHINFER"),
        ("vllm-0.10-no-fp4", "attention", "Flash Attention"),
        ("vllm-0.10-no-fp4", "loaded_gib", 21.9123),
        ("vllm-0.33.0-mixed", "flashinfer_mismatch", True),
        ("vllm-0.33.0-emulated", "emulation_warned", True),
        ("vllm-0.33.0-marlin-asked", "ignored_backends", {"marlin"}),
    ],
)
def test_old_and_new_forms_are_read(name: str, field: str, value: object) -> None:
    assert getattr(vllm_log.parse(text(name)), field) == value


def test_windows_are_read_by_key() -> None:
    first, second = vllm_log.windows(text("vllm-0.33.0-native"))
    assert (first.prompt_tokens_per_second, first.generation_tokens_per_second) == (464.0, 44.8)
    assert (first.running, first.waiting) == (1, 2)
    assert first.kv_cache_usage == pytest.approx(0.023)
    assert first.prefix_cache_hit_rate == pytest.approx(0.228)
    assert second.prefix_cache_hit_rate is None
    assert len(list(vllm_log.windows(text("vllm-0.32.0-cpu")))) == 6


def test_the_seeds_own_lines_are_windows() -> None:
    line = "Engine 000: Avg generation throughput: 28.3 tokens/s, KV cache usage: 2.0%, Prefix cache hit rate: 22.8%"
    assert (
        list(vllm_log.windows(line)) == []
    )  # shortened by its author: no prompt throughput, so no whole line
