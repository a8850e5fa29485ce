"""Each suspect has its evidence and its mend, and none is named without."""

from __future__ import annotations

from typing import Any

import pytest

from hostproof.judge import roofline, suspects
from hostproof.judge.proof import DeviceProof
from hostproof.judge.roofline import Roofline
from hostproof.judge.suspect import Suspect
from hostproof.measure.result import Setup

from . import build, rooflines
from .rooflines import FACTS, GPU

SLOW, GOOD = 6.0, 13.0
QUIET = {
    "others_cores": 0.02,
    "steal_cores": 0.0,
    "swapped_in_pages": 0,
    "mhz": 4900.0,
    "throttles": [],
    "contended": "",
}
TWO_NODES = [{"id": 0, "cpus": "0-7"}, {"id": 1, "cpus": "8-15"}]


def named(
    roof: Roofline,
    speed: float = SLOW,
    flags: dict[str, str] | None = None,
    proof: DeviceProof | None = None,
    **run: Any,
) -> dict[str, Suspect]:
    server = roof.server
    made = build.result(
        build.measured("generation_throughput", [speed] * 6),
        setup=Setup("s", server, "coder", 39.79, {"--threads": "14"} if flags is None else flags),
        telemetry={"runs": [QUIET, QUIET | run]},
    )
    found = suspects.suspects(made, roof, proof, roofline.points(made, roof))
    return {each.what: each for each in found}


def test_a_healthy_host_has_no_suspects() -> None:
    assert named(rooflines.roof(), GOOD) == {}
    assert named(rooflines.roof(GPU), 50.0, {}) == {}


def test_a_slow_one_without_any_sign_has_none_either_and_says_so() -> None:
    roof = rooflines.roof()
    assert named(roof) == {}
    made = build.result(build.measured("generation_throughput", [SLOW] * 6))
    told = list(suspects.findings(roof, roofline.points(made, roof), ()))
    assert told == [
        "generation reaches 34% in decode of the limit, and 60%–90% is usual: nothing that was looked at explains it"
    ]


