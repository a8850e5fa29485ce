"""Huge pages: explicit pools for declared consumers only, sized and checked against memory; transparent ones by word.

Reserving a pool does nothing for stock llama.cpp: it asks for none. So there is no pool unless somebody declares a use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..facts.model import Facts
from . import servers as declared
from .base import (
    LEAVE,
    Derived,
    Draft,
    Option,
    Reason,
    Wishes,
    memory_nodes,
    nearest,
    nodes_with_memory,
    parse,
    shown,
)
from .servers import Server

AREA = "hugepages"
SIZES = {"2M": 2048, "1G": 1048576}
"""Word → KiB; what x86-64 has."""
SLACK_PERCENT = 102
"""Two in a hundred more than the bytes: allocators round each buffer up."""
RESERVE_SHARE = 10
"""A tenth of a node's memory stays outside of pools, and at least this:"""
RESERVE_LEAST_BYTES = 1024**3
FIELDS = ("size", "pages", "bytes", "node", "at", "for")
POOLS = Option(
    "tuning_hugepages_pools",
    "list",
    [],
    "explicit pools: size (2M, 1G), bytes or pages, `for` whom; node (absent: over all nodes alike), at (boot for 1G, else runtime)",
)
RESERVE = Option(
    "tuning_hugepages_reserve_bytes",
    "int",
    0,
    "memory of each node that pools must leave; 0: a tenth, at least 1 GiB",
)
THP = Option(
    "tuning_thp",
    "str",
    "madvise",
    "transparent huge pages for all programs: madvise (those that ask), always, never, leave",
    ("madvise", "always", "never", LEAVE),
)
DEFRAG = Option(
    "tuning_thp_defrag",
    "str",
    LEAVE,
    "how hard a page fault works for a huge page",
    (LEAVE, "always", "defer", "defer+madvise", "madvise", "never"),
)
WISHES = (POOLS, RESERVE, THP, DEFRAG)
REASONS: Mapping[str, Reason] = {
    "pool": Reason(
        what="pages of one size that are set aside for programs that ask for them (hugetlb)",
        why="declared consumers need them; a pool that is too small falls back to 4 KiB pages without an error",
        source="kernel hugetlbpage.rst; glibc.malloc.hugetlb=2 and ik_llama.cpp -thp measured and published (PR #278)",
        effect="published: +12.7 % generation, +6.5 % prompt (Xeon 6980P, ik_llama.cpp -thp); measured here: within noise",
        risk="memory in a pool is gone for everything else, the page cache too; the kernel may give fewer pages without an error",
        see="cat /sys/devices/system/node/node*/hugepages/hugepages-*/nr_hugepages; Private_Hugetlb in /proc/PID/smaps_rollup",
    ),
    "boot_pool": Reason(
        what="1 GiB pages, set aside at boot, when memory is still in one piece",
        why="at run time the kernel seldom finds a free gigabyte in one piece (measured: asked 1, got 0)",
        source="kernel hugetlbpage.rst (hugepages=NODE:COUNT); measured in an emulated host",
        effect="none measured",
        risk="the boot may put a page on another node than asked (seen: node 1 asked, node 2 given); needs a reboot both ways",
        see="cat /proc/cmdline; cat /sys/devices/system/node/node*/hugepages/hugepages-1048576kB/nr_hugepages",
    ),
    "thp": Reason(
        what="whether the kernel backs ordinary memory with 2 MiB pages",
        why="madvise leaves the choice to each service: llama-server gets GLIBC_TUNABLES=glibc.malloc.hugetlb=1, nothing else changes",
        source="kernel transhuge.rst; llama-bench runs in turn on 2 CPUs of a Zen 4 guest, 9 to 11 rounds",
        effect="measured: always, or madvise with the tunable, +11 to +24 % generation, interval touches 1; madvise alone is as never",
        risk="always: loading took 1.2 to 1.7 s longer, and other programs may grow; one published box was five times slower",
        see="cat /sys/kernel/mm/transparent_hugepage/enabled; AnonHugePages in /proc/PID/smaps_rollup of the server",
    ),
    "thp_defrag": Reason(
        what="whether a page fault waits while the kernel makes room for a huge page",
        why="asked for",
        source="kernel transhuge.rst",
        effect="none measured",
        risk="always: stalls at page faults when memory is in pieces",
        see="cat /sys/kernel/mm/transparent_hugepage/defrag",
    ),
}


