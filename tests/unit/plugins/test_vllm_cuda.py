"""What a release was built for is read from its libraries: the wrong CUDA is told before anything is switched."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.shared import vllm_cuda
from hostproof.shared.vllm_cuda import Built

PRO_6000 = Built(frozenset({13}), frozenset({"9.0", "10.0", "12.0"}))


def release(folder: Path, content: bytes) -> Path:
    place = folder / "lib/python3.12/site-packages/vllm"
    place.mkdir(parents=True)
    (place / "_C_stable_libtorch.abi3.so").write_bytes(b"\x7fELF" + content)
    return folder


def said(built: Built, cuda: str = "13.0", capability: str = "12.0") -> list[str]:
    return [str(each) for each in vllm_cuda.complaints(built, cuda, capability, "vLLM 0.33.0")]


def test_cuda_and_cards_are_texts_in_its_own_library(tmp_path: Path) -> None:
    """As seen in the wheel vllm 0.33.0 of PyPI with readelf and strings (shared facts)."""
    content = b"\0libcudart.so.13\0libtorch.so\0sm_75 sm_90a\0sm_100f\0sm_120\0sm_120f\0scaled_mm_c3x_sm120\0"
    assert vllm_cuda.look(release(tmp_path, content)) == Built(
        frozenset({13}), frozenset({"7.5", "9.0", "10.0", "12.0"})
    )


def test_a_build_for_the_driver_and_the_card_is_taken() -> None:
    assert said(PRO_6000) == []
    assert said(PRO_6000, cuda="", capability="") == []


def test_a_driver_that_is_too_old_is_told_with_both_ways_out() -> None:
    (why,) = said(PRO_6000, cuda="12.8")
    assert why.startswith("vLLM 0.33.0 is for CUDA 13, and the driver speaks up to 12.8.")
    assert "580" in why
    assert "cu129" in why


def test_a_card_that_it_has_no_code_for_is_told_with_what_it_has() -> None:
    (why,) = said(PRO_6000, capability="8.9")
    assert "has no code for compute capability 8.9; it has 9.0, 10.0, 12.0." in why


def test_a_build_for_the_cpu_is_told(tmp_path: Path) -> None:
    built = vllm_cuda.look(release(tmp_path, b"\0libtorch_cpu.so\0"))
    assert said(built)[0].startswith("vLLM 0.33.0 is a build for the CPU")


def test_a_folder_that_is_no_release_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none of vLLM's own libraries"):
        vllm_cuda.look(tmp_path)
