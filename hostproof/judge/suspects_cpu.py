"""What may hold a server on the CPU back, and what lowers its host's bandwidth. Pure; each rule gives a suspect or none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hostproof.judge.roofline import REACHED
from hostproof.judge.suspect import Case, Rule, Suspect

OTHERS: Final = 0.05
"""Of the cores: as telemetry counts a neighbour."""
FEW_THREADS: Final = 0.85
"""Of the bandwidth: below, the threads cannot draw it even if each is as fast as one core alone."""
UNEVEN: Final = 1.5
"""Times its even share on one node."""
REMOTE: Final = 0.10
SLOW_CLOCK: Final = 0.80
"""Of the highest clock, under load."""
SMALL_PAGES: Final = 0.5
LEAST_RESIDENT: Final = 1 << 30
"""Bytes, below which small pages cost nothing that could be seen."""
CHANNELS: Final = ((r"EPYC 9\d\d[45]", 12), (r"EPYC 8\d\d4", 6), (r"EPYC 7\d\d[123]", 8))
"""Processor → memory channels of a socket."""


def _channels(case: Case) -> Iterator[Suspect]:
    memory, cpu = case.roof.facts.get("memory", {}), case.roof.facts.get("cpu", {})
    found = memory.get("channels")
    each = next((count for form, count in CHANNELS if re.search(form, str(cpu.get("model", "")))), 0)
    whole = each * max(1, int(cpu.get("sockets") or 1))
    if found and found < whole:
        yield Suspect(
            "memory channels without a DIMM",
            f"{found} of {whole} channels have one ({len(memory.get('dimms', ()))} DIMMs)",
            "dmidecode --type memory  names the empty slots; fill one of each channel with the same DIMM",
            1 - found / whole,
        )


def _dimm_speed(case: Case) -> Iterator[Suspect]:
    memory = case.roof.facts.get("memory", {})
    rated, set_to = memory.get("rated_mts") or 0, memory.get("configured_mts") or 0
    if set_to and set_to < rated:
        yield Suspect(
            "DIMMs below their speed",
            f"{set_to} MT/s of {rated}",
            "dmidecode --type memory  shows both; set the memory clock to auto in the firmware, one DIMM a channel",
            1 - set_to / rated,
        )


def _slow_memory(case: Case) -> Iterator[Suspect]:
    """Measured far below what the DIMMs promise."""
    memory = case.roof.memory
    theory, busy = memory.get("theory") or 0, memory.get("busy")
    if memory.get("source") == "measured" and theory and case.roof.bandwidth < REACHED * theory and not busy:
        yield Suspect(
            "memory slower than its DIMMs",
            f"{case.roof.bandwidth / 1e9:,.0f} of {theory / 1e9:,.0f} GB/s were read, and 75–85 % is usual",
            "firmware: one node a socket (NPS1), APBDIS 1 and fixed SOC P-state P0, TSME off; then rm /var/lib/hostproof/bandwidth.json "
            "and validate",
            1 - case.roof.bandwidth / theory,
        )


def _uneven_nodes(case: Case) -> Iterator[Suspect]:
    nodes = {node: float(rate) for node, rate in (case.roof.memory.get("nodes") or {}).items()}
    if len(nodes) > 1 and min(nodes.values()) < REACHED * max(nodes.values()):
        told = ", ".join(f"node {node} {rate / 1e9:,.0f}" for node, rate in nodes.items())
        yield Suspect(
            "a node with slower memory",
            f"GB/s read by its own cores: {told}",
            "dmidecode --type memory  shows where the DIMMs are: give every node as many",
            1 - min(nodes.values()) / max(nodes.values()),
        )


def _neighbour(case: Case) -> Iterator[Suspect]:
    others, told = case.worst("others_cores"), [str(r["contended"]) for r in case.runs if r.get("contended")]
    if told or (case.cores and others > OTHERS * case.cores):
        waited = f"; {told[0]}" if told else ""
        yield Suspect(
            "a neighbour on the cores",
            f"others took up to {others:.2f} of {case.cores} cores beside the runs{waited}",
            "systemd-cgtop --order=cpu  shows who; stop it, or systemctl set-property --runtime UNIT AllowedCPUs=…  gives it other cores",
            0.6,  # 26.6 → 11.0 tok/s with one busy loop beside two threads on two cores (shared facts)
        )


def _stolen(case: Case) -> Iterator[Suspect]:
    stolen = case.worst("steal_cores")
    if case.cores and stolen > OTHERS * case.cores:
        yield Suspect(
            "a hypervisor that gives the cores to others",
            f"up to {stolen:.2f} of {case.cores} cores were stolen",
            "pin the guest's processors on its host (virsh vcpupin), or measure on bare metal",
            0.5,
        )


def _swap(case: Case) -> Iterator[Suspect]:
    pages, held = case.worst("swapped_in_pages"), int(case.roof.seen.get("swapped_bytes") or 0)
    if pages or held:
        yield Suspect(
            "weights in swap",
            f"{held / 1e6:,.0f} MB of the server are swapped out, up to {pages:,.0f} pages came back during a run",
            f"llama_server_load_mode: mmap+mlock, then {case.apply}; swapoff --all  where nothing else needs it",
            0.9,
        )


def _too_many_threads(case: Case) -> Iterator[Suspect]:
    threads = case.flag("--threads", "-t")
    if threads.isdigit() and case.cores and int(threads) >= case.cores:
        lost = 0.5 if int(threads) > case.cores else 0.35
        yield Suspect(
            "as many threads as cores",
            f"--threads {threads} on {case.cores} cores: they wait for each other by spinning, and one that is disturbed stops all",
            f"llama_server_threads: {max(1, case.cores - max(1, min(2, case.cores // 2)))}, then {case.apply}",
            lost,  # 2.5 tok/s with two threads a core, 9 with one (llama.cpp PR 20020)
        )


def _too_few_threads(case: Case) -> Iterator[Suspect]:
    threads, one = case.flag("--threads", "-t"), float(case.roof.memory.get("one_core") or 0)
    if not (threads.isdigit() and one and case.cores and int(threads) < case.cores - 1):
        return
    drawn = int(threads) * one
    if drawn < FEW_THREADS * case.roof.bandwidth:
        yield Suspect(
            "too few threads to draw the bandwidth",
            f"--threads {threads}, one core reads {one / 1e9:,.1f} of {case.roof.bandwidth / 1e9:,.1f} GB/s",
            f"llama_server_threads: {case.cores - 1 if case.cores < 8 else case.cores - 2}, then {case.apply}",
            1 - drawn / case.roof.bandwidth,
        )


def _pages(case: Case) -> Iterator[Suspect]:
    pages = {int(node): int(size) for node, size in (case.roof.seen.get("pages") or {}).items()}
    nodes = case.roof.facts.get("numa", {}).get("nodes") or ()
    total = sum(pages.values())
    if len(nodes) < 2 or not total:
        return
    cpus = _cpus(str(case.roof.seen.get("cpus", "")))
    near = {int(node["id"]) for node in nodes if _cpus(str(node.get("cpus", ""))) & cpus}
    told = ", ".join(f"node {node} {size / 1e9:.1f} GB" for node, size in sorted(pages.items()))
    remote = sum(size for node, size in pages.items() if node not in near) / total
    uneven = max(pages.values()) * len(near) / total if near else 0.0
    if remote > REMOTE or (len(near) > 1 and uneven > UNEVEN):
        where = f"nodes {', '.join(map(str, sorted(near)))}"
        yield Suspect(
            "pages on another node than the cores",
            f"its cores are on {where}, its pages on {told}",
            f"NUMA policy interleave over those nodes (tuning_servers, docs/tuning.md), then {case.apply}",
            max(0.44 * min(1.0, remote * 2), 0.44 * min(1.0, uneven - 1) if len(near) > 1 else 0.0),
            # 4.31 → 2.4 tok/s on two 9175F (llama.cpp #11744)
        )


def _cpus(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _clock(case: Case) -> Iterator[Suspect]:
    power = case.roof.facts.get("power", {})
    most = (power.get("maximum_khz") or 0) / 1000
    seen = [float(run["mhz"]) for run in case.runs if isinstance(run.get("mhz"), int | float)]
    if most and seen and min(seen) < SLOW_CLOCK * most:
        governors = ", ".join(power.get("governors") or ()) or "no governor"
        yield Suspect(
            "cores below their clock",
            f"{min(seen):,.0f} of {most:,.0f} MHz under load, {governors}",
            f"./inv provision --host {case.result.host}  (tag cpu_power); is it hot, or capped: turbostat --quiet --show PkgWatt,PkgTmp",
            0.5 * (1 - min(seen) / most),  # decoding waits for memory more than for cores
        )


def _no_avx512(case: Case) -> Iterator[Suspect]:
    info = str(case.roof.seen.get("system_info", ""))
    flags = case.roof.facts.get("cpu", {}).get("flags") or ()
    if info and "avx512f" in flags and not re.search(r"\bAVX512 = 1\b", info):
        yield Suspect(
            "llama.cpp without AVX-512",
            f"the processor has it, and the server says: {info[:160]}",
            f"llama_server_image: a build with GGML_CPU_ALL_VARIANTS, or made for this processor; then {case.apply}",
            0.3,
        )


def _small_pages(case: Case) -> Iterator[Suspect]:
    seen = case.roof.seen
    resident = int(seen.get("resident") or 0)
    huge = sum(int(seen.get(name) or 0) for name in ("anon_huge", "private_hugetlb", "shared_hugetlb"))
    if resident > LEAST_RESIDENT and huge < SMALL_PAGES * resident:
        yield Suspect(
            "weights in small pages",
            f"{huge / 1e9:.1f} of {resident / 1e9:.1f} GB are in huge pages",
            f"llama_server_load_mode: none with GLIBC_TUNABLES=glibc.malloc.hugetlb=1 (tuning_servers, docs/tuning.md), then {case.apply}",
            0.12,  # 7.87 → 8.87 tok/s on a Xeon 6980P (ik_llama.cpp PR 278)
        )


LIMIT: Final[tuple[Rule, ...]] = (_channels, _dimm_speed, _slow_memory, _uneven_nodes)
"""What lowers the limit itself."""
SPEED: Final[tuple[Rule, ...]] = (
    *(_swap, _neighbour, _stolen, _too_many_threads, _too_few_threads),
    *(_pages, _clock, _no_avx512, _small_pages),
)
