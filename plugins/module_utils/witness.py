"""What the kernel says of a server under load: whose CPU time it was, who had to wait, what its memory is made of, how fast the clock ran.

`parse_*` and `between` are pure; `Witness` opens the files. Counters are read before and after; the clock meanwhile; the server's
pages once at the end, since smaps takes long on tens of gigabytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from . import page_evidence, processes

NOTE: Final = "/run/hostproof/witness.json"
"""The counters before, until the look after."""
PRESSURES: Final = ("cpu", "memory", "io")
EVENTS: Final = (
    *("numa_pte_updates", "numa_pages_migrated", "pswpin", "pswpout", "thp_fault_alloc"),
    *("zone_reclaim_success", "zone_reclaim_failed"),
)
"""Of /proc/vmstat: how often the kernel did what a knob is about."""
SLICES: Final = ("sys/fs/cgroup/system.slice", "sys/fs/cgroup/unified/system.slice")
"""The second: where the version 2 tree lies beside version 1."""
POOLS: Final = "sys/devices/system/node/node*/hugepages/hugepages-*"
CLOCKS: Final = "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"
TICKS: Final = 100
"""USER_HZ, the unit of /proc/stat and /proc/PID/stat: the same on every Linux that people run."""


def parse_busy(stat: str) -> tuple[int, int, int]:
    """/proc/stat → ticks of all cores that were busy (stolen ones among them), those stolen, and how many cores there are."""
    lines = [line.split() for line in stat.splitlines()]
    total = next(([int(word) for word in line[1:9]] for line in lines if line and line[0] == "cpu"), [0] * 8)
    total += [0] * (8 - len(total))
    cores = sum(bool(line and re.fullmatch(r"cpu\d+", line[0])) for line in lines)
    return sum(total) - total[3] - total[4], total[7], cores


def parse_pressure(text: str) -> dict[str, int]:
    """/proc/pressure/*, or a control group's → `some` and `full`, microseconds since the count began."""
    return {
        kind: int(total) for kind, total in re.findall(r"^(some|full) .*\btotal=(\d+)", text, re.MULTILINE)
    }


def parse_events(vmstat: str) -> dict[str, int]:
    found = dict(re.findall(r"^(\w+) (\d+)$", vmstat, re.MULTILINE))
    return {name: int(found[name]) for name in EVENTS if name in found}


def parse_process(stat: str) -> int | None:
    """/proc/PID/stat → ticks of all its threads; None for one that is gone."""
    fields = stat.rpartition(")")[2].split()  # a name may hold blanks and brackets
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else None


def parse_with_children(stat: str) -> int:
    """/proc/PID/stat → ticks of the process and of every child that it has waited for, and of theirs."""
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) if len(fields) > 14 else 0


def parse_mhz(cpuinfo: str) -> list[float]:
    return [float(value) for value in re.findall(r"^cpu MHz\s*: ([\d.]+)", cpuinfo, re.MULTILINE)]


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """CPU seconds by whose they were, and waiting as a share of the time between two looks. Pure.

    `ours` went into the questions of this very comparison. `rest` is what is left: the instrument, and others.
    """
    seconds = max(after["at"] - before["at"], 1e-9)
    server = sum(ticks - before["processes"].get(pid, 0) for pid, ticks in after["processes"].items())
    busy, steal = after["busy"] - before["busy"], after["steal"] - before["steal"]
    same = after["session"]["pid"] == before["session"]["pid"]
    ours = after["session"]["ticks"] - before["session"]["ticks"] if same else 0
    return {
        "seconds": seconds,
        "cores": after["cores"],
        "load": [before["load"], after["load"]],
        "cpu_seconds": {
            "server": server / TICKS,
            "steal": steal / TICKS,
            "ours": ours / TICKS,
            "rest": max(0, busy - server - steal - ours) / TICKS,
        },
        "pressure": _shares(before["pressure"], after["pressure"], seconds),
        "server_pressure": _shares(before["server_pressure"], after["server_pressure"], seconds),
        "events": {
            name: value - before["events"][name]
            for name, value in after["events"].items()
            if name in before["events"]
        },
    }


def _shares(before: Mapping[str, int], after: Mapping[str, int], seconds: float) -> dict[str, float]:
    return {name: round((after[name] - before[name]) / 1e6 / seconds, 6) for name in after if name in before}


class Witness:
    """Looks at one unit and at the host around it."""

    def __init__(self, unit: str, root: Path = Path("/")) -> None:
        self._unit = unit
        self._root = root

    def counters(self, at: float) -> dict[str, Any]:
        """All since boot; `at` in seconds of any clock that does not jump."""
        busy, steal, cores = parse_busy(self._read("proc/stat"))
        load = self._read("proc/loadavg").split()
        groups = self._groups()
        return {
            "at": at,
            "busy": busy,
            "steal": steal,
            "cores": cores,
            "load": float(load[0]) if load else 0.0,
            "processes": {
                str(pid): ticks
                for pid in self.pids()
                if (ticks := parse_process(self._read(f"proc/{pid}/stat"))) is not None
            },
            "pressure": self._pressures(Path("proc/pressure"), ""),
            "server_pressure": self._pressures(groups[0], ".pressure") if groups else {},
            "events": parse_events(self._read("proc/vmstat")),
            "session": self._session(),
        }

    def _session(self) -> dict[str, int]:
        """The ssh session that asks, with all that ran in it and has ended."""
        found = processes.session_of(os.getpid(), self._root / "proc")
        pid = found.pid if found else 0
        return {"pid": pid, "ticks": parse_with_children(self._read(f"proc/{pid}/stat")) if pid else 0}

    def pids(self) -> list[int]:
        """Of the unit's control group and all below it, where a quadlet's container lives."""
        files = [
            file for group in self._groups() for file in sorted((self._root / group).glob("**/cgroup.procs"))
        ]
        return sorted({int(pid) for file in files for pid in self._read(file).split() if pid != "0"})

    def _groups(self) -> list[Path]:
        return [group for folder in SLICES if (self._root / (group := Path(folder) / self._unit)).is_dir()]

    def _pressures(self, folder: Path, suffix: str) -> dict[str, int]:
        return {
            f"{name} {kind}": total
            for name in PRESSURES
            for kind, total in parse_pressure(self._read(folder / f"{name}{suffix}")).items()
        }

    def clocks(self) -> list[float]:
        """MHz of each core now; none where the host does not tell."""
        files = sorted(self._root.glob(CLOCKS))
        return [int(text) / 1000 for file in files if (text := self._read(file).strip())] or parse_mhz(
            self._read("proc/cpuinfo")
        )

    def memory(self) -> dict[str, Any]:
        """The server's pages in bytes, its own memory by node, and the pools of the host in pages."""
        pages = dict.fromkeys(("resident", "anon_huge", "private_hugetlb", "shared_hugetlb"), 0)
        nodes: dict[str, int] = {}
        for pid in self.pids():
            for name, size in page_evidence.sizes(self._read(f"proc/{pid}/smaps_rollup")).items():
                pages[name] += size
            for node, size in page_evidence.by_node(self._read(f"proc/{pid}/numa_maps")).items():
                nodes[str(node)] = nodes.get(str(node), 0) + size
        return {"pages": pages, "nodes": nodes, "pools": self._pools()}

    def _pools(self) -> dict[str, dict[str, int]]:
        """Pools that are not empty, as knobs name them: `node0/2048kB`."""
        found = {}
        for folder in sorted(self._root.glob(POOLS)):
            pages, free = (int(self._read(folder / f"{name}_hugepages") or 0) for name in ("nr", "free"))
            if pages:
                name = f"{folder.parents[1].name}/{folder.name.removeprefix('hugepages-')}"
                found[name] = {"pages": pages, "free": free}
        return found

    def _read(self, path: Path | str) -> str:
        """Empty for what is not there, or not counted here: processes come and go."""
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def gaps(after: Mapping[str, Any], clocks: Iterable[float]) -> list[str]:
    """What this host does not tell, each a sentence."""
    lacking = [name for name in PRESSURES if f"{name} some" not in after["pressure"]]
    found = [f"the kernel counts no pressure of {', '.join(lacking)}"] if lacking else []
    found += [] if after["server_pressure"] else ["the server's control group has no pressure of its own"]
    found += [] if after["processes"] else ["the server's processes are not in system.slice"]
    found += [] if list(clocks) else ["no clock rate: no cpufreq, and none in /proc/cpuinfo"]
    return found
