"""How fast memory is read: what is planned, what counts as busy, what is kept, and one real measurement."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hostproof.shared import bandwidth
from hostproof.shared.bandwidth import Bandwidth, BandwidthError, Place, Rate

MIB, GIB = 1024**2, 1024**3


def facts(**more: Any) -> dict[str, Any]:
    return {
        "cpu": {
            "model": "AMD EPYC 9175F",
            "core_cpus": [f"{core},{core + 16}" for core in range(16)],
            "l3_bytes": 512 * MIB,
        },
        "numa": {"nodes": [{"id": 0, "cpus": "0-31"}]},
        "memory": {
            "available_bytes": 700 * GIB,
            "total_bytes": 768 * GIB,
            "dimms": [
                {"slot": f"DIMM {n}", "size_bytes": 64 * GIB, "configured_mts": 6400} for n in range(12)
            ],
        },
        "kernel": {"release": "6.8.0-142-generic"},
        **more,
    }


def rate(median: float, low: float, best: float) -> Rate:
    return Rate(median * 1e9, low * 1e9, best * 1e9, 9, 16)


QUIET = Bandwidth(rate(480, 470, 490), rate(40, 39, 41), {0: rate(480, 470, 490)}, 128 * MIB)


def test_one_cpu_of_each_core_reads() -> None:
    place = bandwidth.place(facts(), frozenset(range(32)))
    assert place.nodes == {0: list(range(16))}
    assert place.buffer() == (128 * MIB, "")  # 16 buffers are 2 GiB, four times the 512 MiB of cache


def test_a_core_of_which_only_the_second_thread_is_allowed_reads_with_that() -> None:
    assert bandwidth.place(facts(), frozenset({0, 17})).cores == [0, 17]


def test_each_node_has_its_own_cores() -> None:
    nodes = [{"id": 0, "cpus": "0-7,16-23"}, {"id": 2, "cpus": "8-15,24-31"}, {"id": 3, "cpus": ""}]
    place = bandwidth.place(facts(numa={"nodes": nodes}), frozenset(range(32)))
    assert place.nodes == {0: list(range(8)), 2: list(range(8, 16))}


def test_without_a_core_nothing_is_measured() -> None:
    with pytest.raises(BandwidthError, match="no core"):
        bandwidth.place(facts(), frozenset())


def test_small_memory_means_small_buffers_and_says_so() -> None:
    size, why = Place({0: [0, 1]}, 512 * MIB, 2 * GIB).buffer()
    assert size == 256 * MIB
    assert "less than 4 times the 0.54 GB of cache" in why


@pytest.mark.parametrize(
    ("found", "words"),
    [(rate(480, 470, 490), ""), (rate(300, 200, 490), "200.0 to 490.0 GB/s, with a median of 300.0")],
)
def test_rounds_that_differ_are_told(found: Rate, words: str) -> None:
    told = bandwidth.unsteady(found)
    assert words in told
    assert bool(told) is bool(words)


@pytest.mark.parametrize(
    ("busy", "words"), [(15.9, ""), (17.0, ""), (24.0, "others took 5.33 of 16 cores meanwhile")]
)
def test_a_neighbour_is_told(busy: float, words: str) -> None:
    assert bandwidth._neighbours(busy, 16.0, 1.5, 16) == words


def test_a_record_stands_while_the_host_is_the_same() -> None:
    place = bandwidth.place(facts(), frozenset(range(32)))
    key = bandwidth.key(facts(), place)
    text = bandwidth.record(QUIET, key, "2026-11-25T07:00:00Z")
    assert bandwidth.kept(text, key) == QUIET
    fewer = facts()
    fewer["memory"] = fewer["memory"] | {"dimms": fewer["memory"]["dimms"][:6]}
    assert bandwidth.kept(text, bandwidth.key(fewer, place)) is None
    newer = facts(kernel={"release": "6.14.0-33-generic"})
    assert bandwidth.kept(text, bandwidth.key(newer, place)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": "hostproof.bandwidth/1"}'])
def test_a_record_that_cannot_be_read_is_none(text: str) -> None:
    assert bandwidth.kept(text, {}) is None


def test_a_damaged_figure_is_no_record() -> None:
    text = bandwidth.record(QUIET, {}, "now").replace('"best"', '"beast"')
    assert bandwidth.kept(text, {}) is None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandwidth, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(bandwidth, "ROUNDS", 3)
    monkeypatch.setattr(bandwidth, "TRIES", 1)


def here() -> Place:
    return Place({0: [min(os.sched_getaffinity(0))]}, 0, 4 * GIB)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.usefixtures("quick")
def test_this_machine_reads_and_leaves_nothing_behind() -> None:
    before, files = children(), len(list(Path("/proc/self/fd").iterdir()))
    found = bandwidth.measure(here())
    assert 0 < found.host.low <= found.host.median <= found.host.best
    assert 1e8 < found.host.best < 1e12
    assert found.host.cores == 1
    assert found.nodes == {}
    assert children() == before
    assert len(list(Path("/proc/self/fd").iterdir())) == files


@pytest.mark.usefixtures("quick")
def test_a_host_that_was_not_ours_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stat").write_text("cpu 0 0 0 0 0 0 0 0\n")
    rounds = bandwidth._rounds

    def meanwhile(*given: Any) -> Any:
        (tmp_path / "stat").write_text("cpu 900 0 0 0 0 0 0 100\n")
        return rounds(*given)

    monkeypatch.setattr(bandwidth, "_rounds", meanwhile)
    assert "of 1 cores meanwhile" in bandwidth.measure(here(), tmp_path).busy


@pytest.mark.usefixtures("quick")
def test_a_cpu_that_is_not_there_is_one_sentence() -> None:
    before = children()
    with pytest.raises(BandwidthError, match=r"could not read: .*Invalid argument"):
        bandwidth.measure(Place({0: [4095]}, 0, 4 * GIB))
    assert children() == before
