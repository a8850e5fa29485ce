"""Real machines, read from recordings, against what lscpu's and lstopo's own tests expect of the same dumps."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostproof.play import recordings
from hostproof.shared.facts import gather
from hostproof.shared.facts.model import Facts

RECORDED = Path(__file__).parent / "recorded"
UNITS = {"KiB": 1024, "MiB": 1024**2}


@functools.cache
def read(name: str) -> Facts:
    with recordings.opened(RECORDED / f"{name}.tar.xz") as root:
        return gather.gather(root)


def lscpu(name: str) -> dict[str, str]:
    lines = (RECORDED / f"{name}.lscpu").read_text(encoding="utf-8").splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def lstopo(name: str) -> str:
    return (RECORDED / f"{name}.lstopo").read_text(encoding="utf-8")


def names(kind: str) -> list[str]:
    return sorted(path.name.removesuffix(kind) for path in RECORDED.glob(f"*{kind}"))


def test_there_are_hosts_with_numbers_from_elsewhere() -> None:
    assert len(names(".lscpu")) >= 3
    assert len(names(".lstopo")) >= 2


@pytest.mark.parametrize("name", names(".lscpu"))
def test_processor_as_lscpu_says(name: str) -> None:
    said, cpu = lscpu(name), read(name).cpu
    assert cpu.model == said["Model name"]
    assert cpu.vendor == said["Vendor ID"]
    assert cpu.family == int(said["CPU family"])
    assert cpu.model_number == int(said["Model"])
    assert cpu.stepping == int(said["Stepping"])
    assert cpu.sockets == int(said["Socket(s)"])
    assert cpu.cores == int(said["Core(s) per socket"]) * int(said["Socket(s)"])
    assert cpu.threads == int(said["CPU(s)"])
    assert cpu.threads_per_core == int(said["Thread(s) per core"])
    assert cpu.online == said["On-line CPU(s) list"]


@pytest.mark.parametrize("name", names(".lscpu"))
def test_level_3_caches_as_lscpu_says(name: str) -> None:
    match = re.fullmatch(r"([0-9]+) (KiB|MiB) \(([0-9]+) instances?\)", lscpu(name)["L3 cache"])
    assert match
    cpu = read(name).cpu
    assert cpu.l3_bytes == int(match[1]) * UNITS[match[2]]
    assert len(cpu.l3_domains) == int(match[3])


@pytest.mark.parametrize("name", names(".lscpu"))
def test_nodes_as_lscpu_says(name: str) -> None:
    said = lscpu(name)
    expected = {
        int(match[1]): value
        for key, value in said.items()
        if (match := re.fullmatch(r"NUMA node([0-9]+) CPU\(s\)", key))
    }
    assert len(expected) == int(said["NUMA node(s)"])
    assert {node.id: node.cpus for node in read(name).numa.nodes} == expected


@pytest.mark.parametrize("name", names(".lstopo"))
def test_counts_as_lstopo_says(name: str) -> None:
    counted = {kind: int(count) for count, kind in re.findall(r"([0-9]+) (\w+) \(type #", lstopo(name))}
    facts = read(name)
    assert facts.cpu.sockets == counted["Package"]
    assert facts.cpu.cores == counted["Core"]
    assert facts.cpu.threads == counted["PU"]
    assert len(facts.cpu.l3_domains) == counted["L3Cache"]
    assert len(facts.numa.nodes) == counted["NUMANode"]


@pytest.mark.parametrize("name", names(".lstopo"))
def test_memory_of_nodes_as_lstopo_says(name: str) -> None:
    said = re.findall(r"NUMANode L#[0-9]+ \(P#([0-9]+) local=([0-9]+)KB", lstopo(name))
    assert {n.id: n.memory_bytes for n in read(name).numa.nodes} == {int(i): int(k) * 1024 for i, k in said}


def matrix(text: str) -> Iterator[tuple[int, ...]]:
    for line in text.splitlines():
        if re.fullmatch(r" +[0-9]+(?: +[0-9]+)+", line):
            yield tuple(map(int, line.split()))[1:]


def test_distances_as_lstopo_says() -> None:
    name = "opteron-48c-sparse-nodes"
    expected = list(matrix(lstopo(name)))
    assert len(expected) == 8
    assert [node.distances for node in read(name).numa.nodes] == expected


def test_epyc_s_dies_and_nodes_per_socket_are_worked_out() -> None:
    """The 7451 has four dies of two L3 domains, each its own node: what later firmware calls NPS4."""
    facts = read("epyc-7451-2s-nps4")
    assert facts.cpu.ccds == 8
    assert facts.numa.nps == 4
    assert facts.numa.l3_as_numa is False
    assert [domain.node for domain in facts.cpu.l3_domains] == [n for n in range(8) for _ in range(2)]
    assert [domain.socket for domain in facts.cpu.l3_domains] == [0] * 8 + [1] * 8
    assert facts.cpu.l3_domains[1].cpus == "3-5,51-53"


def test_epyc_s_clock() -> None:
    """`Frequency boost: enabled`, `CPU max MHz: 2300`, `CPU min MHz: 1200` in lscpu's words."""
    power = read("epyc-7451-2s-nps4").power
    assert (power.driver, power.governors, power.policies) == ("acpi-cpufreq", {"performance": 96}, 96)
    assert (power.boost, power.minimum_khz, power.maximum_khz) == (True, 1_200_000, 2_300_000)
    assert [state.name for state in power.idle_states] == ["POLL", "C1", "C2"]


def test_a_socket_without_memory_leaves_nps_open() -> None:
    numa = read("xeon-x7550-4s-smt").numa
    assert numa.nps is None
    assert "3 nodes on 4 sockets" in numa.nps_why
    assert read("xeon-x7550-4s-smt").cpu.ccds is None


def test_offline_cpus_are_not_counted() -> None:
    cpu = read("xeon-4s-offline-cpus").cpu
    assert (cpu.threads, cpu.cores) == (12, 7)


def test_pci_devices_are_found_by_class() -> None:
    devices = {d.address: (d.kind, f"{d.vendor}:{d.device}") for d in read("xeon-e7-4870-pci").pci.devices}
    assert devices["0000:09:03.0"] == ("gpu", "102b:0532")
    assert devices["0000:02:00.0"] == ("network", "14e4:1639")
    assert "0000:00:1f.2" not in devices


@pytest.mark.parametrize("name", names(".tar.xz"))
def test_what_a_recording_lacks_is_said(name: str) -> None:
    unreadable = read(name).unreadable
    assert unreadable["/sys/firmware/dmi/tables/DMI"] == "not there"
    assert unreadable["/proc/cmdline"] == "not there"
