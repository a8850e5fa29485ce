"""What the kernel counts of a server, held against what was set for it. The texts are of real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hostproof.shared import page_evidence
from hostproof.shared.page_evidence import MIB, Expected, Finding, Pool, Seen

ROOT = Path(__file__).parents[3]
# llama-server with gemma-3-270m, load mode none, glibc.malloc.hugetlb=1 (Linux 6.1, podman 5.4).
ROLLUP = """5563b5e2b000-7ffd11865000 ---p 00000000 00:00 0                          [rollup]
Rss:              365648 kB
Pss:              365640 kB
AnonHugePages:    339968 kB
ShmemPmdMapped:        0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Locked:                0 kB
"""
MAPS = """5563b5e2b000 interleave:0-1 file=/usr/bin/llama-server mapped=1 N0=1 kernelpagesize_kB=4
7f0000000000 interleave:0-1 anon=1024 dirty=1024 N0=512 N1=512 kernelpagesize_kB=4
7f1000000000 interleave:0-1 file=/anon_hugepage huge dirty=3 N1=3 kernelpagesize_kB=2048
"""
STATUS = "Name:\tllama-server\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n"
WEIGHTS = 241 * MIB
THP = Expected("llama_server", "llama-server.service", WEIGHTS, "thp")
POOL = replace(THP, backing="hugetlb")
USED = Seen(resident=357 * MIB, transparent=332 * MIB, pooled=0)


def test_the_kernels_pages_are_read() -> None:
    assert page_evidence.rollup(ROLLUP) == (365648 * 1024, 339968 * 1024, 0)
    assert page_evidence.rollup("") == (0, 0, 0)
    assert page_evidence.by_node(MAPS) == {0: 2 * MIB, 1: 2 * MIB + 6 * MIB}
    assert page_evidence.allowed(STATUS) == "0-1"


def test_a_placement_says_what_to_look_for() -> None:
    placement = {"environment": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=2"}, "cpus": "0-13", "nodes": ""}
    made = page_evidence.expected("llama_server", placement, 5)
    assert made == Expected("llama_server", "llama-server.service", 5, "hugetlb", "0-13")
    assert page_evidence.expected("vllm_server", {}, 0).backing == ""


def test_transparent_pages_that_are_used_are_no_finding() -> None:
    assert page_evidence.judge(THP, USED, []) == []


def test_a_word_in_sysfs_that_does_not_reach_the_server_is_ignored_by_the_workload() -> None:
    [finding] = page_evidence.judge(THP, replace(USED, transparent=0), [])
    assert finding.knobs == ("sysfs:/sys/kernel/mm/transparent_hugepage/enabled",)
    assert str(finding).startswith(
        "ignored-by-workload: llama_server has 0 MiB in transparent huge pages, of 241 MiB of weights and 357 MiB resident"
    )


def test_a_pool_that_is_too_small_is_ignored_with_the_pools_of_its_size() -> None:
    knobs = ["pool:node0/2048kB", "pool:node1/2048kB", "pool:global/1048576kB"]
    assert page_evidence.judge(POOL, replace(USED, pooled=238 * MIB), knobs) == []
    [finding] = page_evidence.judge(POOL, replace(USED, pooled=2 * MIB), knobs)
    assert finding.knobs == ("pool:node0/2048kB", "pool:node1/2048kB")
    assert "2 MiB in its pool, of 241 MiB" in finding.text


def test_a_pool_of_which_every_page_is_free_is_ignored() -> None:
    pools = [
        Pool("pool:node0/2048kB", 100, 100, 0),
        Pool("pool:node1/2048kB", 100, 40, 0),
        Pool("pool:global/2048kB", 100, 100, 60),
        Pool("pool:global/1048576kB", 0, 0, 0),
    ]
    assert [finding.knobs for finding in page_evidence.idle(pools)] == [("pool:node0/2048kB",)]


@pytest.mark.parametrize(
    ("cpus", "said"), [("0-1", ""), ("0-3", ""), ("1", "was to run on CPUs 1 and may run on 0-1")]
)
def test_cpus_beyond_the_placement_are_said_and_are_no_knob(cpus: str, said: str) -> None:
    found = page_evidence.judge(replace(THP, cpus=cpus), replace(USED, cpus="0-1"), [])
    assert [finding.knobs for finding in found] == ([()] if said else [])
    assert said in "".join(map(str, found))


@pytest.mark.parametrize(
    ("policy", "by_node", "wrong"),
    [
        ("interleave", {0: 10, 1: 11}, False),
        ("interleave", {0: 90, 1: 10}, True),
        ("interleave", {0: 100}, True),
        ("bind", {0: 99, 1: 1}, False),
        ("bind", {0: 20, 2: 80}, True),
        ("", {0: 100}, False),
    ],
)
def test_memory_on_other_nodes_than_meant_is_said(policy: str, by_node: dict[int, int], wrong: bool) -> None:
    found = page_evidence.judge(
        replace(THP, policy=policy, nodes="0-1"),
        replace(USED, by_node={n: s * MIB for n, s in by_node.items()}),
        [],
    )
    assert bool(found) is wrong


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(root: Path, tmp_path_factory: pytest.TempPathFactory, **arguments: object) -> dict[str, Any]:
    link = tmp_path_factory.mktemp("collections") / "ansible_collections/hostproof/core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.hostproof.core.plugins.modules.server_pages"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"root": str(root), **arguments}}),
        env={**os.environ, "PYTHONPATH": str(link.parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_the_module_looks_at_the_largest_process_of_the_unit_and_at_the_pools(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unit = "sys/fs/cgroup/system.slice/llama-server.service"
    put(tmp_path, f"{unit}/cgroup.procs", "")
    put(tmp_path, f"{unit}/runtime/cgroup.procs", "10\n12\n")
    put(tmp_path, f"{unit}/libpod-payload-1/cgroup.procs", "11\n")
    put(tmp_path, "proc/10/smaps_rollup", "Rss:  2000 kB\n")
    put(tmp_path, "proc/11/smaps_rollup", ROLLUP.replace("339968", "0"))
    put(tmp_path, "proc/11/status", STATUS)
    pool = "sys/devices/system/node/node0/hugepages/hugepages-2048kB"
    put(tmp_path, f"{pool}/nr_hugepages", "64\n")
    put(tmp_path, f"{pool}/free_hugepages", "64\n")
    made = run(
        tmp_path,
        tmp_path_factory,
        placements={
            "llama_server": {"environment": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}, "cpus": "0-1"},
            "vllm_server": {"cpus": "1"},
        },
        servers=[{"name": "llama_server", "memory_bytes": WEIGHTS}],
        knobs=[{"kind": "pool", "key": "node0/2048kB"}, {"kind": "sysctl", "key": "vm.swappiness"}],
    )
    assert list(made["seen"]) == ["llama_server"] and made["seen"]["llama_server"]["cpus"] == "0-1"
    assert sorted(made["evidence"]) == [
        "pool:node0/2048kB",
        "sysfs:/sys/kernel/mm/transparent_hugepage/enabled",
    ]
    assert made["changed"] is False and len(made["warnings"]) == 2


def test_a_finding_without_a_knob_is_said_plainly() -> None:
    assert str(Finding("so it is")) == "so it is"
