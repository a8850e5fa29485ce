"""NUMA nodes: CPUs, memory, distances, pools; and what the firmware's NPS setting must have been."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from . import lists
from .model import L3Domain, Node, Numa, Pool
from .tree import Tree

NODE = "/sys/devices/system/node"
FARTHEST = 255
"""ACPI's SLIT has a byte a distance."""
HIGHEST_NPS = 4
"""EPYC's firmware offers NPS0 (dual socket), 1, 2 and 4."""


def read_nodes(tree: Tree) -> tuple[Node, ...]:
    return tuple(_node(tree, int(name[4:])) for name in tree.names(NODE, r"node[0-9]{1,6}", needed=True))


def _node(tree: Tree, number: int) -> Node:
    folder = f"{NODE}/node{number}"
    cpus = tree.parsed(f"{folder}/cpulist", lists.parse) or tree.parsed(f"{folder}/cpumap", lists.parse_mask)
    meminfo = memory_info(tree, f"{folder}/meminfo")
    return Node(
        id=number,
        cpus=lists.show(cpus),
        memory_bytes=meminfo.get("MemTotal", 0),
        free_bytes=meminfo.get("MemFree", 0),
        distances=_distances(tree, f"{folder}/distance"),
        hugepages={
            name.removeprefix("hugepages-"): Pool(
                total=tree.count(f"{folder}/hugepages/{name}/nr_hugepages"),
                free=tree.count(f"{folder}/hugepages/{name}/free_hugepages"),
                surplus=tree.count(f"{folder}/hugepages/{name}/surplus_hugepages"),
            )
            for name in tree.names(f"{folder}/hugepages", r"hugepages-[0-9]{1,9}kB")
        },
    )


def memory_info(tree: Tree, path: str) -> dict[str, int]:
    """/proc/meminfo's lines, or a node's, which begin with `Node 0`. Bytes, or pages where no unit is written."""
    found: dict[str, int] = {}
    for line in tree.text(path, needed=True).splitlines():
        match = re.fullmatch(r"(?:Node [0-9]+ )?(\S+):\s+([0-9]{1,18})( kB)?", line.strip())
        if match:
            found[match[1]] = int(match[2]) * (1024 if match[3] else 1)
    if not found:
        tree.note(path, "no figure in it")
    return found


def _distances(tree: Tree, path: str) -> tuple[int, ...]:
    words = tree.text(path).split()
    if not all(re.fullmatch(r"[0-9]{1,3}", word) and int(word) <= FARTHEST for word in words):
        tree.note(path, f"not distances: {' '.join(words)[:40]!r}")
        return ()
    return tuple(map(int, words))


def cpus_by_node(nodes: Sequence[Node]) -> Mapping[int, frozenset[int]]:
    return {node.id: lists.parse(node.cpus) for node in nodes if node.cpus}


def numa(nodes: tuple[Node, ...], sockets: int, domains: Sequence[L3Domain]) -> Numa:
    """NPS is told by counting: the firmware does not say. Nodes without CPUs (CXL, GPU memory) do not count."""
    with_cpus = [node for node in nodes if node.cpus]
    if not with_cpus or not sockets:
        return Numa(nodes, None, "no nodes with CPUs were seen", None)
    count = len(with_cpus)
    homes = {domain.node for domain in domains} - {None}
    l3_as_numa = count > sockets and len(homes) == len(domains) == count
    nps, why = _nps(count, sockets, l3_as_numa)
    return Numa(nodes, nps, why, l3_as_numa)


def _nps(nodes: int, sockets: int, l3_as_numa: bool) -> tuple[int | None, str]:
    seen = f"{nodes} node{'s' * (nodes > 1)} on {sockets} socket{'s' * (sockets > 1)}"
    if nodes == 1:
        return (1 if sockets == 1 else 0), seen
    if nodes % sockets:
        return None, f"{seen} do not divide: a socket without memory, perhaps"
    if nodes // sockets > HIGHEST_NPS:
        return None, f"{seen}: " + ("the setting L3-as-NUMA" if l3_as_numa else "more than NPS4 makes")
    return nodes // sockets, seen
