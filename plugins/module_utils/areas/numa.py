"""Where memory and threads go: balancing, reclaim, swap, and a placement for each declared server.

On one node most of this is nothing: the kernel has balancing off by itself, and llama.cpp's --numa does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..facts import lists
from ..facts.model import Facts, Node
from . import servers as declared
from .base import AUTO, LEAVE, Derived, Draft, Option, Reason, Wishes, memory_nodes, parse
from .placing import place
from .servers import LLAMA_NUMA, SERVERS, Server

AREA = "numa"
BALANCING = Option(
    "tuning_numa_balancing",
    "str",
    AUTO,
    "moving memory after the threads; auto: off where there is more than one node, nothing elsewhere",
    (AUTO, LEAVE, "0", "1"),
)
RECLAIM = Option(
    "tuning_zone_reclaim_mode",
    "str",
    "0",
    "whether a full node drops its page cache before memory of the next node is used",
    (LEAVE, "0", "1"),
)
SWAPPINESS = Option("tuning_swappiness", "str", "10", "how readily memory is swapped, 0 to 200, or leave")
SWAPPINESS_MOST = 200
BANNED = Option(
    "tuning_irqbalance_banned",
    "str",
    LEAVE,
    "CPUs that irqbalance keeps interrupts off: those of the servers on the CPU (servers), CPUs as 2-15, or leave",
)
OF_SERVERS = "servers"
WISHES = (SERVERS, BALANCING, RECLAIM, SWAPPINESS, BANNED)
REASONS: Mapping[str, Reason] = {
    "balancing": Reason(
        what="the kernel's moving of memory to the node whose CPUs use it",
        why="it interrupts threads to find out who uses what, and llama.cpp warns of it",
        source="llama.cpp ggml-cpu.c; DeepEP #644; ROCm mi300x.rst says to test both; TuneD hpc-compute sets 0",
        effect="published: task_numa_work 5 ms on average, 139 calls a minute, some 16 to 31 ms",
        risk="programs whose memory lies badly and who place nothing themselves get slower",
        see="cat /proc/sys/kernel/numa_balancing",
    ),
    "reclaim": Reason(
        what="whether a node that is full drops page cache before it uses another node's memory",
        why="with several nodes, 1 drops the pages of a memory-mapped model instead of using the next node",
        source="kernel vm.rst; derived. TuneD hpc-compute and linux-system-roles/hpc set 1: a conflict to know of",
        effect="none measured",
        risk="none known: 0 is the kernel's default",
        see="cat /proc/sys/vm/zone_reclaim_mode",
    ),
    "swappiness": Reason(
        what="how readily the kernel swaps memory instead of dropping page cache",
        why="weights must not be swapped out for page cache",
        source="TuneD throughput-performance sets 10",
        effect="none measured",
        risk="0 brings the out-of-memory killer earlier; 10 is harmless with memory to spare",
        see="cat /proc/sys/vm/swappiness",
    ),
    "irqbalance": Reason(
        what="CPUs that irqbalance puts no interrupt on (IRQBALANCE_BANNED_CPULIST)",
        why="asked for: an interrupt takes its CPU from a server's thread, and all other threads wait for that one",
        source="irqbalance(1); its unit takes the variable from a drop-in, which /etc/default/irqbalance wins over",
        effect="none measured",
        risk="the CPUs that are left carry every interrupt of network and drives; managed ones (NVMe) stay where their driver put them",
        see="grep . /proc/irq/*/smp_affinity_list",
    ),
}


def derive(facts: Facts, wishes: Wishes) -> Derived:
    draft = Draft(AREA, facts, REASONS)
    asked = parse(draft, [BALANCING, RECLAIM, SWAPPINESS, BANNED], wishes)
    servers = declared.read(draft, wishes)
    declared.check(draft, servers)
    _want_balancing(draft, asked[BALANCING.name], explicit=BALANCING.name in wishes)
    _want_reclaim(draft, asked[RECLAIM.name], servers)
    _want_swappiness(draft, asked[SWAPPINESS.name])
    _refuse_policies(draft, servers)
    if not any(finding.severity == "refuse" for finding in draft.findings):
        draft.placements += place(draft, servers)
    _want_banned(draft, asked[BANNED.name], servers)
    return draft.done()


def _want_balancing(draft: Draft, wish: str, *, explicit: bool) -> None:
    several = len(draft.facts.numa.nodes) > 1
    if wish == LEAVE:
        return
    if not several:
        if explicit and wish != AUTO:
            draft.note("numa_balancing does nothing on one node", BALANCING.name, "Leave it out.")
        return
    nodes = f"{len(draft.facts.numa.nodes)} nodes here"
    draft.want("balancing", "sysctl", "kernel.numa_balancing", "0" if wish == AUTO else wish, why=nodes)


def _want_reclaim(draft: Draft, wish: str, servers: Sequence[Server]) -> None:
    if wish == LEAVE:
        return
    mapped = [
        s.name for s in servers if s.device == "cpu" and s.load_mode in ("", "auto", "mmap", "mmap+mlock")
    ]
    if wish == "1" and len(draft.facts.numa.nodes) > 1 and mapped:
        draft.refuse(
            f"zone_reclaim_mode 1 with {len(draft.facts.numa.nodes)} nodes drops the mapped weights of {', '.join(mapped)} "
            "instead of using the next node",
            RECLAIM.name,
            'Wish "0", or give the server load_mode: none.',
        )
        return
    draft.want("reclaim", "sysctl", "vm.zone_reclaim_mode", wish)


def _want_swappiness(draft: Draft, wish: str) -> None:
    if wish == LEAVE:
        return
    if not (wish.isascii() and wish.isdigit() and int(wish) <= SWAPPINESS_MOST):
        mend = f"A number from 0 to {SWAPPINESS_MOST}, or leave."
        draft.refuse(f"{SWAPPINESS.name} is {wish!r}", SWAPPINESS.name, mend)
        return
    draft.want("swappiness", "sysctl", "vm.swappiness", str(int(wish)))


def _want_banned(draft: Draft, wish: str, servers: Sequence[Server]) -> None:
    if wish == LEAVE:
        return
    online = lists.parse(draft.facts.cpu.online)
    try:
        cpus = _cpus_of(draft, servers) if wish == OF_SERVERS else lists.parse(wish)
    except ValueError as error:
        mend = f"Write CPUs as 2-15 or 2,4,6, or {OF_SERVERS}, or {LEAVE}."
        draft.refuse(f"{BANNED.name} is {wish!r}: {error}", BANNED.name, mend)
        return
    if not cpus:
        draft.note(
            "no server on the CPU has CPUs of its own: nothing is kept off any", BANNED.name, "Name the CPUs."
        )
    elif not cpus <= online:
        missing, known = lists.show(cpus - online), draft.facts.cpu.online or "unknown"
        draft.refuse(f"there are no CPUs {missing}", BANNED.name, f"CPUs here: {known}.")
    elif cpus == online:
        draft.refuse("interrupts must go to some CPU", BANNED.name, "Leave at least two CPUs out.")
    else:
        key = "irqbalance.service IRQBALANCE_BANNED_CPULIST"
        draft.want("irqbalance", "environment", key, lists.show(cpus))


def _cpus_of(draft: Draft, servers: Sequence[Server]) -> frozenset[int]:
    """Of the servers on the CPU, as they were placed."""
    on_cpu = {server.name for server in servers if server.device == "cpu"}
    places = [lists.parse(one.cpus) for one in draft.placements if one.server in on_cpu and one.cpus]
    return frozenset().union(*places)


def _refuse_policies(draft: Draft, servers: Sequence[Server]) -> None:
    nodes = memory_nodes(draft.facts)
    for server in servers:
        if any(word.partition("=")[0] == "--numa" for word in map(str, server.args)):
            draft.refuse(
                f"--numa among the extra words is a second owner of what numa: {server.numa} decides",
                server.where,
                f"Take it out, and say numa: {', '.join(LLAMA_NUMA)} instead if you want llama.cpp's own.",
            )
        if len(nodes) < 2:
            if server.numa == "bind" and nodes and server.node not in ("", str(nodes[0].id)):
                _refuse_bind(draft, server, nodes)
            elif server.numa in (*LLAMA_NUMA, "interleave", "bind"):
                draft.note(
                    f"numa: {server.numa} has no effect on one node",
                    server.where,
                    "Leave it out; nothing is lost.",
                )
        elif server.numa == "bind":
            _refuse_bind(draft, server, nodes)
        elif server.device == "cpu" and server.load_mode == "none" and server.numa in ("none", "isolate"):
            draft.refuse(
                f"load_mode: none without interleaving puts all weights on the node of the loading thread, one of {len(nodes)} "
                "(published: 2.4 instead of 4.3 tokens/s)",
                server.where,
                "Leave `numa` out, or say interleave.",
            )


def _refuse_bind(draft: Draft, server: Server, nodes: Sequence[Node]) -> None:
    wanted = {node.id: node for node in nodes}
    if not server.node:
        return
    try:
        chosen = lists.parse(server.node)
    except ValueError:
        chosen = frozenset({-1})
    if not chosen or not chosen <= set(wanted):
        draft.refuse(
            f"there is no node {server.node} with memory",
            server.where,
            f"Nodes here: {lists.show(wanted)}.",
        )
    elif 0 < sum(wanted[node].memory_bytes for node in chosen) < server.memory_bytes:
        draft.refuse(
            f"{server.memory_bytes / 1024**3:.1f} GiB do not fit node {server.node}",
            server.where,
            "Use numa: interleave, or bind it to more nodes.",
        )
