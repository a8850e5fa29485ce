"""What a server is now against what was proved: a change is named, and what nobody asked again is not held against it."""

from __future__ import annotations

from typing import Any

from hostproof.shared import server_state
from hostproof.shared.proof_record import ProofRecord

ABOUT = {
    "model": "m",
    "release": "0.33.0",
    "unit_sha256": "aa",
    "driver": "580",
    "cards": "GPU-1",
    "invocation": "x",
}


def record(verdict: str = "gpu", **more: Any) -> ProofRecord:
    return ProofRecord("llama_server", "u", verdict, **{"wanted": ("gpu",), "circumstances": ABOUT, **more})


def test_the_same_again_is_as_proved_also_after_another_start() -> None:
    later = record(circumstances={**ABOUT, "invocation": "y"})
    assert server_state.judge("active", record(), later) == server_state.Judged("as proved")


def test_a_canary_that_is_not_asked_again_is_not_held_against_it() -> None:
    native = record("native", wanted=("native",))
    now = record("unproved", wanted=("native",), missing=("Not asked: canary_long.",))
    assert server_state.judge("active", native, now).state == "as proved"


def test_a_silent_fallback_differs_and_says_why() -> None:
    now = record("cpu", wrong=("NVML lists no process of the server on any GPU.",))
    found = server_state.judge("active", record(), now)
    assert found.state == "differs"
    assert found.why == ("it is cpu, and gpu was proved", "NVML lists no process of the server on any GPU.")


def test_another_driver_under_it_differs_though_it_still_computes_there() -> None:
    now = record(circumstances={**ABOUT, "driver": "595", "unit_sha256": "bb"})
    assert server_state.judge("active", record(), now) == server_state.Judged(
        "differs", ("the unit's file changed", "the driver changed (580, now 595)")
    )


def test_what_was_never_proved_and_what_does_not_run_are_told_apart() -> None:
    assert server_state.judge("active", None, record()).state == "not proved"
    assert server_state.judge("failed", record(), None).why == ("the unit is failed",)
    half = record("unproved", wanted=("native",), missing=("Not asked: canary_long.",))
    assert server_state.judge("active", half, half) == server_state.Judged(
        "not proved", ("Not asked: canary_long.",)
    )


def test_where_nothing_was_demanded_anything_that_runs_is_as_proved() -> None:
    free = record("unproved", wanted=())
    assert (
        server_state.judge("active", free, record("unproved", wanted=(), wrong=("x",))).state == "as proved"
    )


def test_the_device_in_words() -> None:
    assert server_state.device(None, 2 * 1024**3, {"GPU-1": "H200"}) == "GPU (H200, 2.0 GiB)"
    assert server_state.device(record("cpu"), None, {}) == "CPU"
    assert server_state.device(record("unproved"), 0, {}) == "CPU"
    assert server_state.device(record("unproved"), None, {}) == "unknown"
