"""Sockets, core dies, cores, threads and level 3 caches, from sysfs.

Not from CPUID through a library: py-cpuinfo 9.0 gives the size of one level 2 cache as the level 3's, and takes over a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from . import lists
from .model import Cpu, L3Domain
from .tree import Tree

CPU = "/sys/devices/system/cpu"
CPUINFO = "/proc/cpuinfo"
FLAGS = (
    *("avx2", "avx512f", "avx512vbmi", "avx512_vnni", "avx512_bf16", "amx_int8"),
    *("cppc", "hw_pstate", "constant_tsc", "nonstop_tsc", "sme", "hypervisor"),
)
"""The instruction sets that llama.cpp's kernels choose by, and what power and clock depend on."""
ZEN_FAMILIES = (0x17, 0x18, 0x19, 0x1A)
"""Of AuthenticAMD; 0x18 is HygonGenuine's Zen."""
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}

Sets = Mapping[int, frozenset[int]]
"""CPU → the CPUs it shares something with, itself among them."""


def read(tree: Tree, nodes: Mapping[int, frozenset[int]]) -> Cpu:
    """`nodes` are the NUMA nodes' CPUs, so that each L3 domain can say where it lies."""
    info = cpuinfo(tree)
    first = next(iter(info.values()), {})
    online = online_cpus(tree, info)
    cores = _distinct(shared(tree, online, ("core_cpus", "thread_siblings")) or by_cpuinfo(info, online))
    sockets = _distinct(shared(tree, online, ("package_cpus", "core_siblings"))) or _distinct(
        by_cpuinfo(info, online, core=False)
    )
    domains = l3_domains(tree, online, sockets, nodes)
    family, model = _whole(first.get("cpu family")), _whole(first.get("model"))
    ccds, why = ccds_of(first.get("vendor_id", ""), family, model, len(domains))
    active = tree.number(f"{CPU}/smt/active")
    return Cpu(
        model=first.get("model name", ""),
        vendor=first.get("vendor_id", ""),
        family=family,
        model_number=model,
        stepping=int(first["stepping"]) if re.fullmatch(r"[0-9]{1,9}", first.get("stepping", "")) else None,
        microcode=first.get("microcode", "") or tree.text(f"{CPU}/cpu0/microcode/version"),
        sockets=len(sockets),
        cores=len(cores),
        threads=len(online),
        threads_per_core=max(map(len, cores), default=0),
        ccds=ccds,
        ccds_why=why,
        online=lists.show(online),
        offline=lists.show(tree.parsed(f"{CPU}/offline", lists.parse)),
        isolated=lists.show(tree.parsed(f"{CPU}/isolated", lists.parse)),
        nohz_full=lists.show(tree.parsed(f"{CPU}/nohz_full", _list_or_null)),
        smt_active=None if active is None else bool(active),
        smt_control=tree.text(f"{CPU}/smt/control"),
        l3_domains=domains,
        l3_bytes=sum(domain.size_bytes for domain in domains),
        core_cpus=tuple(map(lists.show, cores)),
        flags=tuple(flag for flag in FLAGS if flag in first.get("flags", "").split()),
    )


def _list_or_null(text: str) -> frozenset[int]:
    """Kernels without nohz_full print `(null)`."""
    return frozenset() if text == "(null)" else lists.parse(text)


def cpuinfo(tree: Tree) -> dict[int, dict[str, str]]:
    """The blocks of /proc/cpuinfo by their `processor`."""
    found: dict[int, dict[str, str]] = {}
    for block in re.split(r"\n\s*\n", tree.text(CPUINFO, needed=True)):
        pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
        cpu = {key.strip(): value.strip() for key, _, value in pairs}
        number = cpu.get("processor", "")
        if re.fullmatch(r"[0-9]{1,6}", number):
            found[int(number)] = cpu
    if not found:
        tree.note(CPUINFO, "no processor in it")
    return found


def online_cpus(tree: Tree, info: Mapping[int, object]) -> frozenset[int]:
    """From the kernel's list, else from the CPUs' own folders, else from /proc/cpuinfo."""
    if listed := tree.parsed(f"{CPU}/online", lists.parse):
        return listed
    folders = frozenset(int(name[3:]) for name in tree.names(CPU, r"cpu[0-9]{1,6}"))
    # CPU 0 often has no `online`: it cannot be switched off.
    off = {cpu for cpu in folders if tree.number(f"{CPU}/cpu{cpu}/online") == 0}
    return folders - off or frozenset(info)


