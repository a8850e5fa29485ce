"""The three modules as Ansible runs them: arguments in, one JSON object out, on a made-up tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.facts.synthetic import Machine, build
from tests.unit.knobs import fake_host
from tests.unit.knobs.fake_host import everything, make, put, value

ROOT = Path(__file__).parents[3]
SWAPPINESS = {"area": "numa", "kind": "sysctl", "key": "vm.swappiness", "wanted": 10, "why": "weights stay"}
POOL = {"area": "hugepages", "kind": "pool", "key": "node0/2048kB", "wanted": "12"}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository under the collection's name, as ./inv links it."""
    place = tmp_path_factory.mktemp("collections")
    link = place / "ansible_collections/hostproof/core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


class Module:
    def __init__(self, collection: Path, root: Path) -> None:
        self.collection = collection
        self.root = root

    def run(self, name: str, check: bool = False, **arguments: object) -> dict[str, Any]:
        given = {"root": str(self.root), "_ansible_check_mode": check, "_ansible_diff": True, **arguments}
        done = subprocess.run(
            [sys.executable, "-m", f"ansible_collections.hostproof.core.plugins.modules.{name}"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            env={**os.environ, "PYTHONPATH": str(self.collection)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def module(collection: Path, root: Path) -> Module:
    return Module(collection, root)


def test_check_then_apply_then_nothing_then_drift_then_undo(module: Module) -> None:
    host = fake_host.FakeHost(module.root)
    before = everything(host)
    planned = module.run("knobs", check=True, knobs=[SWAPPINESS, POOL])
    assert planned["changed"] and everything(host) == before and not host.exists("/var")
    done = module.run("knobs", knobs=[SWAPPINESS, POOL], run_id="run-1")
    assert done["changed"] and done["diff"] == planned["diff"][1:]
    assert planned["diff"][0]["prepared"].splitlines()[:2] == [
        "numa: sysctl vm.swappiness: live 60 → 10, persisted (absent) → 10",
        "  why: weights stay",
    ]
    assert [knob["state"] for knob in done["knobs"]] == ["changed", "changed"]
    assert done["knobs"][0]["why"] == "weights stay" and done["reboot_required"] is False
    assert not module.run("knobs", knobs=[SWAPPINESS, POOL])["changed"]
    drift = module.run("knobs_drift", knobs=[SWAPPINESS])
    assert [row["state"] for row in drift["rows"]] == ["ok", "orphan"] and drift["differing"] == 1
    assert module.run("knobs_undo", check=True)["changed"] and value(host, "/proc/sys/vm/swappiness") == "10"
    back = module.run("knobs_undo", only=["numa"])
    assert [knob["key"] for knob in back["knobs"]] == ["vm.swappiness"]
    module.run("knobs_undo")
    assert everything(host) == before


def test_what_came_out_otherwise_fails_with_every_sentence_and_what_was_done(module: Module) -> None:
    put(fake_host.FakeHost(module.root), "/etc/sysctl.d/99-zz.conf", "vm.swappiness = 33\n")
    done = module.run("knobs", knobs=[SWAPPINESS, POOL])
    assert done["failed"] and done["changed"]
    assert done["msg"].startswith(
        "foreign: sysctl:vm.swappiness = 10: /etc/sysctl.d/99-zz.conf is read after"
    )
    assert [knob["state"] for knob in done["knobs"]] == ["foreign", "changed"]
    tolerated = module.run("knobs", knobs=[SWAPPINESS, POOL], tolerate=["foreign"])
    assert not tolerated.get("failed") and "99-zz.conf" in str(tolerated["warnings"])


def test_undo_that_leaves_something_fails_and_says_what_force_would_do(module: Module) -> None:
    module.run("knobs", knobs=[SWAPPINESS])
    put(fake_host.FakeHost(module.root), "/proc/sys/vm/swappiness", "33\n")
    done = module.run("knobs_undo")
    assert done["failed"] and "1 not taken back. `--force` takes back what is foreign." in done["msg"]
    assert "from 10 to 33" in done["msg"]
    assert not module.run("knobs_undo", force=True).get("failed")


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("knobs", {"knobs": [{**SWAPPINESS, "wanted": True}]}, "wanted is True, no text and no whole number"),
        ("knobs", {"knobs": [{**SWAPPINESS, "kind": "sysctls"}]}, "unknown kind 'sysctls'"),
        (
            "knobs",
            {"knobs": [], "tolerate": ["shrot"]},
            "unknown state 'shrot' (tolerate). Known: ok, pending",
        ),
        ("knobs", {}, "one of the following is required: knobs, wishes"),
        ("knobs", {"knobs": [], "wishes": {}}, "mutually exclusive"),
        ("knobs", {"wishes": {"tuning_swapiness": "1"}}, "unknown wish tuning_swapiness"),
        ("knobs_drift", {"wishes": {"tuning_swapiness": "1"}}, "unknown wish tuning_swapiness"),
        ("knobs_undo", {"only": ["hugepage"]}, "unknown family 'hugepage'"),
    ],
)
def test_bad_input_is_a_sentence_and_never_a_traceback(
    module: Module, name: str, arguments: dict[str, object], says: str
) -> None:
    done = module.run(name, **arguments)
    assert done["failed"] and says in done["msg"] and "Traceback" not in done["msg"]
    assert not fake_host.FakeHost(module.root).exists("/var")


def test_wishes_are_worked_out_on_the_host_itself(module: Module) -> None:
    wishes = {"tuning_swappiness": "7"}
    drift = module.run("knobs_drift", wishes=wishes, areas=["numa"])
    wanted = {row["key"]: row["wanted"] for row in drift["rows"]}
    assert wanted["vm.swappiness"] == "7"
    done = module.run("knobs", wishes=wishes, areas=["numa"], tolerate=["unsupported"])
    assert value(fake_host.FakeHost(module.root), "/proc/sys/vm/swappiness") == "7", done


def test_drift_tells_in_the_same_call_what_no_server_uses(module: Module) -> None:
    """The word in sysfs is as wanted, and the running server has none of its memory in huge pages."""
    host = fake_host.FakeHost(build(module.root, Machine()))
    put(host, "/sys/fs/cgroup/system.slice/llama-server.service/cgroup.procs", "10\n")
    put(host, "/proc/10/smaps_rollup", "Rss:  400000 kB\nAnonHugePages:  0 kB\n")
    put(host, "/proc/10/status", "Cpus_allowed_list:\t2-15\n")
    server = {"name": "llama_server", "engine": "llama.cpp", "device": "cpu", "memory_bytes": 400_000_000}
    wishes = {"tuning_servers": [server], "tuning_thp": "madvise", "tuning_areas": ["hugepages", "numa"]}
    module.run("knobs", wishes=wishes, tolerate=["unsupported"])
    drift = module.run("knobs_drift", wishes=wishes)
    (row,) = [row for row in drift["rows"] if row["key"] == fake_host.THP]
    assert row["state"] == "ignored-by-workload", row
    assert row["detail"].startswith("llama_server has 0 MiB in transparent huge pages, of 381 MiB of weights")
    demanded = module.run("knobs_drift", wishes=wishes, demand=True)
    assert [row["state"] for row in demanded["rows"] if row["key"] == fake_host.THP] == ["ok"]
