"""What limits a server: memory by measurement or theory, cards by NVML or table, peaks by instruction set."""

from __future__ import annotations

from typing import Any

import pytest

from hostproof.shared import limits_of
from hostproof.shared.bandwidth import Bandwidth, Rate
from hostproof.shared.gpu_copy import Copied
from hostproof.shared.model_costs import Costs

FACTS: dict[str, Any] = {
    "cpu": {
        "vendor": "AuthenticAMD",
        "family": 26,
        "cores": 16,
        "flags": ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"],
    },
    "memory": {"peak_bandwidth_bytes_per_second": 614_400_000_000, "channels": 12, "configured_mts": 6400},
    "power": {"maximum_khz": 5_000_000},
}
UNKNOWN = {
    **FACTS,
    "memory": {"peak_bandwidth_bytes_per_second": None, "channels": None, "configured_mts": 0},
}
MEASURED = Bandwidth(Rate(480e9, 470e9, 490e9, 9, 16), Rate(44e9, 43e9, 45e9, 3, 1), {})
MAX_Q = {
    "address": "0000:c1:00.0",
    "name": "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    "clocks": {"maximum_memory_mhz": 14001, "memory_bus_bits": 512},
    "processes": [{"pid": 7, "vram_bytes": 90 << 30}],
}
COSTS = Costs("llama", 39_790_000_000, 28_190_000_000, 27_920_000_000, 39_007_027_200, 393_216_000, ())


@pytest.mark.parametrize(
    ("pids", "weights", "device"),
    [({1}, 23 << 30, "cpu"), ({7, 8}, 23 << 30, "gpu"), ({7}, 120 << 30, "both"), (set(), 1, "cpu")],
)
def test_a_server_computes_where_its_processes_hold_memory(pids: set[int], weights: int, device: str) -> None:
    assert limits_of.device(frozenset(pids), [MAX_Q], weights) == device


def test_nvml_without_sizes_is_a_gpu_too() -> None:
    gpu = MAX_Q | {"processes": [{"pid": 7, "vram_bytes": None}]}
    assert limits_of.device(frozenset({7}), [gpu], 23 << 30) == "gpu"


def test_a_measured_bandwidth_is_the_limit_and_the_dimms_stand_beside_it() -> None:
    told = limits_of.cpu_memory(FACTS, MEASURED)
    assert (told["bytes_per_second"], told["median"], told["source"]) == (490e9, 480e9, "measured")
    assert told["why"] == "best of 9 rounds of reading with 16 cores"
    assert (told["one_core"], told["theory"]) == (45e9, 614.4e9)


def test_without_a_measurement_the_dimms_promise_and_it_is_called_theory() -> None:
    told = limits_of.cpu_memory(FACTS, None, "a reading process hangs")
    assert (told["bytes_per_second"], told["source"]) == (614.4e9, "theory")
    assert (
        told["why"] == "12 channels × 6400 MT/s × 8 bytes; not measured: a reading process hangs"
    )  # both are needed


def test_without_either_nothing_is_guessed() -> None:
    assert limits_of.cpu_memory(UNKNOWN, None) == {}


def test_a_card_is_known_by_nvml_or_by_the_table_or_not_at_all() -> None:
    told = limits_of.gpu_memory([MAX_Q], {"0000:c1:00.0": Copied(1.5e12, 1.4e12, 1.55e12, 9)}, {})
    assert told["bytes_per_second"] == pytest.approx(1792e9, rel=0.001)
    assert (told["why"], told["copied"]) == ("NVML: 14001 MHz, 512 bits wide", 1.55e12)
    table = limits_of.gpu_memory([MAX_Q | {"clocks": {}}], {}, {"0000:c1:00.0": "no libcuda"})
    assert (table["bytes_per_second"], table["why"]) == (1.792e12, "28 Gbit/s GDDR7 on 512 bits")
    assert table["not_copied"] == "no libcuda"
    assert limits_of.gpu_memory([{"name": "NVIDIA New", "clocks": {}}], {}, {}) == {}
    assert limits_of.gpu_memory([], {}, {}) == {}


