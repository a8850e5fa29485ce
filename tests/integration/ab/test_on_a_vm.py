"""A comparison with a kernel of its own to switch: transparent huge pages, a pool, sysctl, on a virtual lab host.

Its server is a stand-in whose memory is real. Speeds under an emulated processor mean nothing; what the kernel says does.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import hosts
from lab.records import VM

from .places import ROOT, Place

pytestmark = [pytest.mark.vm, pytest.mark.long]
NAME = "comparedvm"
MIB = 1024**2
WEIGHTS = 96
"""MiB; as in `stand_in/llama-server.service`."""
STAND_IN = Path(__file__).parent / "stand_in"
ENDPOINT = {
    **{"schema": "hostproof.server/1", "server": "llama_server", "unit": "llama-server.service"},
    **{"url": "http://127.0.0.1:8081", "api_key_file": "", "model": "stand-in", "served_name": "mock"},
    **{"model_path": "", "parameters_billion": 0.1, "context": 4096, "release": "stand-in", "flags": {}},
}
KERNEL = (
    "cat /proc/sys/vm/swappiness /sys/kernel/mm/transparent_hugepage/enabled "
    "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages; "
    "ls /etc/sysctl.d /etc/tmpfiles.d /run/systemd/system; systemctl is-active llama-server.service"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "inventory").mkdir()
    try:
        (record,) = hosts.up(
            NAME, kind=VM, nodes=2, checkout=folder, inventory_file=folder / "inventory/lab.yml"
        )
        made = Place(folder, record)
        made.say(
            tuning_hugepages_pools=[{"size": "2M", "pages": 16, "node": 1, "for": "the lab"}],
            tuning_hugepages_reserve_bytes=400_000_000,
            # Its own, so that nobody else's run builds the instrument anew meanwhile.
            ab_cache=str(folder),
            validation_setups={"cpu": {"title": "a stand-in", "server": "llama_server", "workload": "quick"}},
        )
        install(made)
        yield made
    finally:
        hosts.down([NAME], checkout=folder)


def install(place: Place) -> None:
    files = {
        "/opt/stand-in/serve.py": (STAND_IN / "serve.py").read_text(),
        "/opt/stand-in/mock_server.py": (ROOT / "tests/unit/measure/mock_server.py").read_text(),
        "/etc/systemd/system/llama-server.service": (STAND_IN / "llama-server.service").read_text(),
        "/etc/hostproof/servers/llama_server.json": json.dumps(ENDPOINT),
    }
    for path, text in files.items():
        folder = shlex.quote(str(Path(path).parent))
        assert (
            place.sh(f"sudo mkdir -p {folder}; echo {shlex.quote(text)} | sudo tee {path} >/dev/null") == ""
        )
    place.sh("sudo systemctl daemon-reload; sudo systemctl start llama-server.service")


def test_the_kernel_is_switched_seen_and_put_back_on_an_untuned_host(place: Place) -> None:
    before = place.sh(KERNEL)
    assert before.splitlines()[:3] == ["60", "[always] madvise never", "0"]
    status, found, said = place.compare(
        "--knobs", "thp,swappiness,pool", "--rounds", "1", "--workload", "quick"
    )
    assert status == 3 and found["verdict"] in {"cannot tell", "contended"}, said
    a, b = found["arms"]["a"], found["arms"]["b"]
    # Debian's own is always; madvise, as wanted, reaches only those that ask, and this server does not.
    assert a["anon_huge"] >= WEIGHTS * MIB * 0.9 and b["anon_huge"] < 10 * MIB
    assert b["pools"] == {"node1/2048kB": [16, 16]} and a["pools"] == {}
    told = "\n".join(found["findings"])
    assert "not used: pool:node1/2048kB: all 16 pages were free under B" in told
    assert "not used: sysctl:vm.swappiness: the kernel did nothing of the kind" in told
    assert "not used: sysfs:" not in told
    for visit in found["visits"]:
        wanted = {"10", "madvise", "16"} if visit["arm"] == "b" else {"60", "always", "0"}
        assert {reading["got"] for reading in visit["readings"]} == wanted
    assert found["back"]["as_found"] and len(found["back"]["readings"]) == 3
    assert place.sh(KERNEL) == before
    # What the journal did not know before it has forgotten again.
    status, out, said = place.inv("undo", "--host", NAME)
    assert status == 0 and "0 taken back" in out, out + said
