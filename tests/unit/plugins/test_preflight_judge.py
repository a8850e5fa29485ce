from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hostproof.shared import preflight_judge
from hostproof.shared.preflight_types import IDS, Facts, Finding, Listener, Server, Space, Wishes

GB = 10**9
LLAMA = Server("llama_server", "small", 8081, "llama-server.service", threads=14)
VLLM = Server("vllm_server", "big", 8000, "vllm-server.service")


def entry(size: int) -> dict[str, Any]:
    return {
        "format": "gguf",
        "parameters_billion": 1.0,
        "size_bytes": size,
        "main": "f.gguf",
        "files": {"f.gguf": "a" * 64},
        "source": {"kind": "url", "base": "https://x/"},
    }


WISHES = Wishes(
    servers=(LLAMA, VLLM),
    catalogue={"small": entry(30 * GB), "big": entry(20 * GB)},
    model_root="/models",
    systems={"ubuntu": ("24.04",), "debian": ("12", "13")},
    owners=("tuned.service", "power-profiles-daemon.service"),
    memory_reserve_bytes=2 * GB,
    disk_reserve_bytes=1 * GB,
)
GOOD = Facts(
    system="ubuntu",
    system_title="Ubuntu 24.04.1 LTS",
    version="24.04",
    architecture="x86_64",
    init="systemd",
    cgroup2=True,
    cpu_model="AMD EPYC 9175F 16-Core Processor",
    cores=16,
    cpus=32,
    memory=768 * GB,
    root=True,
    listeners=(),
    spaces={"/models": Space("/models", 1, 500 * GB), "/": Space("/", 1, 500 * GB)},
    sizes={},
    clock_offset=0.4,
    clock_synchronised=True,
    active_units=(),
    podman_version="4.9.3",
    lock_holder="",
)


def judged(facts: dict[str, Any] | None = None, wishes: dict[str, Any] | None = None) -> list[Finding]:
    return preflight_judge.judge(
        dataclasses.replace(GOOD, **(facts or {})), dataclasses.replace(WISHES, **(wishes or {}))
    )


def test_a_good_host_has_no_findings() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("facts", "name", "severity", "said"),
    [
        (
            {"version": "22.04", "system_title": "Ubuntu 22.04"},
            "system",
            "fail",
            "Ubuntu 22.04 is not supported",
        ),
        ({"system": ""}, "system", "fail", "Ubuntu 24.04.1 LTS is not supported"),
        ({"architecture": "aarch64"}, "architecture", "fail", "aarch64 is not supported"),
        ({"init": "bash"}, "init", "fail", "PID 1 is bash, not systemd"),
        ({"init": ""}, "init", "fail", "PID 1 is unknown"),
        ({"cgroup2": False}, "cgroups", "fail", "no pure cgroup v2 tree"),
        ({"cpus": 8, "cores": 8}, "cpu", "fail", "llama_server asks for 14 threads of 8 CPUs"),
        ({"cores": 8, "cpus": 16}, "cpu", "warn", "llama_server asks for 14 threads of 8 cores"),
        (
            {"memory": 51 * GB},
            "memory",
            "fail",
            "52.0 GB are needed (50.0 GB of models), the host has 51.0 GB",
        ),
        ({"clock_offset": -3600.0}, "clock", "fail", "the host's clock is 3600 s behind the controller's"),
        ({"clock_offset": 3600.0}, "clock", "fail", "the host's clock is 3600 s ahead of the controller's"),
        ({"clock_synchronised": False}, "clock", "warn", "the clock is not synchronised"),
        ({"active_units": ("tuned.service",)}, "owners", "fail", "tuned.service is active"),
        ({"podman_version": "4.3.1"}, "podman", "fail", "podman 4.3.1 has no quadlets"),
        ({"lock_holder": "run r of c"}, "busy", "fail", "another run is changing this host: run r of c"),
    ],
)
def test_each_thing_in_the_way_is_found(facts: dict[str, Any], name: str, severity: str, said: str) -> None:
    (finding,) = judged(facts)
    assert (finding.id, finding.severity) == (name, severity)
    assert said in finding.what
    assert finding.fix
    assert finding.where


def test_who_only_reads_is_warned_of_another_run() -> None:
    (finding,) = judged({"lock_holder": "run r of c"}, {"reads_only": True})
    assert finding.severity == "warn"


def test_all_findings_come_at_once_and_failures_first() -> None:
    found = judged(
        {"clock_synchronised": False, "init": "bash", "memory": 1, "active_units": ("tuned.service",)}
    )
    assert [one.id for one in found] == ["init", "memory", "owners", "clock"]
    assert found[-1].severity == "warn"


def test_no_sudo_is_a_finding_among_the_others() -> None:
    found = preflight_judge.judge(dataclasses.replace(GOOD, init="bash"), WISHES, "Missing sudo password")
    assert [one.id for one in found] == ["sudo", "init"]
    assert "Missing sudo password" in found[0].where


