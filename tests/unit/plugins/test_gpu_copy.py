"""A copy inside VRAM, against a stand-in for libcuda in C: no card was ever asked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hostproof.shared import ceilings, gpu_copy
from hostproof.shared.gpu_copy import CopyError

BUS = "0000:c1:00.0"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    target = tmp_path_factory.mktemp("cuda") / "libcuda.so.1"
    source = Path(__file__).with_name("cuda_stub.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(target), str(source)], check=True)
    return str(target)


def test_a_copy_moves_what_it_reads_and_what_it_writes(library: str) -> None:
    found = gpu_copy.measure(BUS, library)
    # The stand-in takes a millisecond or more for 512 MiB: 1.07 GB a millisecond at most.
    assert 0.05e12 < found.low <= found.median <= found.best <= 2 * 512 * 1024**2 / 0.001
    assert found.rounds == gpu_copy.ROUNDS


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no-device", "cuInit: CUDA_ERROR_NO_DEVICE"),
        ("copy", "cuMemcpyDtoDAsync_v2: CUDA_ERROR_ILLEGAL_ADDRESS"),
        ("full", "105 MB of VRAM are free, too little to copy in"),
        ("crash", "the driver's library ended the process"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    library: str, fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_STUB", fault)
    with pytest.raises(CopyError, match=words):
        gpu_copy.measure(BUS, library)


def test_a_driver_that_hangs_is_given_up(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_STUB", "hang")
    with pytest.raises(CopyError, match="did not answer within 0 s"):
        gpu_copy.measure(BUS, library, seconds=0.2)


def test_another_card_is_named_by_cuda(library: str) -> None:
    with pytest.raises(CopyError, match="CUDA_ERROR_INVALID_DEVICE"):
        gpu_copy.measure("0000:01:00.0", library)


def test_without_a_driver_the_library_is_named() -> None:
    with pytest.raises(CopyError, match=r"libcuda\.so\.1"):
        gpu_copy.measure(BUS, "/nowhere/libcuda.so.1")


@pytest.mark.parametrize(
    ("megahertz", "bits", "gigabytes"),
    [(14001, 512, 1792), (10501, 384, 1008), (2619, 5120, 3352), (3201, 6144, 4917)],
    ids=["RTX PRO 6000", "RTX 4090", "H100", "H200"],
)
def test_bandwidth_follows_from_clock_and_width(megahertz: int, bits: int, gigabytes: int) -> None:
    assert ceilings.by_clock(megahertz, bits) / 1e9 == pytest.approx(gigabytes, abs=1)
