"""Words of the kernel's command line: iommu=pt by default, isolation and mitigations only on request. Each needs a reboot."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..facts import lists
from ..facts.model import Facts
from .base import AUTO, LEAVE, Derived, Draft, Option, Reason, Wishes, parse, shown

AREA = "kernel_cmdline"
IOMMU = Option(
    "tuning_iommu",
    "str",
    AUTO,
    "pt: devices of the host itself reach memory without translation; auto: pt, but in a guest without an IOMMU nothing",
    (AUTO, LEAVE, "pt"),
)
ISOLCPUS = Option("tuning_isolcpus", "str", "", "CPUs that the scheduler leaves alone, as 2-15; empty: none")
NOHZ_FULL = Option(
    "tuning_nohz_full", "str", "", "CPUs without a clock tick while one task runs, as 2-15; empty: none"
)
IRQAFFINITY = Option(
    "tuning_irqaffinity", "str", "", "CPUs that interrupts go to, as 0-1; empty: the kernel's choice"
)
MITIGATIONS = Option(
    "tuning_mitigations", "str", LEAVE, "protection against faults of the processor", (LEAVE, "auto", "off")
)
SMT = Option(
    "tuning_smt",
    "str",
    LEAVE,
    "two threads a core; off from the next boot on, better in the firmware",
    (LEAVE, "off"),
)
WORDS = Option(
    "tuning_cmdline_words", "dict", {}, "more words as name: value, an empty value for a bare word"
)
WISHES = (IOMMU, ISOLCPUS, NOHZ_FULL, IRQAFFINITY, MITIGATIONS, SMT, WORDS)
REASONS: Mapping[str, Reason] = {
    "iommu": Reason(
        what="devices of the host reach memory without translation, guests' devices keep it",
        why="the translation costs the GPU and the network cards time, and the IOMMU itself must stay on",
        source="ROCm mi300x.rst (IOMMU enabled, iommu=pt)",
        effect="none measured",
        risk="a faulty device may write anywhere in memory; needs a reboot",
        see="cat /proc/cmdline; cat /sys/kernel/iommu_groups/*/type shows identity",
    ),
    "isolcpus": Reason(
        what="CPUs that the scheduler puts nothing on by itself",
        why="asked for",
        source="redhat-et/vllm-cpu-perf-eval isolates its load generator; no gain for LLM serving was found",
        effect="none found",
        risk="a program that does not pin its threads stacks all of them on one isolated CPU: llama.cpp does not by itself",
        see="cat /sys/devices/system/cpu/isolated",
    ),
    "nohz_full": Reason(
        what="CPUs without a clock tick while they run one task",
        why="asked for",
        source="kernel no_hz.rst; no gain for LLM serving was found",
        effect="none found",
        risk="entering the kernel costs more on these CPUs; CPU 0 must keep its tick",
        see="cat /sys/devices/system/cpu/nohz_full",
    ),
    "irqaffinity": Reason(
        what="CPUs that interrupts go to unless their driver chooses",
        why="asked for: keeps interrupts off the CPUs of a server",
        source="kernel-parameters.txt",
        effect="none measured",
        risk="these CPUs may become the bottleneck of network and drives; irqbalance may move interrupts again",
        see="cat /proc/irq/default_smp_affinity",
    ),
    "mitigations": Reason(
        what="the kernel's protection against faults of the processor (Spectre and its kin)",
        why="asked for",
        source="kernel-parameters.txt; no number for LLM serving was found, decode is bound by memory",
        effect="none found",
        risk="off: any program on this host, and any web page that it shows, may read memory that is not its own",
        see="grep . /sys/devices/system/cpu/vulnerabilities/*",
    ),
    "smt": Reason(
        what="whether a core runs two threads",
        why="asked for: a thread for every logical CPU is slower than one a core",
        source="llama.cpp #20020: 8 cores, 16 threads 2.5 tokens/s, 8 threads 9; ROCm mi300x.rst",
        effect="published: large when threads exceed cores, none when they do not",
        risk="half the CPUs for everything else; the firmware's switch is the cleaner one",
        see="cat /sys/devices/system/cpu/smt/active",
    ),
    "words": Reason(
        what="a word that was asked for by name",
        why="asked for in tuning_cmdline_words",
        source="the inventory",
        effect="not known to hostproof",
        risk="not known to hostproof; needs a reboot both ways",
        see="cat /proc/cmdline",
    ),
}
WORD = re.compile(r"[A-Za-z0-9_.,:-]{1,80}")
OWN_WISHES = {
    "iommu": IOMMU.name,
    "isolcpus": ISOLCPUS.name,
    "nohz_full": NOHZ_FULL.name,
    "irqaffinity": IRQAFFINITY.name,
    "mitigations": MITIGATIONS.name,
    "nosmt": SMT.name,
    "amd_pstate": "tuning_amd_pstate",
    "hugepages": "tuning_hugepages_pools",
    "hugepagesz": "tuning_hugepages_pools",
    "transparent_hugepage": "tuning_thp",
    "numa_balancing": "tuning_numa_balancing",
}
"""Words that have a wish of their own, which knows more of them."""


def derive(facts: Facts, wishes: Wishes) -> Derived:
    draft = Draft(AREA, facts, REASONS)
    asked = parse(draft, WISHES, wishes)
    _want_iommu(draft, asked[IOMMU.name])
    if asked[SMT.name] != LEAVE:
        draft.want("smt", "cmdline", "nosmt", "", group="isolation")
    for name, option in (("isolcpus", ISOLCPUS), ("nohz_full", NOHZ_FULL), ("irqaffinity", IRQAFFINITY)):
        _want_cpus(draft, name, option, asked[option.name])
    if asked[MITIGATIONS.name] != LEAVE:
        draft.want("mitigations", "cmdline", "mitigations", asked[MITIGATIONS.name])
    _want_words(draft, asked[WORDS.name])
    return draft.done()


def _want_iommu(draft: Draft, wish: str) -> None:
    in_guest = draft.facts.os.hypervisor and not draft.facts.iommu.units
    if wish == LEAVE:
        return
    if wish == AUTO and in_guest:
        draft.note(
            "a guest without an IOMMU: iommu=pt would do nothing",
            "/sys/class/iommu",
            f"Wish {IOMMU.name}: pt to set it anyway.",
        )
        return
    units = ", ".join(draft.facts.iommu.units)
    draft.want("iommu", "cmdline", "iommu", "pt", why=f"IOMMU {units}" if units else "")


def _want_cpus(draft: Draft, name: str, option: Option, wish: str) -> None:
    """A list of CPUs that exist, and not all of them."""
    if not wish:
        return
    try:
        cpus = lists.parse(wish)
    except ValueError as error:
        draft.refuse(f"{option.name} is {wish!r}: {error}", option.name, "Write CPUs as 2-15 or 2,4,6.")
        return
    online = lists.parse(draft.facts.cpu.online)
    if not cpus <= online:
        missing = lists.show(cpus - online)
        draft.refuse(
            f"there are no CPUs {missing}", option.name, f"CPUs here: {draft.facts.cpu.online or 'unknown'}."
        )
    elif name != "irqaffinity" and cpus == online:
        draft.refuse(f"{name} of all CPUs leaves none to the system", option.name, "Leave at least two out.")
    elif name == "nohz_full" and 0 in cpus:
        draft.refuse("CPU 0 must keep its tick", option.name, f"Leave 0 out: {lists.show(cpus - {0})}.")
    else:
        draft.want(name, "cmdline", name, lists.show(cpus), group="isolation")


def _want_words(draft: Draft, words: Mapping[object, object]) -> None:
    for name, value in words.items():
        where = f"{WORDS.name}.{name}"
        if not WORD.fullmatch(str(name)):
            draft.refuse(
                f"{shown(name)} is no word of a command line", WORDS.name, "Letters, digits and _.,:- only."
            )
        elif str(name) in OWN_WISHES:
            draft.refuse(f"{name} has a wish of its own", where, f"Use {OWN_WISHES[str(name)]}.")
        elif isinstance(value, (bool, Mapping, list)) or value is None:
            draft.refuse(
                f"{name} is {shown(value)}, no text", where, 'Put it in quotes; "" makes a bare word.'
            )
        else:
            draft.want("words", "cmdline", str(name), str(value))