@dataclass(frozen=True)
class Pool:
    """Pages of one size on one node; `node` None: on the host."""

    kib: int
    pages: int
    node: int | None
    boot: bool
    consumer: str
    where: str

    @property
    def bytes(self) -> int:
        return self.pages * self.kib * 1024


def derive(facts: Facts, wishes: Wishes) -> Derived:
    draft = Draft(AREA, facts, REASONS)
    asked = parse(draft, WISHES, wishes)
    servers = declared.read(draft, wishes)
    pools = [pool for number, entry in enumerate(asked[POOLS.name]) for pool in _asked(draft, number, entry)]
    pools += [pool for server in servers if server.pages == "hugetlb" for pool in _of_server(draft, server)]
    _refuse_mixed(draft, asked[POOLS.name], pools)
    _refuse_too_much(draft, pools, servers, asked[RESERVE.name])
    _want_pools(draft, pools)
    _want_thp(draft, asked[THP.name], asked[DEFRAG.name])
    return draft.done()


def pages_for(size_bytes: int, kib: int) -> int:
    """Pages that hold so many bytes, with the slack that allocators need, rounded up."""
    return -(-size_bytes * SLACK_PERCENT // (100 * kib * 1024))


def spread(facts: Facts, pages: int) -> list[tuple[int | None, int]]:
    """Over the nodes alike, rounded up, so that an interleaved program finds its share on each; one node: the host's pool."""
    if len(nodes_with_memory(facts)) < 2:
        return [(None, pages)]
    nodes = memory_nodes(facts)
    return [(node.id, -(-pages // len(nodes))) for node in nodes]


def _asked(draft: Draft, number: int, entry: object) -> list[Pool]:
    """One entry of the wish as pools, or none and a refusal."""
    where = f"{POOLS.name}[{number}]"
    if not isinstance(entry, Mapping):
        draft.refuse(f"entry {number} is {shown(entry)}, no mapping", where, f"Its form: {POOLS.help}.")
        return []
    before = len(draft.findings)
    for key in entry:
        if key not in FIELDS:
            draft.refuse(
                f"unknown key {key!r}", where, f"{nearest(str(key), FIELDS)}Known: {', '.join(FIELDS)}."
            )
    size = str(entry.get("size", "2M"))
    if size not in SIZES:
        draft.refuse(f"page size {size!r}", where, f"Choose one of {', '.join(SIZES)}.")
    at = str(entry.get("at", "boot" if size == "1G" else "runtime"))
    if at not in ("boot", "runtime"):
        draft.refuse(f"`at` is {at!r}", where, "Choose boot or runtime.")
    counts = {key: entry[key] for key in ("pages", "bytes") if key in entry}
    values = list(counts.values())
    if len(values) != 1 or isinstance(values[0], bool) or not re.fullmatch(r"[0-9]{1,18}", str(values[0])):
        draft.refuse("give either pages or bytes, in digits", where, "For example `bytes: 28400000000`.")
    if len(draft.findings) > before:
        return []
    kib, count = SIZES[size], int(str(values[0]))
    pages = pages_for(count, kib) if "bytes" in counts else count
    consumer = str(entry.get("for", "")) or "an unnamed consumer"
    shares = _shares(draft, entry.get("node"), pages, where)
    return [Pool(kib, share, node, at == "boot", consumer, where) for node, share in shares]


def _shares(draft: Draft, node: object, pages: int, where: str) -> list[tuple[int | None, int]]:
    if node is None or node == "":
        return spread(draft.facts, pages)
    nodes = nodes_with_memory(draft.facts)
    if isinstance(node, bool) or str(node) not in {str(one.id) for one in nodes}:
        known = ", ".join(str(one.id) for one in nodes) or "none was seen"
        draft.refuse(f"there is no node {node} with memory", where, f"Nodes here: {known}.")
        return []
    # One node: its pool and the host's are the same pages, and one name for them is enough.
    return [(int(str(node)) if len(nodes) > 1 else None, pages)]


def _of_server(draft: Draft, server: Server) -> list[Pool]:
    if not server.memory_bytes:
        draft.refuse(
            "hugepages: hugetlb without memory_bytes", server.where, "Say how much memory the server takes."
        )
        return []
    node = server.node if server.numa == "bind" and server.node else None
    kib = SIZES["2M"]
    shares = _shares(draft, node, pages_for(server.memory_bytes, kib), server.where)
    return [Pool(kib, pages, at, False, server.name, server.where) for at, pages in shares]


def _refuse_mixed(draft: Draft, entries: Sequence[object], pools: Sequence[Pool]) -> None:
    """Who writes the same pages twice gets neither sum: nodes ended with 1, 21, 41 and 100 pages (measured)."""
    for kib in sorted({pool.kib for pool in pools}):
        if len({pool.boot for pool in pools if pool.kib == kib}) > 1:
            draft.refuse(
                f"pages of {kib} kB are asked for at boot and at run time, and the last writer wins",
                POOLS.name,
                "Give all pools of one size the same `at`.",
            )
        sized = [e for e in entries if isinstance(e, Mapping) and SIZES.get(str(e.get("size", "2M"))) == kib]
        if len({"node" in entry for entry in sized}) > 1:
            draft.refuse(
                f"pages of {kib} kB are asked for on one node and over all nodes",
                POOLS.name,
                "Give each pool of one size a node, or none.",
            )


def _refuse_too_much(draft: Draft, pools: Sequence[Pool], servers: Sequence[Server], reserve: int) -> None:
    """Pools, and the memory of servers that use none, must fit each node with the reserve left over."""
    nodes = nodes_with_memory(draft.facts)
    if pools and not any(node.memory_bytes for node in nodes):
        draft.refuse(
            "the memory of the nodes is unknown", "/sys/devices/system/node", "Read the facts again as root."
        )
        return
    plain = sum(
        server.memory_bytes for server in servers if server.device == "cpu" and server.pages != "hugetlb"
    )
    for node in nodes:
        asked = sum(pool.bytes for pool in pools if pool.node in (node.id, None))
        kept = reserve or max(node.memory_bytes // RESERVE_SHARE, RESERVE_LEAST_BYTES)
        beside = plain // len(memory_nodes(draft.facts)) if node.cpus else 0
        if asked and asked + kept + beside > node.memory_bytes:
            place = f"node {node.id}" if len(nodes) > 1 else "this host"
            draft.refuse(
                f"pools of {_gib(asked)} do not fit {place}: it has {_gib(node.memory_bytes)}, of which {_gib(kept)} stay "
                f"free and servers without a pool take {_gib(beside)}",
                ", ".join(dict.fromkeys(pool.where for pool in pools if pool.node in (node.id, None))),
                f"At most {_gib(max(0, node.memory_bytes - kept - beside))} here, or lower {RESERVE.name}.",
            )


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"


def _want_pools(draft: Draft, pools: Sequence[Pool]) -> None:
    """One knob a pool; consumers of the same pages are added up."""
    added: dict[tuple[int, bool, int | None], list[Pool]] = {}
    for pool in pools:
        added.setdefault((pool.kib, pool.boot, pool.node), []).append(pool)
    boot: dict[int, list[tuple[int | None, int, str]]] = {}
    for (kib, at_boot, node), shares in added.items():
        pages, who = sum(pool.pages for pool in shares), _consumers(shares)
        if at_boot:
            boot.setdefault(kib, []).append((node, pages, who))
        else:
            key = f"{'global' if node is None else f'node{node}'}/{kib}kB"
            draft.want(
                "pool",
                "pool",
                key,
                str(pages),
                group=f"pools-node{node}" if node is not None else "pools",
                why=who,
            )
    for kib, counts in boot.items():
        size = next(word for word, one in SIZES.items() if one == kib)
        value = ",".join(str(pages) if node is None else f"{node}:{pages}" for node, pages, _ in counts)
        draft.want("boot_pool", "cmdline", f"hugepagesz={size} hugepages", value, why=counts[0][2])


def _consumers(pools: Sequence[Pool]) -> str:
    return "for " + ", ".join(dict.fromkeys(pool.consumer for pool in pools))


def _want_thp(draft: Draft, enabled: str, defrag: str) -> None:
    word = next((w for w in draft.facts.kernel.cmdline.split() if w.startswith("transparent_hugepage=")), "")
    if word and enabled not in (LEAVE, word.partition("=")[2]):
        draft.note(
            f"this boot was started with {word}",
            "/proc/cmdline",
            f"Take it out of GRUB's settings, or wish {THP.name}: leave.",
        )
    folder = "/sys/kernel/mm/transparent_hugepage"
    if enabled != LEAVE:
        draft.want("thp", "sysfs", f"{folder}/enabled", enabled)
    if defrag != LEAVE:
        draft.want("thp_defrag", "sysfs", f"{folder}/defrag", defrag)