def test_debian_12_is_refused_for_containers_before_its_podman_is_installed() -> None:
    facts = {"system": "debian", "version": "12", "podman_version": ""}
    (finding,) = judged(facts)
    assert finding.id == "podman"
    assert "4.3.1" in finding.what
    assert judged(facts, {"servers": (VLLM,)}) == []


def test_a_port_that_another_program_has_is_taken() -> None:
    (finding,) = judged({"listeners": (Listener(8081, 77, "nginx", ("nginx.service",)),)})
    assert finding.what == "port 8081 is taken by nginx (process 77, nginx.service)"
    assert "llama_server_port" in finding.fix


def test_a_port_that_our_own_unit_has_is_free_for_it() -> None:
    ours = Listener(8081, 77, "conmon", ("llama-server.service", "libpod-1.scope"))
    assert judged({"listeners": (ours,)}) == []
    assert judged({"listeners": (dataclasses.replace(ours, port=8000),)})[0].id == "port"


def test_a_listener_that_cannot_be_seen_is_taken_too() -> None:
    (finding,) = judged({"listeners": (Listener(8081, None, "", ()),)})
    assert "cannot be seen without root" in finding.what


def test_two_servers_cannot_have_one_port() -> None:
    (finding,) = judged(wishes={"servers": (LLAMA, dataclasses.replace(VLLM, port=8081))})
    assert finding.what == "llama_server and vllm_server want the same port"


def test_needs_on_one_file_system_add_up() -> None:
    space = {"/models": Space("/models", 1, 50 * GB), "/": Space("/", 1, 50 * GB)}
    (finding,) = judged({"spaces": space})
    assert "50.0 GB are needed (model small 30.0 GB, model big 20.0 GB)" in finding.what
    assert judged({"spaces": {**space, "/models": Space("/models", 1, 51 * GB)}}) == []


def test_needs_on_two_file_systems_are_judged_apart() -> None:
    servers = (LLAMA, dataclasses.replace(VLLM, install_bytes=10 * GB, install_path="/opt/vllm"))
    spaces = {"/models": Space("/models", 1, 60 * GB), "/opt/vllm": Space("/opt/vllm", 2, 10 * GB)}
    (finding,) = judged({"spaces": spaces}, {"servers": servers})
    assert finding.where == "/opt/vllm"


def test_what_is_on_the_host_already_is_not_needed_again() -> None:
    servers = (LLAMA, dataclasses.replace(VLLM, install_bytes=10 * GB, installed="/opt/vllm/releases/1"))
    spaces = {"/models": Space("/models", 1, 2 * GB), "/": Space("/", 1, 2 * GB)}
    there = {"/models/small": 30 * GB, "/models/big": 19 * GB, "/opt/vllm/releases/1": 0}
    assert judged({"spaces": spaces, "sizes": there}, {"servers": servers}) == []
    assert judged({"spaces": spaces, "sizes": {}}, {"servers": servers})[0].id == "disk"


def test_a_full_disk_does_not_matter_when_nothing_is_to_come() -> None:
    spaces = {"/models": Space("/models", 1, 0), "/": Space("/", 1, 0)}
    assert judged({"spaces": spaces, "sizes": {"/models/small": 30 * GB, "/models/big": 20 * GB}}) == []


def test_a_model_without_an_entry_is_found() -> None:
    (finding,) = judged(wishes={"servers": (dataclasses.replace(LLAMA, model="smal"),)})
    assert finding.id == "model"
    assert "did you mean small?" in finding.what


def test_a_skipped_finding_becomes_a_warning_with_its_reason() -> None:
    (finding,) = judged({"active_units": ("tuned.service",)}, {"skip": {"owners": "only sets the disk"}})
    assert (finding.severity, finding.fix) == ("warn", "Skipped: only sets the disk")


@pytest.mark.parametrize(
    ("skip", "said"),
    [
        ({"owner": "why"}, "there is no finding 'owner' to skip"),
        ({"owners": " "}, "skipped without a reason"),
    ],
)
def test_a_careless_skip_fails(skip: dict[str, str], said: str) -> None:
    (finding,) = judged(wishes={"skip": skip})
    assert (finding.id, finding.severity) == ("skip", "fail")
    assert said in finding.what


@pytest.mark.parametrize(
    ("text", "version"), [("4.9.3", (4, 9)), ("5.4.2+ds1", (5, 4)), ("4.10.0-dev", (4, 10)), ("odd", (0,))]
)
def test_versions_are_compared_as_numbers(text: str, version: tuple[int, ...]) -> None:
    assert preflight_judge._version(text) == version


def test_every_finding_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/preflight.md").read_text(encoding="utf-8")
    assert [name for name in IDS if f"## `{name}`" not in page] == []
