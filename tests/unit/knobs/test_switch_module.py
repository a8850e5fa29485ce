"""The module knobs_switch as Ansible runs it, and the program that puts everything back by itself, on a made-up tree."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hostproof.play import bundle
from hostproof.shared import engine, putting_back, server_turns, switching, witness
from hostproof.shared.host import CommandError, FileState
from hostproof.shared.knob import KnobError
from tests.unit.knobs import fake_host
from tests.unit.knobs.fake_host import FakeHost, make, put, value
from tests.unit.knobs.test_modules import Module, collection, module, root  # noqa: F401  (fixtures)
from tests.unit.knobs.wanted import SWAPPINESS

SWAP = "/proc/sys/vm/swappiness"
WISHES = {"tuning_areas": ["numa"], "tuning_swappiness": "10"}


@pytest.fixture(autouse=True)
def _systemctl(root: Path) -> None:  # noqa: F811
    """The made-up tree's own, which knows no unit."""
    program = root / "usr/bin/systemctl"
    program.write_text("#!/bin/sh\necho LoadState=not-found\n")
    program.chmod(0o755)


def begin(module: Module, **more: Any) -> dict[str, Any]:  # noqa: F811
    return module.run(
        "knobs_switch",
        **{"state": "begun", "wishes": WISHES, "only": ["swappiness"], "run_id": "ab-1", **more},
    )


def test_begun_a_b_given_back(module: Module) -> None:  # noqa: F811
    host = FakeHost(module.root)
    found = begin(module)
    assert [(p["path"], p["a"], p["b"], p["found"]) for p in found["places"]] == [(SWAP, "60", "10", "60")]
    assert value(host, SWAP) == "60" and host.exists(switching.PATH)
    switched = module.run("knobs_switch", state="b")
    assert switched["readings"] == [{"path": SWAP, "wanted": "10", "got": "10", "as_wanted": True}]
    assert value(host, SWAP) == "10"
    module.run("knobs_switch", state="a")
    assert value(host, SWAP) == "60"
    back = module.run("knobs_switch", state="given_back")
    assert back["under_way"] and back["readings"][0]["as_wanted"] and not host.exists(switching.PATH)
    assert not module.run("knobs_switch", state="given_back")["changed"]


def test_check_mode_says_what_would_be_compared_and_leaves_no_trace(module: Module) -> None:  # noqa: F811
    host = FakeHost(module.root)
    before = fake_host.everything(host)
    found = begin(module, check=True)
    assert found["places"] and fake_host.everything(host) == before and not host.exists("/var/lib/hostproof")


def test_nothing_to_compare_is_one_sentence_with_every_reason(module: Module) -> None:  # noqa: F811
    wishes = {"tuning_areas": ["numa", "kernel_cmdline"], "tuning_swappiness": "60", "tuning_iommu": "pt"}
    failed = begin(module, wishes=wishes, only=["swappiness", "iommu"])
    assert failed["failed"]
    for part in (
        "nothing can be compared",
        "60 is what stood there first",
        "iommu: acts only after a reboot",
        "Choose knobs",
    ):
        assert part in failed["msg"]
    assert not FakeHost(module.root).exists(switching.PATH)


def test_an_arm_without_a_beginning_is_refused(module: Module) -> None:  # noqa: F811
    assert "no comparison is under way" in module.run("knobs_switch", state="a")["msg"]


def test_a_beginning_puts_back_what_an_earlier_one_left(module: Module) -> None:  # noqa: F811
    begin(module)
    module.run("knobs_switch", state="b")
    assert begin(module, run_id="ab-2")["places"][0]["found"] == "60"


