from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.measure import ticks
from hostproof.measure.ticks import Looker
from hostproof.measure.unit import Unit

STAT = (
    "cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 60 0 20 400 5 0 5 10 0 0\ncpu1 40 0 30 400 5 0 0 25 0 0\nintr 1\n"
)
PROCESS = "42 (a (b) c) S 1 42 42 0 -1 4194560 9 0 0 0 {user} {system} 0 0 20 0 1 0 100 0 0"


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with two cores, clocks, pressure and one package's energy counter."""
    put(tmp_path / "proc/stat", STAT)
    put(
        tmp_path / "proc/meminfo",
        "MemAvailable: 10 kB\nAnonHugePages: 4 kB\nHugePages_Free: 7\nSwapFree: 0 kB\n",
    )
    put(tmp_path / "proc/vmstat", "pgin 1\npswpin 12\n")
    for name in ("cpu", "memory", "io"):
        line = "avg10=0.00 avg60=0.00 avg300=0.00"
        put(tmp_path / "proc/pressure" / name, f"some {line} total=1500\nfull {line} total=1\n")
    for core, khz in ((0, 4_100_000), (1, 2_900_000), (10, 1_000_000)):
        put(tmp_path / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", f"{khz}\n")
    rapl = tmp_path / "sys/class/powercap/intel-rapl:0"
    put(rapl / "name", "package-0\n")
    put(rapl / "energy_uj", "900000\n")
    put(rapl / "max_energy_range_uj", "999999\n")
    put(tmp_path / "sys/class/powercap/intel-rapl:0:0/name", "core\n")
    put(tmp_path / "proc/42/stat", PROCESS.format(user=300, system=20))
    put(tmp_path / "proc/7/stat", PROCESS.format(user=5, system=5))
    return tmp_path


def looker(host: Path, unit: Unit | None = None) -> Looker:
    group = host / "group"
    put(group / "cgroup.procs", "42\n")
    return Looker(unit or Unit(42, group), (7,), host / "proc", host / "sys")


def test_a_look_reads_all_that_there_is(host: Path) -> None:
    eye = looker(host)
    tick = eye.look()
    assert eye.missing == []
    assert (tick.busy, tick.total, tick.steal) == ((95, 95), (500, 500), 35)
    assert tick.psi == {"cpu": 1500, "memory": 1500, "io": 1500}
    assert tick.mhz == (4100, 2900, 1000)
    assert tick.memory == {"available": 10240, "swap_free": 0, "anon_huge": 4096, "huge_free": 7}
    assert tick.swapped_in == 12
    assert (tick.server, tick.instrument, tick.rapl, tick.gpus) == (0, 0, 0.0, ())


def test_processor_time_of_processes_is_counted_from_the_first_look(host: Path) -> None:
    eye = looker(host)
    eye.look()
    put(host / "proc/42/stat", PROCESS.format(user=350, system=30))
    assert eye.look().server == 60


def test_what_an_ended_process_used_stays_counted(host: Path) -> None:
    eye = looker(host)
    eye.look()
    put(host / "proc/42/stat", PROCESS.format(user=350, system=20))
    eye.look()
    (host / "proc/42/stat").unlink()
    assert eye.look().server == 50


def test_an_energy_counter_that_starts_again_goes_on(host: Path) -> None:
    eye = looker(host)
    put(host / "sys/class/powercap/intel-rapl:0/energy_uj", "100000\n")
    assert eye.look().rapl == pytest.approx(0.2)


def test_only_packages_count_since_their_parts_are_in_them(host: Path) -> None:
    put(host / "sys/class/powercap/intel-rapl:0:0/energy_uj", "not read\n")
    assert looker(host).look().rapl == 0.0


def test_what_a_host_does_not_tell_is_said_once(host: Path) -> None:
    for file in (host / "proc/pressure").iterdir():
        file.unlink()
    (host / "sys/class/powercap/intel-rapl:0/name").unlink()
    eye = looker(host, Unit(problem="llama-server.service has no running process"))
    tick = eye.look()
    assert (tick.server, tick.psi, tick.rapl) == (None, {}, None)
    assert eye.missing == [
        "the server's own CPU time: llama-server.service has no running process",
        "/proc/pressure/cpu: this kernel does not count it",
        "/proc/pressure/memory: this kernel does not count it",
        "/proc/pressure/io: this kernel does not count it",
        "the CPU's energy: no RAPL in /sys/class/powercap",
    ]


def test_a_kernel_without_cpufreq_tells_clocks_in_cpuinfo(host: Path) -> None:
    for file in (host / "sys/devices/system/cpu").glob("*/cpufreq/*"):
        file.unlink()
    put(
        host / "proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2596.134\n\nprocessor\t: 1\ncpu MHz\t\t: 800.5\n"
    )
    assert looker(host).look().mhz == (2596, 800)


def test_a_tick_comes_back_from_json_as_it_was(host: Path) -> None:
    tick = looker(host).look()
    assert ticks.from_json(ticks.to_json(tick)) == tick
