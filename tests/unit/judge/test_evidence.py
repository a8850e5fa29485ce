"""Which settings, by the kernel's own count, never reached the server."""

from __future__ import annotations

from typing import Any

import pytest

from hostproof.judge import evidence
from hostproof.judge.evidence import MIB, Evidence, unused

THP = "sysfs:/sys/kernel/mm/transparent_hugepage/enabled"
GOVERNOR = "sysfs:/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
NOTHING = Evidence(resident=300 * MIB)


@pytest.mark.parametrize(
    ("knob", "a", "b", "said"),
    [
        (THP, NOTHING, NOTHING, "no huge pages under either arm"),
        (THP, NOTHING, Evidence(resident=300 * MIB, anon_huge=280 * MIB), ""),
        (
            "service_pages",
            *[Evidence(resident=300 * MIB, anon_huge=280 * MIB)] * 2,
            "as many huge pages under A as under B (280 MiB",
        ),
        (
            "pool:node1/2048kB",
            NOTHING,
            Evidence(pools={"node1/2048kB": (16, 16)}),
            "all 16 pages were free under B",
        ),
        ("pool:node1/2048kB", NOTHING, Evidence(pools={"node0/2048kB": (8, 8), "node1/2048kB": (16, 4)}), ""),
        (
            "pool:global/2048kB",
            NOTHING,
            Evidence(pools={"node0/2048kB": (8, 8), "node1/2048kB": (8, 8)}),
            "all 16 pages",
        ),
        ("pool:node1/2048kB", NOTHING, NOTHING, "there was no page in it under B"),
        (GOVERNOR, Evidence(mhz=2600), Evidence(mhz=2610), "the clock under load was the same"),
        (GOVERNOR, Evidence(mhz=2600), Evidence(mhz=4100), ""),
        (GOVERNOR, NOTHING, NOTHING, "tells no clock rate"),
        ("service_nodes", Evidence(nodes={"0": 100, "1": 0}), Evidence(nodes={"0": 50, "1": 50}), ""),
        ("service_nodes", Evidence(nodes={"0": 100}), Evidence(nodes={"0": 98, "1": 2}), "on the same nodes"),
        ("sysctl:kernel.numa_balancing", Evidence(events={"numa_pte_updates": 9}), NOTHING, ""),
        ("sysctl:kernel.numa_balancing", NOTHING, NOTHING, "(numa_pte_updates 0)"),
        (
            "sysctl:vm.swappiness",
            NOTHING,
            Evidence(events={"pswpin": 0, "pswpout": 0}),
            "(pswpin, pswpout 0)",
        ),
        ("sysctl:kernel.something", NOTHING, NOTHING, ""),
    ],
)
def test_a_knob_that_made_no_difference_is_named_with_the_count(
    knob: str, a: Evidence, b: Evidence, said: str
) -> None:
    told = list(unused([knob], a, b))
    assert (len(told) == 1 and told[0].startswith(f"{knob}: ") and said in told[0]) if said else told == []


def witness(anon: int, mhz: float | None, others: float = 0.0) -> dict[str, Any]:
    return {
        "pages": {"resident": 10, "anon_huge": anon, "private_hugetlb": 1, "shared_hugetlb": 2},
        "mhz": {"mean": mhz, "fastest": mhz, "looks": 3} if mhz else {},
        "nodes": {"0": anon},
        "pressure": {"cpu some": 0.1},
        "server_pressure": {},
        "load": [others, others],
        "events": {"pswpin": 2},
        "pools": {"node0/2048kB": {"pages": 4, "free": 3}},
    }


def test_an_arm_is_the_middle_of_its_visits() -> None:
    found = evidence.of([witness(1, 2000), witness(5, None), witness(3, 3000)], [0.1, 0.9, 0.2])
    assert (found.anon_huge, found.hugetlb, found.huge) == (3, 3, 6)
    assert (found.mhz, found.others, found.nodes["0"], found.events["pswpin"]) == (2500, 0.2, 3, 2)
    assert found.pools == {"node0/2048kB": (4, 3)} and found.pressure == {"cpu some": 0.1}


def test_no_visit_is_no_evidence() -> None:
    assert evidence.of([], []) == Evidence()
