"""Processors, memory, processes, units: recorded text and small trees."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from hostproof.measure import gpu, procfs, unit
from hostproof.measure.errors import BadStatus
from hostproof.measure.procfs import CoreTime
from hostproof.measure.unit import Unit
from hostproof.measure.watch import Watch

STAT = """cpu  10 0 10 80 0 0 0 0 0 0
cpu0 5 1 5 40 2 1 1 5 3 0
cpu1 5 0 5 40 0 0 0 0 0 0
intr 12345
"""


def test_idle_and_waiting_for_disks_are_not_busy() -> None:
    assert procfs.parse_stat(STAT) == {0: CoreTime(18, 60), 1: CoreTime(10, 50)}


def test_utilisation_is_of_the_time_between_and_skips_a_core_that_stood_still_or_is_new() -> None:
    before = {0: CoreTime(10, 100), 1: CoreTime(10, 100)}
    after = {0: CoreTime(60, 200), 1: CoreTime(10, 100), 2: CoreTime(1, 1)}
    assert procfs.utilisation(before, after) == {0: 0.5}


def test_mean_per_core_over_runs() -> None:
    assert procfs.mean_per_core([{0: 0.5, 1: 1.0}, {0: 1.0}]) == {0: 0.75, 1: 1.0}


def test_this_machine_has_cores() -> None:
    assert procfs.read_cores()


def test_descendants_are_found_through_conmon() -> None:
    assert procfs.descendants(1, {2: 1, 3: 2, 4: 3, 9: 8}) == [1, 2, 3, 4]
    assert procfs.read_parents()[os.getpid()] == os.getppid()


def test_proportional_memory_skips_processes_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps_rollup").write_text("0-f r 0\nRss: 200 kB\nPss:  100 kB\nPss_Anon: 5 kB\n")
    assert procfs.proportional_bytes([7, 8], tmp_path) == 102400
    assert procfs.proportional_bytes([8], tmp_path) is None


def test_the_model_of_the_processor() -> None:
    text = "processor\t: 0\nmodel name\t: AMD EPYC 9175F 16-Core Processor\nprocessor\t: 1\n"
    assert procfs.cpu_model(text) == "AMD EPYC 9175F 16-Core Processor"
    assert procfs.cpu_model("Features : fp asimd") == ""


def _systemctl(folder: Path, answer: str) -> str:
    script = folder / "systemctl"
    script.write_text(f"#!/bin/sh\ncat <<'EOF'\n{answer}\nEOF\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_a_unit_with_a_cgroup_peak_is_read_from_there(tmp_path: Path) -> None:
    group = tmp_path / "system.slice" / "llama.service"
    group.mkdir(parents=True)
    (group / "memory.peak").write_text("123456\n")
    command = _systemctl(tmp_path, "MainPID=7\nControlGroup=/system.slice/llama.service")
    found = unit.find("llama.service", systemctl=[command], cgroup=tmp_path)
    assert (found.memory(), found.source) == (123456.0, "cgroup")


def test_a_unit_without_one_is_summed_over_the_processes_below_its_group(tmp_path: Path) -> None:
    group = tmp_path / "llama.service"
    (group / "container").mkdir(parents=True)
    (group / "cgroup.procs").write_text("")
    (group / "container" / "cgroup.procs").write_text("7\n8\n")
    for pid in (7, 8):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "smaps_rollup").write_text("Pss: 10 kB\n")
    found = Unit(main_pid=7, group=group, proc=tmp_path)
    assert found.pids() == [7, 8]
    assert (found.memory(), found.source) == (20480.0, "smaps_rollup")


def test_a_unit_without_a_visible_group_is_its_main_process_and_what_that_started() -> None:
    assert os.getpid() in Unit(main_pid=os.getpid()).pids()
    assert (Unit(main_pid=os.getpid()).memory() or 0) > 1_000_000


@pytest.mark.parametrize(
    ("answer", "said"),
    [("MainPID=0\nControlGroup=", "has no running process"), ("", "has no running process")],
)
def test_a_unit_that_does_not_run_is_a_named_problem(tmp_path: Path, answer: str, said: str) -> None:
    found = unit.find("x.service", systemctl=[_systemctl(tmp_path, answer)], cgroup=tmp_path)
    assert said in found.problem
    assert found.memory() is None


def test_a_host_without_systemd_is_a_named_problem() -> None:
    assert "cannot be asked" in unit.find("x.service", systemctl=["/no/such/systemctl"]).problem
    assert "no systemd unit" in unit.find("").problem


def test_a_watch_keeps_readings_and_survives_a_probe_that_fails() -> None:
    readings = iter([1.0, 5.0, None, 2.0])

    def probe() -> float | None:
        try:
            return next(readings)
        except StopIteration:
            raise BadStatus(404, "gone") from None

    watch = Watch(probe, 60.0)
    for _ in range(6):
        watch.look()
    assert watch.readings == [1.0, 5.0, 2.0]
    assert watch.peak == 5.0
    assert "HTTP 404" in watch.problem


def test_a_watch_looks_by_itself_while_it_is_open() -> None:
    seen = threading.Event()

    def probe() -> float:
        seen.set()
        return 3.0

    with Watch(probe, 0.01) as watch:
        assert seen.wait(10)
    assert watch.peak == 3.0


def test_without_a_driver_there_is_no_gpu_and_no_problem(tmp_path: Path) -> None:
    found = gpu.find(tmp_path / "nothing")
    assert (found.names(), found.driver(), found.problem, found.reading()) == ("none seen", "", "", {})


def test_with_a_driver_and_no_library_the_gap_is_named(tmp_path: Path) -> None:
    driver = tmp_path / "version"
    driver.touch()
    found = gpu.find(driver)
    assert "were not observed" in found.problem


class _Nvml:
    """Two GPUs, of which neither tells its energy."""

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:  # noqa: N802
        return f"GPU {handle}".encode()

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.95.05"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> object:  # noqa: N802
        return type("Memory", (), {"used": 100 + handle})

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return 150_000

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        raise self.NVMLError


def test_gpus_are_added_up_and_what_they_do_not_tell_is_left_out() -> None:
    gpus = gpu.Gpus(_Nvml())
    assert gpus.names() == "GPU 0, GPU 1"
    assert gpus.driver() == "580.95.05"
    assert gpus.reading() == {"memory_used_bytes": 201.0, "power_watts": 300.0}
