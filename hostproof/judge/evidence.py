"""What the kernel saw under each arm of a comparison, and which settings, by that, never reached the server. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

MIB: Final = 1024**2
SAME_SHARE: Final = 0.05
"""Of the server's memory: arms that differ by less have the same pages."""
SAME_CLOCK: Final = 0.01
HUGE_LEAST: Final = 2 * MIB
"""Less than one huge page is none."""


@dataclass(frozen=True)
class Evidence:
    """Medians over the visits of an arm. Bytes, MHz, shares of the time, CPUs, events a visit."""

    resident: float = 0.0
    anon_huge: float = 0.0
    hugetlb: float = 0.0
    nodes: Mapping[str, float] = field(default_factory=dict)
    mhz: float | None = None
    """Mean of all cores under load; None: the host does not tell."""
    mhz_fastest: float | None = None
    pressure: Mapping[str, float] = field(default_factory=dict)
    server_pressure: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.0
    load: float = 0.0
    events: Mapping[str, float] = field(default_factory=dict)
    pools: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Pool → pages, and free ones."""

    @property
    def huge(self) -> float:
        return self.anon_huge + self.hugetlb


def of(witnesses: Sequence[Mapping[str, Any]], others: Sequence[float]) -> Evidence:
    """`witnesses`: what the module `server_witness` told of each visit; `others`: CPUs of others in each."""
    if not witnesses:
        return Evidence()
    pages = [told["pages"] for told in witnesses]
    clocks = [told["mhz"] for told in witnesses if told["mhz"]]
    pools = {name for told in witnesses for name in told["pools"]}
    return Evidence(
        resident=median(page["resident"] for page in pages),
        anon_huge=median(page["anon_huge"] for page in pages),
        hugetlb=median(page["private_hugetlb"] + page["shared_hugetlb"] for page in pages),
        nodes=_medians([told["nodes"] for told in witnesses]),
        mhz=median(clock["mean"] for clock in clocks) if clocks else None,
        mhz_fastest=median(clock["fastest"] for clock in clocks) if clocks else None,
        pressure=_medians([told["pressure"] for told in witnesses]),
        server_pressure=_medians([told["server_pressure"] for told in witnesses]),
        others=median(others),
        load=median(told["load"][0] for told in witnesses),
        events=_medians([told["events"] for told in witnesses]),
        pools={
            name: (
                median(told["pools"].get(name, {}).get("pages", 0) for told in witnesses),
                median(told["pools"].get(name, {}).get("free", 0) for told in witnesses),
            )
            for name in sorted(pools)
        },
    )


def _medians(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in found for name in one)
    return {name: median(one.get(name, 0) for one in found) for name in names}


def unused(knobs: Iterable[str], a: Evidence, b: Evidence) -> Iterator[str]:
    """For each knob (`kind:key`, or a part of a service) that, by the kernel's own count, made no difference: a sentence."""
    for knob in knobs:
        for words, look in _LOOKS:
            if any(word in knob for word in words):
                if told := look(knob, a, b):
                    yield f"{knob}: {told}"
                break


def _pages(_: str, a: Evidence, b: Evidence) -> str:
    if max(a.huge, b.huge) < HUGE_LEAST:
        return "the server had no huge pages under either arm: this does not reach it"
    if abs(a.huge - b.huge) < SAME_SHARE * max(a.resident, b.resident, 1):
        return f"the server had as many huge pages under A as under B ({_mib(a.huge)} and {_mib(b.huge)})"
    return ""


def _pool(knob: str, a: Evidence, b: Evidence) -> str:
    name = knob.partition(":")[2]
    mine = [counts for pool, counts in b.pools.items() if pool == name or name.startswith("global/")]
    pages, free = (sum(counts[which] for counts in mine) for which in (0, 1))
    if pages and pages == free:
        return f"all {pages:.0f} pages were free under B while the server ran: nobody used them"
    return "" if pages else "there was no page in it under B"


def _clock(_: str, a: Evidence, b: Evidence) -> str:
    if a.mhz is None or b.mhz is None:
        return "this host tells no clock rate, so nothing shows whether it moved"
    if abs(a.mhz - b.mhz) < SAME_CLOCK * a.mhz:
        return f"the clock under load was the same under both arms ({a.mhz:.0f} and {b.mhz:.0f} MHz)"
    return ""


def _nodes(_: str, a: Evidence, b: Evidence) -> str:
    total = max(sum(a.nodes.values()), sum(b.nodes.values()), 1.0)
    moved = sum(abs(a.nodes.get(n, 0) - b.nodes.get(n, 0)) for n in {*a.nodes, *b.nodes}) / 2
    return "the server's memory lay on the same nodes under both arms" if moved < SAME_SHARE * total else ""


def _never(*events: str) -> Callable[[str, Evidence, Evidence], str]:
    def look(_: str, a: Evidence, b: Evidence) -> str:
        counted = sum(arm.events.get(event, 0) for arm in (a, b) for event in events)
        return (
            "" if counted else f"the kernel did nothing of the kind under either arm ({', '.join(events)} 0)"
        )

    return look


_LOOKS: Final[Sequence[tuple[Sequence[str], Callable[[str, Evidence, Evidence], str]]]] = (
    (("pool:",), _pool),
    (("transparent_hugepage", "service_pages"), _pages),
    (("service_nodes",), _nodes),
    (("cpufreq", "amd_pstate"), _clock),
    (("numa_balancing",), _never("numa_pte_updates")),
    (("swappiness",), _never("pswpin", "pswpout")),
    (("zone_reclaim_mode",), _never("zone_reclaim_success", "zone_reclaim_failed")),
)


def _mib(size: float) -> str:
    return f"{size / MIB:,.0f} MiB"
