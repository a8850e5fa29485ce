"""A comparison with a real llama-server on a lab host that is a container: the pages are real, the kernel is not to be touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import hosts

from .places import ROOT, Place

pytestmark = [pytest.mark.lab, pytest.mark.long]
NAME = "compared"
THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MIB = 1024**2
DROP_IN = "90-hostproof-ab.conf"
QUICK = ("--workload", "quick")
VARIABLES: dict[str, Any] = {
    "vllm_server_model": "",
    # Of these, the container has what reaches its server; the kernel's own are left alone there.
    "tuning_areas": ["hugepages", "numa"],
    "validation_setups": {"cpu": {"title": "A: CPU", "server": "llama_server", "workload": "quick"}},
}
SNAPSHOT = (
    "systemctl is-active llama-server.service; systemctl cat llama-server.service; ps -C llama-server -o args=;"
    "sudo find /run/hostproof /run/systemd/system -not -name run.lock; sudo cat /var/lib/hostproof/journal.jsonl;"
    "systemctl list-timers --all --no-legend 'hostproof-*'"
)
"""What a comparison must leave as it was."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "inventory").mkdir()
    try:
        (record,) = hosts.up(NAME, checkout=folder, inventory_file=folder / "inventory/lab.yml")
        made = Place(folder, record)
        # Its own, so that nobody else's run builds the instrument anew meanwhile.
        made.say(**VARIABLES, ab_cache=str(folder))
        subprocess.run([sys.executable, "-m", "lab.parts.llama_image"], check=True, cwd=ROOT, timeout=900)
        status, _, said = made.inv("provision", "--host", NAME)
        assert status == 0, said
        made.sh("sudo mkdir -p /run/hostproof")
        yield made
    finally:
        hosts.down([NAME], checkout=folder)


def test_the_server_has_huge_pages_under_b_alone_and_the_host_is_as_it_was(place: Place) -> None:
    if "[never]" in THP.read_text():
        pytest.skip("this machine has transparent huge pages switched off")
    before = place.sh(SNAPSHOT)
    assert "--env GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in before and before.startswith("active\n")
    status, found, said = place.compare("--knobs", "hugepages", "--rounds", "1", *QUICK)
    # One round gives no interval, and a machine with others on it is contended: neither is a verdict.
    assert status == 3 and found["verdict"] in {"cannot tell", "contended"}, said
    assert [v["arm"] for v in sorted(found["visits"], key=lambda v: str(v["arm"]))] == ["a1", "a2", "b"]
    assert found["arms"]["b"]["anon_huge"] > 200 * MIB, "the weights are in huge pages"
    if "[madvise]" in THP.read_text():
        assert found["arms"]["a"]["anon_huge"] < 10 * MIB
    assert all(set(v["speeds"]) == {"prompt_throughput", "generation_throughput"} for v in found["visits"])
    left = {one["name"]: one["why"] for one in found["switched"]["left"]}
    assert left.keys() == {f"sysfs:{THP}"} and "kernel around this container" in left[f"sysfs:{THP}"]
    assert found["back"] == {"as_found": True, "readings": [], "servers": ["llama-server.service"]}
    assert place.sh(SNAPSHOT) == before


def test_what_is_the_kernel_s_own_is_refused_before_a_server_is_touched(place: Place) -> None:
    before = place.sh(f"{SNAPSHOT}; systemctl show --property=InvocationID llama-server.service")
    status, _, said = place.compare("--knobs", "swappiness", "--rounds", "1", *QUICK)
    assert status == 1 and "nothing can be compared" in said and "kernel around this container" in said
    status, _, said = place.compare("--knobs", "governor", *QUICK)
    assert status == 1 and "no knob of this host is called 'governor'" in said and "service_pages" in said
    assert place.sh(f"{SNAPSHOT}; systemctl show --property=InvocationID llama-server.service") == before


def begun(place: Place) -> subprocess.Popen[str]:
    """A comparison whose server has the words of an arm by now, in a process group of its own."""
    words = ["ab", "--host", NAME, "--knobs", "hugepages", "--rounds", "6", *QUICK]
    started = subprocess.Popen(
        place.argv(*words),
        env=place.environment(),
        cwd=ROOT,
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    until = time.monotonic() + 300
    while not (there := DROP_IN in place.sh("ls /run/systemd/system/*.d")) and time.monotonic() < until:
        time.sleep(1)
    assert there, "the comparison came to its first arm"
    time.sleep(3)
    return started


def test_ctrl_c_puts_everything_back(place: Place) -> None:
    before = place.sh(SNAPSHOT)
    started = begun(place)
    started.send_signal(signal.SIGINT)
    said, _ = started.communicate(timeout=180)
    assert started.returncode == 1 and "interrupted; the host was let go" in said, said
    assert place.sh(SNAPSHOT) == before


def test_nobody_is_left_and_the_host_puts_everything_back_by_itself(place: Place) -> None:
    before = place.sh(SNAPSHOT)
    # As short as a test can wait for: the host goes by the time since the last switch alone.
    place.say(**VARIABLES, ab_cache=str(place.folder), ab_guard_seconds=45)
    started = begun(place)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate(timeout=60)
    assert DROP_IN in place.sh("ls /run/systemd/system/*.d")
    until = time.monotonic() + 240
    while place.sh(SNAPSHOT) != before and time.monotonic() < until:
        time.sleep(5)
    assert place.sh(SNAPSHOT) == before