class Systemd(FakeHost):
    """Units with their state, and what was asked of systemd."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.asked: list[str] = []
        self.broken = ""
        self.active = "inactive"

    def command(self, argv: Any, *_: Any, **__: Any) -> str:
        self.asked.append(" ".join(argv))
        if self.broken and self.broken in self.asked[-1]:
            raise CommandError(f"{argv[0]} ended with 1: no")
        return f"LoadState=loaded\nActiveState={self.active}\n" if "show" in argv else ""


def under_way(place: Path) -> Systemd:
    """Swappiness is at 10 under B; a server that ran has the words of B."""
    make(place)
    host = Systemd(place)
    places = switching.look(host, (SWAPPINESS,)).places
    texts = {"a.service": {"a": "[Service]\n", "b": "[Service]\nExecStart=\n"}}
    note = switching.Note("ab-1", host.boot_id(), places, ("a.service",), texts)
    switching.begin(host, note)
    put(host, server_turns.PATH, server_turns.render({"a.service": True, "b.service": False}))
    put(host, putting_back.PROGRAM, "")
    put(host, witness.NOTE, "{}")
    switching.switch(host, note, "b")
    switching.place_drop_ins(host, note, "b")
    host.asked.clear()
    return host


def test_putting_back_stops_measuring_and_servers_then_restores_then_starts_those_that_ran(
    tmp_path: Path,
) -> None:
    host = under_way(tmp_path)
    put(host, "/run/hostproof/measure/config.json", "{}")
    back = putting_back.put_back(host)
    assert back.under_way and back.started == ("a.service",) and value(host, SWAP) == "60"
    deeds = [line for line in host.asked if " show " not in line]
    assert deeds == [
        "systemctl stop hostproof-measure.service",
        "systemctl stop a.service",
        "systemctl stop b.service",
        "systemctl daemon-reload",
        "systemctl start a.service",
        "systemctl stop hostproof-ab-back.timer",
    ]
    gone = (switching.drop_in("a.service"), "/run/systemd/system/a.service.d", "/run/hostproof/measure")
    assert not any(
        map(host.exists, (*gone, switching.PATH, server_turns.PATH, putting_back.PROGRAM, witness.NOTE))
    )


def test_a_server_that_failed_under_an_arm_may_start_again(tmp_path: Path) -> None:
    host = under_way(tmp_path)
    host.active = "failed"
    putting_back.put_back(host)
    at = host.asked.index("systemctl start a.service")
    assert host.asked[at - 1] == "systemctl reset-failed a.service"


@pytest.mark.parametrize("broken", ["stop a.service", "daemon-reload", "start a.service"])
def test_what_fails_on_the_way_keeps_the_note_for_the_next_try(tmp_path: Path, broken: str) -> None:
    host = under_way(tmp_path)
    host.broken = broken
    with pytest.raises(KnobError):
        putting_back.put_back(host)
    assert host.exists(switching.PATH)
    host.broken = ""
    assert putting_back.put_back(host).started == ("a.service",)
    assert value(host, SWAP) == "60"


def test_where_nothing_is_under_way_nothing_is_touched(tmp_path: Path) -> None:
    make(tmp_path)
    host = Systemd(tmp_path)
    put(host, server_turns.PATH, server_turns.render({"a.service": True}))
    assert putting_back.put_back(host) == putting_back.Back()
    assert host.asked == [] and host.exists(server_turns.PATH), (
        "a validation's own note is not ours to act on"
    )


def test_the_guard_is_one_timer_that_is_set_anew(tmp_path: Path) -> None:
    make(tmp_path)
    put(FakeHost(tmp_path), "/usr/bin/systemd-run", "")
    host = Systemd(tmp_path)
    putting_back.arm(host, 300)
    assert host.asked[1] == "systemctl stop hostproof-ab-back.timer"
    assert "--on-active=300" in host.asked[2] and host.asked[2].endswith(putting_back.PROGRAM)


def test_the_program_of_the_guard_runs_without_ansible_and_says_what_it_did(tmp_path: Path) -> None:
    made = bundle.build_put_back(tmp_path / "ab-back.pyz")
    first = made.read_bytes()
    assert bundle.build_put_back(tmp_path / "again.pyz").read_bytes() == first
    with zipfile.ZipFile(made) as archive:
        assert {"hostproof/shared/putting_back.py", "hostproof/shared/kinds/pool.py"} <= set(
            archive.namelist()
        )
    # -I -S: neither this environment's packages nor the current folder.
    check = "import sys; sys.path.insert(0, sys.argv[1]); import hostproof.shared.putting_back as p; print(p.PROGRAM)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", check, str(made)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.strip() == putting_back.PROGRAM, done.stderr


def test_server_witness_tells_what_lies_between(module: Module) -> None:  # noqa: F811
    host = FakeHost(module.root)
    put(host, "/proc/stat", "cpu  100 0 0 100 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0\n")
    asked = {"unit": "x.service", "seconds": 0.1}
    assert "no counters were noted" in module.run("server_witness", state="after", **asked)["msg"]
    module.run("server_witness", state="before", **asked)
    module.run("server_witness", state="during", **asked)
    put(host, "/proc/stat", "cpu  300 0 0 100 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0\n")
    told = module.run("server_witness", state="after", **asked)["told"]
    assert told["cpu_seconds"]["rest"] == 2.0 and told["mhz"] == {} and told["cores"] == 1
    assert json.dumps(told) and not (module.root / "run/hostproof/witness.json").exists()


def test_an_unknown_wish_is_refused_before_anything_is_noted(module: Module) -> None:  # noqa: F811
    assert "unknown wish tuning_swapiness" in begin(module, wishes={"tuning_swapiness": "1"})["msg"]


def test_a_tuned_host_is_found_tuned(module: Module) -> None:  # noqa: F811
    host = FakeHost(module.root)
    engine.apply(host, (SWAPPINESS,), "provision-1")
    assert begin(module)["places"][0] | {"asked": ""} == {
        **{"area": "numa", "kind": "sysctl", "key": "vm.swappiness", "group": "", "path": SWAP},
        **{"a": "60", "b": "10", "found": "10", "asked": "", "known": True},
    }
    assert host.file("/etc/sysctl.d/99-hostproof.conf") != FileState(None)
