"""How podman is told to start a host, in both worlds of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from lab import container
from lab.container import Names
from lab.machine import Limits, Machine

V2 = Machine(root=True, cgroups="v2", unified="/sys/fs/cgroup", limits=None)
HYBRID = Machine(
    root=True, cgroups="hybrid", unified="/sys/fs/cgroup/unified", limits=Limits(nofile=4096, nproc=20000)
)
NAMES = Names("lab01", "0123abcd")
IMAGE = "localhost/hostproof-lab:x"


def options(machine: Machine) -> list[str]:
    return container.create_argv(machine, NAMES, IMAGE, 2222)


@pytest.mark.parametrize("machine", [V2, HYBRID], ids=["v2", "hybrid"])
def test_what_every_host_gets(machine: Machine) -> None:
    argv = options(machine)
    assert argv[0] == "podman"
    assert "--publish=127.0.0.1:2222:22" in argv, "ssh is on loopback alone"
    assert "--label=hostproof.lab=lab01" in argv
    assert "--label=hostproof.lab.checkout=0123abcd" in argv
    assert "--volume=hostproof-lab-0123abcd-lab01-containers:/var/lib/containers" in argv
    assert "--hostname=lab01" in argv
    assert "--cgroupns=private" in argv
    assert not [word for word in argv if word.startswith(("--network=host", "--pid=", "--ipc="))]


def test_on_cgroup_v2_podman_makes_systemd_at_home() -> None:
    argv = options(V2)
    assert "--systemd=always" in argv
    assert "--runtime" not in argv
    assert not [word for word in argv if word.startswith(("--ulimit", "--tmpfs"))]
    assert argv[argv.index(IMAGE) :] == [IMAGE, "/sbin/init"]


def test_on_hybrid_cgroups_it_is_done_by_hand() -> None:
    argv = options(HYBRID)
    assert argv[1:3] == ["--runtime", "runc"], (
        "crun refuses hybrid cgroups; a global option comes before the verb"
    )
    assert argv[3] == "run"
    assert "--systemd=false" in argv
    assert "--env=container=podman" in argv
    assert {word.split(":")[0] for word in argv if word.startswith("--tmpfs")} == {
        "--tmpfs=/run",
        "--tmpfs=/run/lock",
        "--tmpfs=/tmp",
    }
    assert [word for word in argv if word.startswith("--ulimit")] == [
        "--ulimit=nofile=4096:4096",
        "--ulimit=nproc=20000:20000",
    ]
    assert argv[-3:-1] == ["/bin/sh", "-c"]
    assert argv[-1].endswith("exec /sbin/init")


def test_the_inner_podman_is_told_of_forced_limits_alone() -> None:
    assert container.inner_podman(V2) == ""
    told = container.inner_podman(HYBRID)
    assert 'default_ulimits = ["nofile=4096:4096", "nproc=20000:20000"]' in told
    assert 'runtime = "runc"' in told
    assert "pids_limit = 0" in told


def test_the_volume_has_the_hosts_labels() -> None:
    argv = container.volume_argv(NAMES)
    assert argv[-1] == NAMES.volume
    assert "--label=hostproof.lab=lab01" in argv


@pytest.mark.parametrize(
    ("name", "count", "names"),
    [
        ("lab01", 1, ["lab01"]),
        ("lab01", 4, ["lab01", "lab02", "lab03", "lab04"]),
        ("lab08", 3, ["lab08", "lab09", "lab10"]),
        ("lab9", 2, ["lab9", "lab10"]),
        ("demo", 1, ["demo"]),
        ("demo", 2, ["demo-1", "demo-2"]),
        ("a-2-b", 2, ["a-2-b-1", "a-2-b-2"]),
    ],
)
def test_hosts_are_numbered_on_from_the_name(name: str, count: int, names: list[str]) -> None:
    assert container.host_names(name, count) == names


@pytest.mark.parametrize(
    "name", ["", "Lab01", "1lab", "-lab", "lab-", "lab_01", "lab.local", "../x", "a" * 41, "läb", "lab01\n"]
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(HostproofError, match="is no name for a lab host") as caught:
        container.host_names(name, 1)
    assert caught.value.where == "--name"
    assert caught.value.mend.startswith("Use lower-case letters, digits and hyphens")


@pytest.mark.parametrize("name", sorted(container.RESERVED))
def test_names_of_groups_are_taken(name: str) -> None:
    with pytest.raises(HostproofError, match="is no name for a lab host"):
        container.host_names(name, 2)


@pytest.mark.parametrize("count", [0, -1, 100])
def test_a_count_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(HostproofError) as caught:
        container.host_names("lab01", count)
    assert str(caught.value) == f"{count} lab hosts cannot be made (--count). Give a number from 1 to 99."


def test_checkouts_do_not_share_hosts(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    here = container.checkout_id(tmp_path)
    assert container.checkout_id(tmp_path / "link") == here
    assert container.checkout_id(tmp_path / "other") != here
    assert Names("a", here).container != Names("a", container.checkout_id(Path("/"))).container