CPU_CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("a neighbour on the cores", {}, {"run": {"others_cores": 1.0}}, "1.00 of 16 cores", "systemd-cgtop"),
    ("a hypervisor that gives the cores to others", {}, {"run": {"steal_cores": 3.2}}, "3.20 of 16", "vcpupin"),
    ("weights in swap", {}, {"run": {"swapped_in_pages": 90}}, "up to 90 pages", "mmap+mlock"),
    ("weights in swap", {"seen__swapped_bytes": 7_000_000_000}, {}, "7,000 MB", "swapoff"),
    ("as many threads as cores", {}, {"flags": {"--threads": "16"}}, "--threads 16 on 16", "llama_server_threads: 14"),
    ("too few threads to draw the bandwidth", {}, {"flags": {"--threads": "4"}}, "one core reads 45.0 of 490.0", ": 14"),
    (
        "pages on another node than the cores",
        {"facts__numa__nodes": TWO_NODES, "seen__cpus": "0-7", "seen__pages": {"0": 5e9, "1": 25e9}},
        {},
        "its cores are on nodes 0, its pages on node 0 5.0 GB, node 1 25.0 GB",
        "interleave",
    ),
    (
        "pages on another node than the cores",
        {"facts__numa__nodes": TWO_NODES, "seen__cpus": "0-15", "seen__pages": {"0": 1e9, "1": 29e9}},
        {},
        "node 1 29.0 GB",
        "interleave",
    ),
    ("cores below their clock", {}, {"run": {"mhz": 1400.0}}, "1,400 of 5,000 MHz", "turbostat"),
    (
        "llama.cpp without AVX-512",
        {"seen__system_info": "system_info: n_threads = 14 | AVX2 = 1 | FMA = 1"},
        {},
        "AVX2 = 1",
        "GGML_CPU_ALL_VARIANTS",
    ),
    ("weights in small pages", {"seen__anon_huge": 0}, {}, "0.0 of 30.0 GB", "hugetlb=1"),
    ("memory channels without a DIMM", {"facts__memory__channels": 6}, {}, "6 of 12 channels", "dmidecode"),
    ("DIMMs below their speed", {"facts__memory__configured_mts": 4800}, {}, "4800 MT/s of 6400", "dmidecode"),
    ("memory slower than its DIMMs", {"memory__bytes_per_second": 300e9}, {}, "300 of 614 GB/s", "NPS1"),
    ("a node with slower memory", {"memory__nodes": {"0": 240e9, "1": 120e9}}, {}, "node 1 120", "DIMMs"),
    ("computes on the CPU though a GPU was asked for", {}, {"flags": {"--n-gpu-layers": "999"}}, "999", "nvidia-smi"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changed", "given", "evidence", "mend"), CPU_CASES)
def test_each_suspect_of_a_cpu_host(
    what: str, changed: dict[str, Any], given: dict[str, Any], evidence: str, mend: str
) -> None:
    found = named(rooflines.roof(**changed), flags=given.get("flags"), **given.get("run", {}))
    assert list(found) == [what]
    assert evidence in found[what].evidence
    assert mend in found[what].mend
    assert 0 < found[what].weight <= 1


GPU_CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("kernels are weight-only", {}, {"proof": DeviceProof("weight-only", evidence=("kernel: Marlin",))}, "Marlin", "W4A4"),
    ("eager mode", {}, {"flags": {"--enforce-eager": "True"}}, "no CUDA graphs", "--enforce-eager"),
    (
        "a power cap on the GPU",
        {"gpus": [{"index": 0, "power": {"limit_watts": 200.0, "default_watts": 300.0}}]},
        {},
        "200 W of 300",
        "nvidia-smi -i 0 -pl 300",
    ),
    ("power limit of the GPU", {}, {"run": {"throttles": ["power cap"]}}, "power cap", "-pl"),
    ("a GPU that is held back", {}, {"run": {"throttles": ["thermal (hardware)"], "celsius": 94.0}}, "94 °C", "TEMPERATURE"),
    ("a GPU below its clock", {}, {"run": {"gpu_mhz": 900.0}}, "900 of 3,090 MHz", "nvidia-smi -rgc"),
    ("a part of a GPU", {"gpus": [{"index": 0, "mig": {"enabled": True}}]}, {}, "MIG", "-mig 0"),
    ("VRAM slower than its data sheet", {"memory__copied": 900e9}, {}, "900 of 1,792 GB/s", "-rmc"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changed", "given", "evidence", "mend"), GPU_CASES)
def test_each_suspect_of_a_gpu(
    what: str, changed: dict[str, Any], given: dict[str, Any], evidence: str, mend: str
) -> None:
    roof = rooflines.roof(GPU, **changed)
    found = named(roof, 25.0, given.get("flags", {}), given.get("proof"), **given.get("run", {}))
    assert list(found) == [what]
    assert evidence in found[what].evidence
    assert mend in found[what].mend


def test_what_lowers_the_limit_is_told_of_a_host_that_reaches_it() -> None:
    roof = rooflines.roof(memory__bytes_per_second=250e9, facts__memory__channels=6, memory__median=245e9)
    assert list(named(roof, 7.0)) == ["memory slower than its DIMMs", "memory channels without a DIMM"]


def test_the_heaviest_comes_first() -> None:
    roof = rooflines.roof(seen__swapped_bytes=9_000_000_000, seen__anon_huge=0)
    found = named(roof, flags={"--threads": "16"}, others_cores=2.0)
    assert list(found) == [
        "weights in swap",
        "a neighbour on the cores",
        "as many threads as cores",
        "weights in small pages",
    ]
    made = build.result(build.measured("generation_throughput", [SLOW] * 6))
    told = list(suspects.findings(roof, roofline.points(made, roof), list(found.values())))
    assert [each[:9] for each in told] == ["generatio", "suspect 1", "suspect 2", "suspect 3"]


@pytest.mark.parametrize("channels", [None, 12])
def test_channels_that_are_full_or_not_known_are_no_suspect(channels: int | None) -> None:
    assert named(rooflines.roof(facts__memory__channels=channels), GOOD) == {}


def test_another_processor_has_no_table_of_channels() -> None:
    cpu = FACTS["cpu"] | {"model": "AMD EPYC"}
    assert named(rooflines.roof(facts__cpu=cpu, facts__memory__channels=1), GOOD) == {}


def test_a_busy_measurement_and_an_impossible_share_are_told() -> None:
    roof = rooflines.roof(memory__busy="others took 1.25 of 2 cores meanwhile", gaps=["no DIMM was seen"])
    made = build.result(build.measured("generation_throughput", [40.0] * 6))
    first, second, third = suspects.findings(roof, roofline.points(made, roof), ())
    assert first.startswith("decode: 40 tok/s are more than the limit of 17.4")
    assert "others took 1.25 of 2 cores" in second
    assert third == "no DIMM was seen"
