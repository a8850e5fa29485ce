"""The module that proves a running server, as Ansible runs it, with systemd and its journal played by two scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostproof.shared import control_group

ROOT = Path(__file__).parents[3]
LOGS = Path(__file__).parent / "logs"
GIB = 1024**3
CANARIES = [{"name": "stop", "passed": True, "detail": ""}] + [
    {"name": f"canary_{which}", "passed": True, "detail": "right"} for which in ("short", "long")
]


class Host:
    def __init__(self, collection: Path, place: Path) -> None:
        self.collection, self.place = collection, place

    def logs(self, name: str) -> None:
        for tool, does in {
            "systemctl": "echo InvocationID=abc; echo ControlGroup=",
            "journalctl": f'test "$1" = _SYSTEMD_INVOCATION_ID=abc && exec cat {LOGS / name}.log',
        }.items():
            path = self.place / tool
            path.write_text(f"#!/bin/sh\n{does}\n")
            path.chmod(0o755)

    def prove(self, server: str = "vllm_server", **arguments: object) -> dict[str, Any]:
        given = {"server": server, "unit": "x.service", **arguments}
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.hostproof.core.plugins.modules.server_proof"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            env={
                **os.environ,
                "PYTHONPATH": str(self.collection),
                "PATH": f"{self.place}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    link = tmp_path / "c/ansible_collections/hostproof/core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    tools = tmp_path / "bin"
    tools.mkdir()
    return Host(tmp_path / "c", tools)


NATIVE = {"weights_bytes": int(21.9 * GIB), "kv_tokens": 32_768, "version": "0.33.0", "wanted": ["native"]}


def test_native_with_all_that_was_looked_at(host: Host) -> None:
    host.logs("vllm-0.33.0-native")
    processes = [{"pid": 4182, "vram_bytes": 88 * GIB}]
    done = host.prove(**NATIVE, processes=processes, checks=CANARIES, complete=True)
    assert done["verdict"] == "native", done
    assert not done["missing"]
    assert not done.get("failed")


def test_what_was_not_looked_at_fails_only_if_all_must_be(host: Host) -> None:
    host.logs("vllm-0.33.0-native")
    some = host.prove(**NATIVE)
    assert (some["verdict"], some.get("failed")) == ("unproved", None)
    assert some["msg"].startswith("x.service: unproved: NVML was not asked")
    whole = host.prove(**NATIVE, complete=True)
    assert whole["failed"]
    assert "Not asked: canary_long, canary_short." in whole["msg"]


@pytest.mark.parametrize("log", ["vllm-0.33.0-mixed", "vllm-0.33.0-emulated", "vllm-0.19-marlin"])
def test_another_verdict_than_wanted_fails_with_its_reasons(host: Host, log: str) -> None:
    host.logs(log)
    done = host.prove(**{**NATIVE, "version": ""})
    assert done["failed"]
    assert done["msg"].startswith(f"x.service is {done['verdict']}, and native is wanted.\n")
    assert done["wrong"][0] in done["msg"]


def test_what_is_wrong_fails_though_the_kernels_are_native(host: Host) -> None:
    host.logs("vllm-0.33.0-native")
    done = host.prove(**{**NATIVE, "version": "0.34.0"})
    assert done["failed"]
    assert "vLLM 0.33.0 runs, and 0.34.0 is pinned." in done["msg"]


def test_nothing_fails_where_nothing_is_wanted(host: Host) -> None:
    host.logs("vllm-0.33.0-emulated")
    done = host.prove()
    assert (done["verdict"], done.get("failed")) == ("emulated", None)


def test_llama_server_has_verdicts_of_its_own(host: Host) -> None:
    host.logs("llama-b11669-cpu-asked-for-gpu")
    assert host.prove("llama_server")["verdict"] == "cpu"
    assert host.prove("llama_server", wanted=["gpu"])["failed"]
    assert (
        "native, which is no verdict. Known: gpu, partial"
        in host.prove("llama_server", wanted=["native"])["msg"]
    )


def test_a_unit_s_processes_are_those_of_its_group_and_below(tmp_path: Path) -> None:
    for name, pids in {"x.service": "12\n", "x.service/worker": "13\n14\n", "y.service": "99\n"}.items():
        (tmp_path / "system.slice" / name).mkdir(parents=True)
        (tmp_path / "system.slice" / name / "cgroup.procs").write_text(pids)
    assert control_group.processes("/system.slice/x.service", tmp_path) == {12, 13, 14}
    assert control_group.processes("/system.slice/gone.service", tmp_path) == frozenset()
    assert control_group.processes("", tmp_path) == control_group.processes("/", tmp_path) == frozenset()


def test_check_mode_asks_nothing(host: Host) -> None:
    done = host.prove(wanted=["native"], _ansible_check_mode=True)
    assert (done["verdict"], done["msg"], done.get("failed")) == ("unproved", "not asked in check mode", None)


def test_processes_of_another_shape_are_refused(host: Host) -> None:
    host.logs("vllm-0.33.0-native")
    assert "without a usable pid" in host.prove(processes=[{"name": "x"}])["msg"]
