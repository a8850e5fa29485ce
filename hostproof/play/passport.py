"""The passport of a host: its facts as one page on a terminal. `lines` is pure and decides; `show` draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hostproof.play import gpu_passport
from hostproof.play.gpu_passport import UNKNOWN, Line, size
from hostproof.shared.facts.model import Facts, Link, Pool

SHOWN_UNREADABLE = 8
SECTION, LABEL = 10, 14
"""Widths in a pipe."""


def show(console: Console, name: str, facts: Facts) -> None:
    """A table on a terminal; plain lines, none of them broken, in a pipe."""
    title = f"{name}: {facts.cpu.model or 'unknown processor'}"
    if not console.is_terminal:
        plain = [
            title,
            *(f"{line.section:<{SECTION}} {line.label:<{LABEL}} {line.text}" for line in lines(facts)),
        ]
        for text in plain:
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    for style in ("bold", "dim", ""):
        table.add_column(style=style, overflow="fold")
    for line in lines(facts):
        look = "yellow" if line.worth_a_look else ""
        table.add_row(line.section, line.label, Text(line.text, style=look))
    console.print(table)


def lines(facts: Facts) -> Iterator[Line]:
    for section, made in (
        ("processor", _processor(facts)),
        ("NUMA", _numa(facts)),
        ("memory", _memory(facts)),
        ("clock", _power(facts)),
        ("kernel", _kernel(facts)),
        ("PCIe", _pci(facts)),
        ("GPU", gpu_passport.gpus(facts.gpus)),
        ("driver", gpu_passport.driver(facts.driver)),
        ("system", _system(facts)),
        ("not read", _unreadable(facts)),
    ):
        for number, line in enumerate(made):
            yield Line("" if number else section, line.label, line.text, line.worth_a_look)


def _line(label: str, text: object, look: bool = False) -> Line:
    return Line("", label, str(text) if text not in ("", None) else UNKNOWN, look)


def _processor(facts: Facts) -> Iterator[Line]:
    cpu = facts.cpu
    ccds = f", {cpu.ccds} CCD{_s(cpu.ccds)}" if cpu.ccds is not None else ""
    yield _line(
        "cores", f"{cpu.sockets} socket{_s(cpu.sockets)}{ccds}, {cpu.cores} cores, {cpu.threads} threads"
    )
    yield _line(
        "SMT",
        {True: "on", False: "off", None: UNKNOWN}[cpu.smt_active]
        + f" ({cpu.smt_control})" * bool(cpu.smt_control),
    )
    yield _line(
        "L3",
        f"{size(cpu.l3_bytes)} in {len(cpu.l3_domains)} domain{_s(len(cpu.l3_domains))}"
        if cpu.l3_domains
        else UNKNOWN,
    )
    yield _line(
        "CPUs",
        f"{cpu.online}{f', offline {cpu.offline}' * bool(cpu.offline)}{f', isolated {cpu.isolated}' * bool(cpu.isolated)}",
    )
    yield _line("microcode", cpu.microcode)


def _numa(facts: Facts) -> Iterator[Line]:
    numa = facts.numa
    yield _line(
        "NPS", f"{UNKNOWN if numa.nps is None else numa.nps} ({numa.nps_why})", look=bool(numa.l3_as_numa)
    )
    for node in numa.nodes:
        near = (
            f", distances {' '.join(map(str, node.distances))}"
            if node.distances and len(numa.nodes) > 1
            else ""
        )
        yield _line(
            f"node {node.id}",
            f"CPUs {node.cpus or 'none'}, memory {memory_size(node.memory_bytes)}{near}{pools(node.hugepages)}",
        )


def _memory(facts: Facts) -> Iterator[Line]:
    memory = facts.memory
    swap = UNKNOWN if memory.swap_bytes is None else size(memory.swap_bytes)
    available = memory_size(memory.available_bytes)
    yield _line("total", f"{memory_size(memory.total_bytes)}, {available} available, swap {swap}")
    if memory.dimms:
        first = memory.dimms[0]
        slow = memory.configured_mts < memory.rated_mts
        yield _line(
            "DIMMs",
            f"{len(memory.dimms)} of {memory.slots} slots, {size(first.size_bytes)} {first.type}, "
            f"{memory.configured_mts} MT/s of {memory.rated_mts}",
            look=slow or len(memory.dimms) < memory.slots,
        )
    peak = memory.peak_bandwidth_bytes_per_second
    channels = (
        f"{memory.channels}, at most {peak / 1e9:.1f} GB/s"
        if memory.channels and peak
        else f"{UNKNOWN}: {memory.channels_why}"
    )
    yield _line("channels", channels)
    if memory.edac:
        errors = memory.edac.corrected_errors, memory.edac.uncorrected_errors
        yield _line("ECC", f"{errors[0]} errors corrected, {errors[1]} not", look=any(errors))
    yield _line("huge pages", pools(memory.hugepages).removeprefix(", ") or "no pool in use")
    yield _line("THP", f"{memory.thp.enabled or UNKNOWN}, defrag {memory.thp.defrag or UNKNOWN}")


def _power(facts: Facts) -> Iterator[Line]:
    power = facts.power
    if not power.driver:
        yield _line("cpufreq", "none" + " (a guest)" * bool(facts.os.hypervisor))
    else:
        yield _line(
            "cpufreq",
            f"{power.driver}{f' ({power.amd_pstate})' * bool(power.amd_pstate)}, governor {_counted(power.governors)}",
        )
        if power.epp:
            yield _line("preference", _counted(power.epp))
        yield _line("boost", {True: "on", False: "off", None: UNKNOWN}[power.boost])
    if power.idle_states:
        states = (f"{s.name}{' (off)' * bool(s.disabled_on)}" for s in power.idle_states)
        yield _line("idle states", ", ".join(states))


def _kernel(facts: Facts) -> Iterator[Line]:
    kernel, iommu = facts.kernel, facts.iommu
    yield _line("release", kernel.release)
    yield _line("command line", kernel.cmdline)
    yield _line("clock source", kernel.clocksource, look=kernel.clocksource not in ("tsc", ""))
    yield _line(
        "Secure Boot",
        {True: "on", False: "off", None: "no EFI" if kernel.efi is False else UNKNOWN}[kernel.secure_boot],
    )
    yield _line(
        "IOMMU", f"{', '.join(iommu.units)}; groups {_counted(iommu.types)}" if iommu.units else "none"
    )
    if kernel.grub.drop_ins:
        yield _line("GRUB drop-ins", ", ".join(kernel.grub.drop_ins))


def _pci(facts: Facts) -> Iterator[Line]:
    for device in facts.pci.devices:
        parts = [f"{device.vendor}:{device.device}", device.driver or "no driver"]
        if device.link:
            parts.append(link(device.link))
        if device.bar1_bytes:
            parts.append(f"BAR1 {size(device.bar1_bytes)}")
        small = bool(
            device.bar1_bytes
            and device.bar1_possible_bytes
            and device.bar1_bytes < device.bar1_possible_bytes
        )
        if small:
            parts.append(f"of {size(device.bar1_possible_bytes or 0)} possible: resizable BAR is not used")
        yield _line(f"{device.kind} {device.address}", ", ".join(parts), look=small)
    if facts.pci.acs:
        yield _line(
            "ACS",
            f"{facts.pci.acs.redirecting} of {facts.pci.acs.bridges} bridges redirect peer-to-peer traffic",
        )


def link(one: Link) -> str:
    now, best = f"{one.speed_gts:g} GT/s x{one.width}", f"{one.maximum_speed_gts:g} GT/s x{one.maximum_width}"
    return now if now == best else f"{now} of {best} ({one.read})"


def _system(facts: Facts) -> Iterator[Line]:
    system = facts.os
    yield _line(
        "system",
        f"{system.title or system.id or UNKNOWN}, glibc {system.glibc or UNKNOWN}, cgroup {system.cgroup or UNKNOWN}",
    )
    hard = system.memlock.pid1_hard
    yield _line("memlock", f"{size(int(hard)) if hard.isdecimal() else hard or UNKNOWN} for services")
    for one in system.tuners:
        said = f"{one.state}, {one.detail}" if one.detail else one.state
        yield _line("also tunes", f"{one.name} ({said})", look=one.state != "installed")


def _unreadable(facts: Facts) -> Iterator[Line]:
    for number, (path, why) in enumerate(facts.unreadable.items()):
        if number == SHOWN_UNREADABLE:
            yield _line("", f"and {len(facts.unreadable) - number} more; --json has them all")
            return
        yield _line(path, why)


def pools(found: Mapping[str, Pool]) -> str:
    shown = (f"{pool.total} × {kib} ({pool.free} free)" for kib, pool in found.items() if pool.total)
    return "".join(f", {one}" for one in shown)


def _counted(found: Mapping[str, int]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{name} ×{count}" for name, count in found.items()) or UNKNOWN


def _s(count: int) -> str:
    return "s" * (count != 1)


def memory_size(count: int) -> str:
    """No node and no host has none: 0 is what could not be read."""
    return size(count) if count else UNKNOWN
