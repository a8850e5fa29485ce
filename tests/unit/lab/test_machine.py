"""What is told of a machine, from recorded files of several."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from lab import machine
from lab.machine import Limits, Machine

RECORDED = Path(__file__).parent / "recorded"
HYBRID = (RECORDED / "mounts-hybrid.txt").read_text(encoding="utf-8")
V2 = """sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0
/dev/nvme0n1p2 / ext4 rw,relatime 0 0
"""
V1 = "".join(line for line in HYBRID.splitlines(keepends=True) if " cgroup2 " not in line)
# The line of a container without CAP_SYS_RESOURCE (bit 24), and of one with all capabilities.
WITHOUT = "CapInh:\t0000000000000000\nCapPrm:\t000001fffeffffff\nCapEff:\t000001fffeffffff\nCapBnd:\t000001fffeffffff\n"
ALL = WITHOUT.replace("fffeffffff", "ffffffffff")
USER = "CapInh:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n"


def test_one_tree() -> None:
    assert machine.parse_cgroups(V2) == ("v2", "/sys/fs/cgroup")


def test_controllers_of_v1_beside_a_v2_tree() -> None:
    assert machine.parse_cgroups(HYBRID) == ("hybrid", "/sys/fs/cgroup/unified")


@pytest.mark.parametrize("mounts", ["", V1, "none /x\n\n"], ids=["none", "v1", "short lines"])
def test_without_a_v2_tree_no_host_can_start(mounts: str) -> None:
    with pytest.raises(HostproofError) as caught:
        machine.parse_cgroups(mounts)
    assert "no cgroup v2 tree is mounted" in str(caught.value)
    assert "systemd.unified_cgroup_hierarchy=1" in caught.value.mend


def test_root_has_its_effective_capabilities_and_sudo_gives_the_bounding_set() -> None:
    assert machine.can_raise_limits(ALL, root=True)
    assert not machine.can_raise_limits(WITHOUT, root=True)
    assert not machine.can_raise_limits(USER, root=True)
    assert machine.can_raise_limits(USER, root=False)
    assert not machine.can_raise_limits(WITHOUT, root=False)


@pytest.mark.parametrize(
    ("cgroups", "limits", "runtime"),
    [
        ("v2", None, ""),
        ("v2", Limits(1024, 1024), "runc"),
        ("hybrid", None, "runc"),
        ("hybrid", Limits(1, 1), "runc"),
    ],
)
def test_crun_is_left_alone_where_it_works(cgroups: str, limits: Limits | None, runtime: str) -> None:
    assert Machine(True, cgroups, "/x", limits).runtime == runtime  # type: ignore[arg-type]


def test_without_root_commands_go_through_sudo_and_never_ask() -> None:
    assert Machine(False, "v2", "/x", None).as_root == ("sudo", "-n")
    assert Machine(True, "v2", "/x", None).as_root == ()


def test_limits_that_cannot_be_raised_are_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = {resource.RLIMIT_NOFILE: (1024, 4096), resource.RLIMIT_NPROC: (resource.RLIM_INFINITY,) * 2}
    monkeypatch.setattr(machine.resource, "getrlimit", hard.__getitem__)
    monkeypatch.setattr(machine, "can_raise_limits", lambda _, root: False)
    found = machine.look()
    assert found.limits == Limits(nofile=4096, nproc=machine.ENOUGH_PROCESSES)


def test_limits_that_can_be_raised_are_podmans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "can_raise_limits", lambda _, root: True)
    assert machine.look().limits is None