def test_two_cards_read_together() -> None:
    told = limits_of.gpu_memory([MAX_Q, MAX_Q], {}, {})
    assert told["bytes_per_second"] == pytest.approx(2 * 1792e9, rel=0.001)
    assert told["cards"] == 2


@pytest.mark.parametrize(
    ("cpu", "kind", "each"),
    [
        ({}, "Q5_K", 256),
        ({"family": 25}, "Q5_K", 128),
        ({"vendor": "GenuineIntel", "family": 6, "flags": ["avx2", "avx512f", "amx_int8"]}, "Q8_0", 2048),
        ({"flags": ["avx2"]}, "IQ4_XS", 64),
        ({}, "BF16", 128),
        ({"family": 25}, "F32", 32),
        ({"flags": ["avx2"]}, "BF16", 32),
        ({"flags": []}, "Q4_K", 8),
    ],
)
def test_a_peak_follows_from_the_instruction_set(cpu: dict[str, Any], kind: str, each: int) -> None:
    told = limits_of.cpu_compute(FACTS | {"cpu": FACTS["cpu"] | cpu}, kind, 0.0)
    assert told["operations_per_second"] == 16 * 5e9 * each
    assert "derived, not measured" in told["why"]


def test_a_guest_has_the_clock_of_cpuinfo_and_without_any_no_peak() -> None:
    guest = FACTS | {"power": {"maximum_khz": 0}}
    assert limits_of.cpu_compute(guest, "Q5_K", 2600.0)["operations_per_second"] == 16 * 2.6e9 * 256
    assert limits_of.cpu_compute(guest, "Q5_K", 0.0) == {}


@pytest.mark.parametrize(
    ("kind", "peak"), [("nvfp4-w4a4", 1.755e15), ("nvfp4-w4a16", 0.43875e15), ("BF16", 0.43875e15)]
)
def test_a_cards_peak_is_by_the_weights_it_multiplies(kind: str, peak: float) -> None:
    assert limits_of.gpu_compute([MAX_Q], kind)["operations_per_second"] == pytest.approx(peak)


def test_a_card_without_a_known_peak_has_none() -> None:
    assert limits_of.gpu_compute([{"name": "NVIDIA H200"}], "BF16") == {}


BUSY = Bandwidth(MEASURED.host, MEASURED.core, busy="others took 1.25 of 2 cores meanwhile")


def test_the_ceiling_says_what_it_is_made_of() -> None:
    told = limits_of.ceiling(COSTS, limits_of.cpu_memory(FACTS, MEASURED))
    assert told["tokens_per_second"] == 17.55
    assert told["why"] == "27.9 GB a token at 490 GB/s (best of 9 rounds of reading with 16 cores)"
    assert limits_of.ceiling(COSTS, {}) == {}


def test_a_busy_host_is_held_to_what_its_dimms_promise() -> None:
    told = limits_of.cpu_memory(FACTS, BUSY)
    assert (told["bytes_per_second"], told["source"]) == (614.4e9, "theory")
    assert told["why"].endswith(
        "not measured: the host was busy when it was measured: others took 1.25 of 2 cores meanwhile"
    )


def test_a_busy_host_without_known_dimms_has_a_floor_and_no_ceiling_that_could_flatter() -> None:
    told = limits_of.cpu_memory(UNKNOWN, BUSY)
    assert (told["bytes_per_second"], told["source"], told["busy"]) == (490e9, "measured", BUSY.busy)
    assert limits_of.ceiling(COSTS, told) == {}


def test_pages_are_counted_by_node_with_mapped_files() -> None:
    maps = (
        "7f00 default anon=512 dirty=512 N0=256 N1=256 kernelpagesize_kB=4\n"
        "7f01 default file=/m.gguf mapped=2 N1=2 kernelpagesize_kB=2048\n7f02 default\n"
    )
    assert limits_of.pages(maps) == {"0": 1 << 20, "1": (1 << 20) + (4 << 20)}
