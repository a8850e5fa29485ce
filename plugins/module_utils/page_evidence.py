"""Whether a server really uses what was set for it: huge pages, pools, nodes and CPUs, by the kernel's own count. Pure.

A pool that nobody uses and a word in sysfs that does not reach the server look right everywhere else: the server falls
back to 4 KiB pages without an error (measured: 2 of 790 MB in a pool that was too small).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .facts import lists

MIB: Final = 1024**2
THP_KNOB: Final = "sysfs:/sys/kernel/mm/transparent_hugepage/enabled"
THP_SHARE: Final = 0.5
"""Of the weights. Measured: 0.93 of all memory where it took effect, 0 where it did not."""
POOL_SHARE: Final = 0.9
"""Of the weights; below, the pool was too small for them (facts measured: 0.997 or 0.003, nothing between)."""
UNEVEN: Final = 1.5
"""Times its even share on one node: interleaved memory differs by some pages a mapping, not by half."""
BACKINGS: Final = {"glibc.malloc.hugetlb=1": "thp", "glibc.malloc.hugetlb=2": "hugetlb"}
POOL: Final = re.compile(r"pool:(?:global|node\d+)/(\d+)kB")
SMAPS: Final = {
    "resident": "Rss",
    "anon_huge": "AnonHugePages",
    "private_hugetlb": "Private_Hugetlb",
    "shared_hugetlb": "Shared_Hugetlb",
}
"""Name here → line of smaps_rollup."""
DEFAULT_POOL_KIB: Final = "2048"
"""What glibc takes."""


@dataclass(frozen=True)
class Expected:
    """What a placement promises."""

    server: str
    unit: str
    memory_bytes: int = 0
    backing: str = ""
    """`thp`, `hugetlb` or nothing."""
    cpus: str = ""
    nodes: str = ""
    policy: str = ""


@dataclass(frozen=True)
class Seen:
    """A process, as the kernel counts it. Bytes."""

    resident: int
    transparent: int
    """AnonHugePages."""
    pooled: int
    """Private_Hugetlb and Shared_Hugetlb."""
    cpus: str = ""
    """Cpus_allowed_list."""
    by_node: Mapping[int, int] = field(default_factory=dict)
    """Memory that is its own, by node; empty where nobody asked."""


@dataclass(frozen=True)
class Pool:
    """Pages of a pool on one node, or on the host."""

    name: str
    """As its knob: `pool:node0/2048kB`."""
    pages: int
    free: int
    reserved: int
    """Promised to a program that has not touched them yet."""


@dataclass(frozen=True)
class Finding:
    """Something that is not used, or not as it was meant."""

    text: str
    knobs: tuple[str, ...] = ()
    """`kind:key` of those that are `ignored-by-workload`."""

    def __str__(self) -> str:
        return f"ignored-by-workload: {self.text}" if self.knobs else self.text


def expected(name: str, placement: Mapping[str, Any], memory_bytes: int) -> Expected:
    """What to look for, from a placement and the declared size. The unit has the server's name."""
    tunables = str(placement.get("environment", {}).get("GLIBC_TUNABLES", ""))
    backing = next((kind for word, kind in BACKINGS.items() if word in tunables.split(":")), "")
    texts = {key: str(placement.get(key, "")) for key in ("cpus", "nodes", "policy")}
    return Expected(name, f"{name.replace('_', '-')}.service", memory_bytes, backing, **texts)


def rollup(text: str) -> tuple[int, int, int]:
    """/proc/PID/smaps_rollup → resident, AnonHugePages, hugetlb, in bytes; 0 for a line that is not there."""
    found = sizes(text)
    return found["resident"], found["anon_huge"], found["private_hugetlb"] + found["shared_hugetlb"]


def sizes(text: str) -> dict[str, int]:
    """The same, by name, the two kinds of hugetlb apart."""
    found = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    return {name: found.get(line, 0) for name, line in SMAPS.items()}


