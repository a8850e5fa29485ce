"""What the kernel says of a server, from recorded pages of /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.shared import witness
from hostproof.shared.witness import Witness

STAT = "cpu  {user} 0 100 {idle} 50 0 0 {steal} 0 0\ncpu0 1 0 1 1 1 0 0 0 0 0\ncpu1 1 0 1 1 1 0 0 0 0 0\nintr 1\n"
PRESSURE = (
    "some avg10=1.00 avg60=0.50 avg300=0.10 total={some}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
)
SMAPS = "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss: {rss} kB\nAnonHugePages: 4096 kB\nPrivate_Hugetlb: 2048 kB\n"
PROCESS = "{pid} (llama server) x) S 1 1 1 0 -1 4194560 1 2 3 4 {user} {system} 30 40 20 0 3 0 100 1 1\n"


def tree(
    root: Path, user: int = 1000, idle: int = 5000, steal: int = 0, some: int = 0, ticks: int = 500
) -> Path:
    unit = "sys/fs/cgroup/system.slice/llama-server.service"
    files = {
        "proc/stat": STAT.format(user=user, idle=idle, steal=steal),
        "proc/loadavg": "0.75 0.50 0.25 1/200 4242\n",
        "proc/vmstat": f"pswpin 3\npswpout 4\nnuma_pte_updates {user}\nnr_free_pages 99\n",
        "proc/pressure/cpu": PRESSURE.format(some=some),
        "proc/pressure/memory": PRESSURE.format(some=0),
        f"{unit}/cgroup.procs": "",
        f"{unit}/cpu.pressure": PRESSURE.format(some=some // 2),
        f"{unit}/libpod-payload/cgroup.procs": "77\n78\n",
        "proc/77/stat": PROCESS.format(pid=77, user=ticks, system=100),
        "proc/77/smaps_rollup": SMAPS.format(rss=10240),
        "proc/77/numa_maps": "7f00 default anon=10 N0=4 N1=6 kernelpagesize_kB=4\n7f01 default file=/lib N0=9 kernelpagesize_kB=4\n",
        "proc/cpuinfo": "cpu MHz\t\t: 2400.5\ncpu MHz\t\t: 2600.5\n",
        "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages": "10\n",
        "sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages": "9\n",
        "sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages": "0\n",
        "sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages": "0\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def between(root: Path) -> dict[str, object]:
    looking = Witness("llama-server.service", tree(root))
    before = looking.counters(100.0)
    tree(root, user=3000, steal=200, some=1_000_000, ticks=1500)
    return witness.between(before, looking.counters(110.0))


def test_cpu_time_is_split_by_whose_it_was(tmp_path: Path) -> None:
    told = between(tmp_path)
    # 2000 ticks in user mode and 200 stolen; the server had 1000 of the first.
    assert told["cpu_seconds"] == {"server": 10.0, "steal": 2.0, "ours": 0.0, "rest": 10.0}
    assert told["seconds"] == pytest.approx(10.0) and told["cores"] == 2 and told["load"] == [0.75, 0.75]


def test_pressure_is_a_share_of_the_time_of_the_host_and_of_the_server(tmp_path: Path) -> None:
    told = between(tmp_path)
    assert told["pressure"] == {"cpu some": 0.1, "cpu full": 0.0, "memory some": 0.0, "memory full": 0.0}
    assert told["server_pressure"] == {"cpu some": 0.05, "cpu full": 0.0}


def test_events_are_those_between_the_looks(tmp_path: Path) -> None:
    assert between(tmp_path)["events"] == {"pswpin": 0, "pswpout": 0, "numa_pte_updates": 2000}


def test_our_own_questions_are_not_others(tmp_path: Path) -> None:
    looking = Witness("llama-server.service", tree(tmp_path))
    before = looking.counters(0.0) | {"session": {"pid": 5, "ticks": 100}}
    tree(tmp_path, user=2000)
    after = looking.counters(10.0) | {"session": {"pid": 5, "ticks": 400}}
    assert witness.between(before, after)["cpu_seconds"] == {
        "server": 0.0,
        "steal": 0.0,
        "ours": 3.0,
        "rest": 7.0,
    }
    # Another session tells nothing of the first.
    other = after | {"session": {"pid": 6, "ticks": 400}}
    assert witness.between(before, other)["cpu_seconds"]["ours"] == 0.0


def test_a_session_counts_with_what_has_ended_in_it() -> None:
    assert witness.parse_with_children(PROCESS.format(pid=1, user=10, system=20)) == 100
    assert witness.parse_with_children("") == 0


def test_memory_is_of_the_container_below_the_unit_and_pools_are_those_with_pages(tmp_path: Path) -> None:
    told = Witness("llama-server.service", tree(tmp_path)).memory()
    mib = 1024**2
    assert told["pages"] == {
        "resident": 10 * mib,
        "anon_huge": 4 * mib,
        "private_hugetlb": 2 * mib,
        "shared_hugetlb": 0,
    }
    assert told["nodes"] == {"0": 16384, "1": 24576}
    assert told["pools"] == {"node0/2048kB": {"pages": 10, "free": 9}}


def test_clocks_come_from_cpufreq_where_there_is_one(tmp_path: Path) -> None:
    looking = Witness("llama-server.service", tree(tmp_path))
    assert looking.clocks() == [2400.5, 2600.5]
    file = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
    file.parent.mkdir(parents=True)
    file.write_text("5000000\n")
    assert looking.clocks() == [5000.0]


def test_what_a_host_does_not_tell_is_said(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "proc/pressure/cpu").unlink()
    counters = Witness("other.service", tmp_path).counters(0.0)
    assert witness.gaps(counters, []) == [
        "the kernel counts no pressure of cpu, io",
        "the server's control group has no pressure of its own",
        "the server's processes are not in system.slice",
        "no clock rate: no cpufreq, and none in /proc/cpuinfo",
    ]
