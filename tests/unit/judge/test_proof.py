"""On what a server computed: which verdicts are good, and that the host's writer and the judge's reader agree."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hostproof.judge import verdict_json
from hostproof.judge.model import Outcome, Verdict
from hostproof.judge.proof import DeviceProof, ProofError, from_json
from hostproof.judge.verdict import judge_setup, line
from hostproof.shared import proof_record
from hostproof.shared.proof_types import Finding, Proof

from .build import measured, result, threshold, thresholds

GOOD = result(measured("generation_throughput", (27.0,) * 6))


def judged(proof: DeviceProof | None) -> Verdict:
    return Verdict("run-1", (judge_setup(GOOD, thresholds(threshold()), proof),))


def test_a_good_figure_from_another_kernel_is_not_proven() -> None:
    verdict = judged(DeviceProof("weight-only", ("native",), wrong=("Marlin.",)))
    assert verdict.outcome is Outcome.BELOW
    assert line(verdict) == (
        "NOT PROVEN, another device or kernel — 1 threshold: 1 proven, weight-only where native is wanted."
    )


def test_native_where_it_is_wanted_is_proven() -> None:
    assert judged(DeviceProof("native", ("native",))).outcome is Outcome.PROVEN


def test_what_nobody_looked_at_is_not_measured_and_what_contradicts_is_below() -> None:
    assert (
        DeviceProof("unproved", ("native",), missing=("NVML was not asked.",)).outcome is Outcome.UNMEASURED
    )
    assert DeviceProof("unproved", ("native",), wrong=("Another build runs.",)).outcome is Outcome.BELOW


def test_unproved_is_good_only_where_it_is_wanted_and_nothing_contradicts() -> None:
    wanted = ("native", "unproved")
    assert DeviceProof("unproved", wanted).outcome is Outcome.PROVEN
    assert DeviceProof("unproved", wanted, wrong=("No VRAM.",)).outcome is Outcome.BELOW


def test_where_nothing_is_demanded_nothing_is_decided() -> None:
    assert DeviceProof("cpu").outcome is None
    assert judged(DeviceProof("cpu")).outcome is judged(None).outcome is Outcome.PROVEN


def test_a_verdict_with_a_proof_is_the_same_after_reading() -> None:
    proof = DeviceProof(
        "native", ("native",), ("kernel: x",), figures={"read_bytes_per_token": 22_730_000_000}
    )
    verdict = judged(proof)
    assert verdict_json.from_json(verdict_json.to_json(verdict, {})) == (verdict, {})


def test_a_verdict_of_a_time_without_proofs_is_read() -> None:
    raw = json.loads(verdict_json.to_json(judged(None), {}))
    del raw["setups"][0]["proof"]
    assert verdict_json.from_json(json.dumps(raw))[0] == judged(None)


def record(**more: Any) -> proof_record.ProofRecord:
    proof = Proof("native", ("kernel: x",), (), (Finding("Not asked: canary.", "Ask it."),))
    about = {
        "model": "m",
        "release": "0.33.0",
        "unit_sha256": "aa",
        "driver": "580",
        "cards": "GPU-1",
        "boot_id": "b",
    }
    known: dict[str, Any] = {
        "wanted": ("native",),
        "expected": {"figures": {"passes": 1}},
        "circumstances": about,
        "proved_at": "2026-11-25T00:00:00+00:00",
    }
    return proof_record.of("vllm_server", "vllm-server.service", proof, **{**known, **more})


def test_the_judge_reads_what_the_host_writes() -> None:
    written = json.dumps(proof_record.to_dict(record()))
    assert from_json(written) == DeviceProof(
        "native", ("native",), ("kernel: x",), missing=("Not asked: canary. Ask it.",), figures={"passes": 1}
    )
    assert proof_record.parse(json.loads(written)) == record()


@pytest.mark.parametrize(
    "text", ["no", "[]", '{"schema": "hostproof.proof/2"}', '{"schema": "hostproof.proof/1"}']
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        from_json(text)


def test_a_record_that_is_none_is_refused_on_the_host() -> None:
    for raw in (
        [],
        {"schema": "x"},
        {"schema": proof_record.SCHEMA},
        {**proof_record.to_dict(record()), "more": 1},
    ):
        with pytest.raises(proof_record.ProofRecordError):
            proof_record.parse(raw)


def test_a_verdict_that_is_wanted_contradicts_nothing() -> None:
    proof = Proof("cpu", (), (Finding("vLLM runs on the CPU.", "Install CUDA."),), ())
    kept = proof_record.of(
        "vllm_server", "u", proof, wanted=("cpu",), expected={}, circumstances={}, proved_at=""
    )
    assert (kept.stands, kept.wrong) == (True, ())
    bad = proof_record.of(
        "vllm_server", "u", proof, wanted=("native",), expected={}, circumstances={}, proved_at=""
    )
    assert (bad.stands, bad.unlooked, bad.wrong) == (False, False, ("vLLM runs on the CPU. Install CUDA.",))


def test_a_look_that_asked_less_does_not_take_the_place_of_one_that_asked_more() -> None:
    native = record()
    unproved = proof_record.ProofRecord(**{**vars(native), "verdict": "unproved"})
    assert not proof_record.replaces(unproved, native)
    assert proof_record.replaces(native, unproved)
    assert not proof_record.replaces(record(proved_at="later"), native)
    assert proof_record.replaces(unproved, None)
    moved = {**native.circumstances, "driver": "581"}
    assert proof_record.replaces(
        proof_record.ProofRecord(**{**vars(unproved), "circumstances": moved}), native
    )


def test_what_changed_since_is_named_and_what_nobody_knows_is_not_held_against() -> None:
    then = {"model": "m", "driver": "580.95.05", "unit_sha256": "aa", "cards": ""}
    now = {"model": "m", "driver": "580.173.02", "unit_sha256": "bb", "cards": "GPU-1"}
    assert list(proof_record.differences(then, now)) == [
        "the unit's file changed",
        "the driver changed (580.95.05, now 580.173.02)",
    ]