def by_node(text: str) -> dict[int, int]:
    """/proc/PID/numa_maps → bytes of the process's own memory on each node; files it shares do not count."""
    found: dict[int, int] = {}
    for line in text.splitlines():
        size = re.search(r"\bkernelpagesize_kB=(\d+)", line)
        if size and re.search(r"\banon=|\bhuge\b", line):
            for node, pages in re.findall(r"\bN(\d+)=(\d+)", line):
                found[int(node)] = found.get(int(node), 0) + int(pages) * int(size[1]) * 1024
    return found


def allowed(status: str) -> str:
    """/proc/PID/status → the CPUs that it may run on."""
    match = re.search(r"^Cpus_allowed_list:\s*(\S*)$", status, re.MULTILINE)
    return match[1] if match else ""


def judge(wanted: Expected, seen: Seen, pools: Iterable[str]) -> list[Finding]:
    """What one server does not do as it was meant to. `pools`: the knobs that set some aside."""
    found = [_huge(wanted, seen, tuple(pools)), _confined(wanted, seen), _spread(wanted, seen)]
    return [finding for finding in found if finding]


def _huge(wanted: Expected, seen: Seen, pools: tuple[str, ...]) -> Finding | None:
    size = wanted.memory_bytes or seen.resident
    if wanted.backing == "thp" and seen.transparent < THP_SHARE * size:
        return Finding(
            f"{wanted.server} has {_mib(seen.transparent)} in transparent huge pages, of {_mib(size)} of weights and "
            f"{_mib(seen.resident)} resident (AnonHugePages). Is transparent_hugepage/enabled madvise or always, does GLIBC_TUNABLES "
            "reach it, and are the weights read in (load mode none)?",
            (THP_KNOB,),
        )
    if wanted.backing == "hugetlb" and seen.pooled < POOL_SHARE * size:
        mine = [name for name in pools if (match := POOL.fullmatch(name)) and match[1] == DEFAULT_POOL_KIB]
        return Finding(
            f"{wanted.server} has {_mib(seen.pooled)} in its pool, of {_mib(size)} of weights and {_mib(seen.resident)} resident "
            "(Private_Hugetlb): the rest fell back to 4 KiB pages. Is the pool large enough, and are the weights read in?",
            tuple(mine) or ("pool:global/2048kB",),
        )
    return None


def _confined(wanted: Expected, seen: Seen) -> Finding | None:
    if not wanted.cpus or lists.parse(seen.cpus) <= lists.parse(wanted.cpus):
        return None
    return Finding(
        f"{wanted.server} was to run on CPUs {wanted.cpus} and may run on {seen.cpus}: its control group has no cpuset"
    )


def _spread(wanted: Expected, seen: Seen) -> Finding | None:
    """Interleaved: alike on each node. Bound: on those nodes alone."""
    total, nodes = sum(seen.by_node.values()), lists.parse(wanted.nodes)
    if not (total and nodes and wanted.policy):
        return None
    shares = ", ".join(f"node {node} {_mib(size)}" for node, size in sorted(seen.by_node.items()))
    outside = sum(size for node, size in seen.by_node.items() if node not in nodes)
    if wanted.policy == "bind" and outside > total * (1 - POOL_SHARE):
        return Finding(
            f"{wanted.server} was to be bound to nodes {wanted.nodes}, and its memory lies on {shares}"
        )
    if wanted.policy == "interleave" and max(seen.by_node.values()) > UNEVEN * total / len(nodes):
        return Finding(
            f"{wanted.server} was to be interleaved over nodes {wanted.nodes}, and its memory lies on {shares}"
        )
    return None


def idle(pools: Iterable[Pool]) -> list[Finding]:
    """Pools of which no page is used or promised."""
    return [
        Finding(
            f"{pool.name}: all {pool.pages} pages are free: nobody uses them, and the memory is gone for everything else",
            (pool.name,),
        )
        for pool in pools
        if pool.pages and pool.free == pool.pages and not pool.reserved
    ]


def _mib(size: int) -> str:
    return f"{size / MIB:.0f} MiB"
