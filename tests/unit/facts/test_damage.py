"""Whatever a tree holds, facts come of it and none is made up silently: damage gives a reason, never a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostproof.shared.facts import gather
from hostproof.shared.facts.tree import CLOSED, LARGEST_BYTES, OUTSIDE, Tree
from tests.unit.facts.synthetic import GPU, Machine, build

SMALL = Machine(cores=2, smt=True, dimms=2, driver="amd-pstate-epp")
GARBAGE = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"",
            b"\x00" * 40,
            b"-1",
            b"99999999999999999999",
            b"4294967295\n",
            b"0-",
            b"0-99999999",
            b"5-1",
            b"nan",
            b"NaN kB",
            "²".encode(),
            b"[",
            b"[]",
            b"0x",
            b"ff" * 40,
            b"a: b\n" * 9,
            b"\xff\xfe",
            b"processor : \xb2",
        ]
    ),
)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("damage") / "host", SMALL)


def every_file(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_garbage_anywhere_gives_facts(damaged: Path, data: st.DataObject) -> None:
    files = every_file(damaged)
    chosen = data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=8, unique=True))
    before = {path: path.read_bytes() for path in chosen}
    try:
        for path in chosen:
            garbage = data.draw(st.one_of(st.none(), GARBAGE))
            if garbage is None:
                path.unlink()
            else:
                path.write_bytes(garbage)
        facts = gather.gather(damaged)
        assert gather.from_json(json.loads(json.dumps(gather.to_json(facts)))) == facts
    finally:
        for path, raw in before.items():
            path.write_bytes(raw)


@settings(max_examples=60, deadline=None)
@given(table=st.one_of(st.binary(max_size=300), st.integers(0, 400).map(lambda n: n.to_bytes(2) * 90)))
def test_garbage_in_the_firmware_s_table(damaged: Path, table: bytes) -> None:
    path = damaged / "sys/firmware/dmi/tables/DMI"
    before = path.read_bytes()
    try:
        path.write_bytes(before[: len(table)] + table)
        facts = gather.gather(damaged)
        assert len(facts.memory.dimms) <= facts.memory.slots
    finally:
        path.write_bytes(before)


def test_an_empty_tree_gives_empty_facts_and_the_reasons(tmp_path: Path) -> None:
    facts = gather.gather(tmp_path)
    assert (facts.cpu.threads, facts.cpu.sockets, facts.numa.nps, facts.memory.total_bytes) == (0, 0, None, 0)
    for path in (
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/cmdline",
        "/etc/os-release",
        "/sys/devices/system/node",
    ):
        assert facts.unreadable[path] == "not there"


def test_a_tree_that_is_not_there(tmp_path: Path) -> None:
    assert gather.gather(tmp_path / "nowhere").cpu.threads == 0


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("sys/devices/system/cpu/online", "0-x", "not a list of numbers: '0-x'"),
        ("sys/devices/system/cpu/offline", "7-3", "not a range: '7-3'"),
        ("sys/devices/system/node/node0/distance", "10 999", "not distances: '10 999'"),
        ("sys/devices/system/node/node0/meminfo", "nothing", "no figure in it"),
        ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "many", "not a number: 'many'"),
        ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "-4", "negative: -4"),
        ("sys/devices/system/cpu/cpu0/cache/index3/size", "big", "not a size: 'big'"),
        ("proc/cpuinfo", "x", "no processor in it"),
    ],
)
def test_each_kind_of_damage_is_named(root: Path, path: str, text: str, reason: str) -> None:
    (root / path).write_text(text, encoding="utf-8")
    assert gather.gather(root).unreadable[f"/{path}"] == reason


def test_topology_that_is_missing_is_taken_from_cpuinfo(tmp_path: Path) -> None:
    root = build(tmp_path / "host", SMALL)
    (root / "sys/devices/system/cpu/cpu1/topology/core_cpus_list").unlink()
    facts = gather.gather(root)
    assert (facts.cpu.cores, facts.cpu.threads_per_core) == (2, 2)
    assert "/proc/cpuinfo is used" in facts.unreadable["/sys/devices/system/cpu/cpu1/topology"]


def test_a_pipe_does_not_hold_it_up(root: Path) -> None:
    path = root / "proc/cmdline"
    path.unlink()
    os.mkfifo(path)
    assert gather.gather(root).unreadable["/proc/cmdline"] == "not a plain file"


def test_a_folder_in_place_of_a_file(root: Path) -> None:
    (root / "proc/cmdline").unlink()
    (root / "proc/cmdline").mkdir()
    assert gather.gather(root).unreadable["/proc/cmdline"] == "not a plain file"


def test_a_file_that_is_too_big(root: Path) -> None:
    with (root / "proc/cmdline").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    assert "larger than" in gather.gather(root).unreadable["/proc/cmdline"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../../../etc/passwd"])
def test_a_link_out_of_the_tree_is_not_followed(root: Path, target: str) -> None:
    (root / "proc/cmdline").unlink()
    (root / "proc/cmdline").symlink_to(target)
    facts = gather.gather(root)
    assert facts.kernel.cmdline == ""
    assert facts.unreadable["/proc/cmdline"] == OUTSIDE


def test_a_link_to_itself(root: Path) -> None:
    (root / "proc/cmdline").unlink()
    (root / "proc/cmdline").symlink_to("cmdline")
    assert "/proc/cmdline" in gather.gather(root).unreadable


def test_a_refusal_of_the_kernel_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_arguments: object, **_named: object) -> object:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    tree = Tree(root)
    assert tree.text("/proc/cmdline") == ""
    assert tree.unreadable == {"/proc/cmdline": CLOSED}


def test_a_device_with_half_a_link_has_none(root: Path) -> None:
    (root / f"sys/bus/pci/devices/{GPU}/current_link_speed").write_text("Unknown\n", encoding="utf-8")
    (gpu,) = gather.gather(root).pci.devices
    assert gpu.link is None
