"""Which cores and which nodes a declared server gets. Pure; `numa` hands the result on as advice.

Two cores stay with the system. A server on the CPU gets one thread a core; one on a GPU gets what is left, near its GPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..facts import lists
from ..facts.model import Facts
from ..server_flags import KEPT_CORES, threads
from .base import Draft, Placement, memory_nodes
from .servers import LLAMA_NUMA, Server

SOURCE = "llama.cpp #11744, colibri #82; llama-bench beside one busy loop; 14 threads run on an EPYC 9175F's 16 cores"
NEIGHBOUR = "two cores stay free: threads on all cores and one busy neighbour halve generation (measured: 26.6 → 11.0 tokens/s)"
INTERLEAVED = (
    "interleaved, so that all memory channels work (published: +7 % to +80 % over memory on one node)"
)
THP_ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
HUGETLB_ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=2"}


def place(draft: Draft, servers: Sequence[Server]) -> list[Placement]:
    """A placement for each server. Refuses more servers on the CPU than there are cores for them."""
    cores = _cores(draft.facts)
    on_cpu = [server for server in servers if server.device == "cpu"]
    free = cores[len(cores) - threads(len(cores)) :] if cores else []
    spare = [core for core in cores if core not in free]
    if not on_cpu:
        return [_on_gpu(draft.facts, server, []) for server in servers]
    if len(free) < len(on_cpu):
        draft.refuse(
            f"too many servers on the CPU: {len(on_cpu)}, and {len(free)} of {len(cores)} cores may be theirs",
            "tuning_servers",
            "Declare fewer, or run some on the GPU.",
        )
        return []
    shares = _shares(draft.facts, on_cpu, free)
    _note_crowding(draft, on_cpu, len(free))
    return [
        _on_cpu(draft.facts, server, shares[server.name], several=len(on_cpu) > 1)
        if server.device == "cpu"
        else _on_gpu(draft.facts, server, spare)
        for server in servers
    ]


def _cores(facts: Facts) -> list[frozenset[int]]:
    """The CPUs of each core, in order; isolated CPUs are nobody's unless asked for by name."""
    taken = lists.parse(facts.cpu.isolated)
    cores = [lists.parse(core) for core in facts.cpu.core_cpus]
    return sorted((core for core in cores if not core & taken), key=min)


def _shares(
    facts: Facts, servers: Sequence[Server], free: Sequence[frozenset[int]]
) -> Mapping[str, list[frozenset[int]]]:
    """Cores of each server: its node's where it is bound, else a part of all in one piece."""
    bound = {
        server.name: _bound_nodes(facts, server, number, len(servers))
        for number, server in enumerate(servers)
    }
    shares: dict[str, list[frozenset[int]]] = {}
    each = len(free) // len(servers)
    for number, server in enumerate(servers):
        cpus = _cpus_of(facts, bound[server.name])
        own = [core for core in free if core <= cpus] if cpus else []
        end = (number + 1) * each if number + 1 < len(servers) else len(free)
        shares[server.name] = own or list(free[number * each : end])
    return shares


def _bound_nodes(facts: Facts, server: Server, number: int, servers: int) -> frozenset[int]:
    """Nodes that a server is bound to: the one that was asked for, or its own where each of several fits on one."""
    nodes = [node for node in memory_nodes(facts) if node.cpus]
    if len(nodes) < 2 or server.numa not in ("bind", "auto"):
        return frozenset()
    if server.numa == "bind":
        return lists.parse(server.node) if server.node else frozenset({nodes[number % len(nodes)].id})
    mine = nodes[number % len(nodes)]
    return (
        frozenset({mine.id})
        if 1 < servers <= len(nodes) and 0 < server.memory_bytes <= mine.memory_bytes
        else frozenset()
    )


def _cpus_of(facts: Facts, nodes: frozenset[int]) -> frozenset[int]:
    return frozenset(cpu for node in facts.numa.nodes if node.id in nodes for cpu in lists.parse(node.cpus))


def _on_cpu(facts: Facts, server: Server, cores: Sequence[frozenset[int]], *, several: bool) -> Placement:
    chosen = cores[: server.threads] if server.threads else cores
    used = server.threads or len(cores)
    nodes = frozenset(node.id for node in memory_nodes(facts))
    home = frozenset(
        node.id for node in facts.numa.nodes if node.cpus and _union(chosen) & lists.parse(node.cpus)
    )
    why, policy, where = NEIGHBOUR, "", frozenset[int]()
    if len(nodes) > 1 and server.numa not in ("none", *LLAMA_NUMA):
        bound = server.numa == "bind" or (server.numa == "auto" and several and len(home) == 1)
        policy, where = ("bind", home or nodes) if bound else ("interleave", nodes)
        why += "; bound to the node of its cores" if bound else f"; {INTERLEAVED}"
    if server.numa == "distribute" and len(nodes) > 1:
        why += "; --numa distribute works on mapped weights after the page cache was dropped once"
    return Placement(
        server=server.name,
        threads=used,
        # One thread a core: two on a core read the same channel in turns.
        cpus=lists.show(min(core) for core in chosen),
        nodes=lists.show(where),
        policy=policy,
        load_mode=_load_mode(server),
        environment=_environment(server),
        why=why,
        source=SOURCE,
    )


def _on_gpu(facts: Facts, server: Server, spare: Sequence[frozenset[int]]) -> Placement:
    gpu = next(
        (device for device in facts.pci.devices if device.kind == "gpu" and device.node is not None), None
    )
    several = len(memory_nodes(facts)) > 1
    home = frozenset({gpu.node}) if gpu and several and gpu.node is not None else frozenset[int]()
    near = [core for core in spare if core <= _cpus_of(facts, home)] if home else list(spare)
    why = "gets the cores that the server on the CPU leaves" if spare else "may use every core"
    if home:
        why += f"; its memory lies on the GPU's node {lists.show(home)} (published: 1 to 10 %)"
    return Placement(
        server=server.name,
        threads=0,
        cpus=lists.show(_union(near or spare)),
        nodes=lists.show(home),
        policy="bind" if home else "",
        load_mode="",
        environment={},
        why=why,
        source=SOURCE,
    )


def _union(cores: Sequence[frozenset[int]]) -> frozenset[int]:
    return frozenset(cpu for core in cores for cpu in core)


def _load_mode(server: Server) -> str:
    """Huge pages back memory that is allocated, not files that are mapped: so the weights must be read in."""
    if server.engine != "llama.cpp" or server.load_mode not in ("", "auto"):
        return server.load_mode
    return "none" if server.pages in ("thp", "hugetlb") else server.load_mode


def _environment(server: Server) -> Mapping[str, str]:
    if server.engine != "llama.cpp" or server.load_mode in ("mmap", "mmap+mlock"):
        return {}
    return {"thp": THP_ENVIRONMENT, "hugetlb": HUGETLB_ENVIRONMENT}.get(server.pages, {})


def _note_crowding(draft: Draft, servers: Sequence[Server], free: int) -> None:
    asked = sum(server.threads for server in servers)
    if asked > free:
        draft.note(
            f"{asked} threads are asked for, and {free} cores are free for them: they slow each other down",
            "tuning_servers",
            f"{KEPT_CORES} cores are kept for the system; leave `threads` out.",
        )