def cpus_at(tree: Tree, base: str) -> frozenset[int]:
    """`base_list` as a list, else `base` as a mask; kernels before 2.6.24 have the mask only."""
    return tree.parsed(f"{base}_list", lists.parse) or tree.parsed(base, lists.parse_mask)


def shared(tree: Tree, online: frozenset[int], names: Iterable[str]) -> Sets:
    """For each CPU the first of the named topology files that says anything; empty unless all CPUs say."""
    found: dict[int, frozenset[int]] = {}
    for cpu in sorted(online):
        sets = (cpus_at(tree, f"{CPU}/cpu{cpu}/topology/{name}") & online for name in names)
        with_itself = next((one for one in sets if cpu in one), None)
        if with_itself is None:
            tree.note(f"{CPU}/cpu{cpu}/topology", f"says nothing of {' or '.join(names)}; {CPUINFO} is used")
            return {}
        found[cpu] = with_itself
    return found


def by_cpuinfo(info: Mapping[int, Mapping[str, str]], online: frozenset[int], *, core: bool = True) -> Sets:
    """CPUs of one core (or one socket), by the ids in /proc/cpuinfo; without ids each CPU is a core, all one socket."""

    def place(cpu: int) -> tuple[str, ...]:
        ids = info.get(cpu, {})
        socket = ids.get("physical id", "0")
        return (socket, ids.get("core id", f"cpu{cpu}")) if core else (socket,)

    groups: dict[tuple[str, ...], set[int]] = {}
    for cpu in sorted(online):
        groups.setdefault(place(cpu), set()).add(cpu)
    return {cpu: frozenset(group) for group in groups.values() for cpu in group}


def l3_domains(
    tree: Tree,
    online: frozenset[int],
    sockets: tuple[frozenset[int], ...],
    nodes: Mapping[int, frozenset[int]],
) -> tuple[L3Domain, ...]:
    sizes: dict[frozenset[int], int] = {}
    for cpu in sorted(online):
        for cpus, size in _caches(tree, cpu, level=3):
            sizes.setdefault(cpus & online, size)
    domains = sorted((min(cpus), cpus, size) for cpus, size in sizes.items() if cpus)
    return tuple(
        L3Domain(
            id=number,
            cpus=lists.show(cpus),
            size_bytes=size,
            socket=next((n for n, socket in enumerate(sockets) if cpus <= socket), 0),
            node=next((node for node, inside in nodes.items() if cpus <= inside), None),
        )
        for number, (_, cpus, size) in enumerate(domains)
    )


def _caches(tree: Tree, cpu: int, level: int) -> Iterator[tuple[frozenset[int], int]]:
    folder = f"{CPU}/cpu{cpu}/cache"
    for index in tree.names(folder, r"index[0-9]{1,3}"):
        if tree.number(f"{folder}/{index}/level") == level:
            cpus = tree.parsed(f"{folder}/{index}/shared_cpu_list", lists.parse)
            cpus = cpus or tree.parsed(f"{folder}/{index}/shared_cpu_map", lists.parse_mask)
            if cpu in cpus:
                yield cpus, _size(tree, f"{folder}/{index}/size")


def _size(tree: Tree, path: str) -> int:
    text = tree.text(path)
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", text)
    if not match:
        tree.note(path, f"not a size: {text[:40]!r}")
        return 0
    return int(match[1]) * UNITS[match[2]]


def ccds_of(vendor: str, family: int, model: int, domains: int) -> tuple[int | None, str]:
    """Core dies from L3 domains. Zen 1 and 2, and Zen 4c (Bergamo, Siena), have two domains on a die; others one."""
    if vendor not in ("AuthenticAMD", "HygonGenuine") or family not in ZEN_FAMILIES:
        return None, "known for AMD's Zen only"
    if not domains:
        return None, "no L3 domain was seen"
    two = family in (0x17, 0x18) or (family == 0x19 and 0xA0 <= model <= 0xAF)
    each = "two L3 domains" if two else "one L3 domain"
    return (domains + 1) // 2 if two else domains, f"{each} a die (family {family}, model {model})"


def _distinct(sets: Sets) -> tuple[frozenset[int], ...]:
    return tuple(sorted(set(sets.values()), key=min))


def _whole(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else 0
