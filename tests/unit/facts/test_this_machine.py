"""The facts of the machine that runs the tests, against lscpu: another program's reading of the same kernel."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from hostproof.shared.facts import gather, lists
from hostproof.shared.facts.model import Facts
from hostproof.shared.facts.tree import Tree


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    command = ["lscpu", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    found: dict[str, str] = {}

    def take(entries: list[dict[str, object]]) -> None:
        for entry in entries:
            found[str(entry["field"]).rstrip(":")] = str(entry["data"] or "")
            children = entry.get("children")
            if isinstance(children, list):
                take(children)

    take(json.loads(done.stdout)["lscpu"])
    return found


@pytest.fixture(scope="module")
def facts() -> Facts:
    return gather.gather()


def test_processor(said: dict[str, str], facts: Facts) -> None:
    cpu = facts.cpu
    assert cpu.model == said["Model name"]
    assert cpu.threads == len(lists.parse(said["On-line CPU(s) list"]))
    assert lists.parse(cpu.online) == lists.parse(said["On-line CPU(s) list"])
    assert cpu.sockets == int(said["Socket(s)"])
    assert cpu.cores == int(said["Core(s) per socket"]) * cpu.sockets
    assert cpu.threads_per_core == int(said["Thread(s) per core"])


def test_level_3_cache(said: dict[str, str], facts: Facts) -> None:
    if "L3 cache" not in said:
        assert facts.cpu.l3_domains == ()
        return
    match = re.fullmatch(r"([0-9.]+) (KiB|MiB|GiB) \(([0-9]+) instances?\)", said["L3 cache"])
    assert match
    assert facts.cpu.l3_bytes == float(match[1]) * {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}[match[2]]
    assert len(facts.cpu.l3_domains) == int(match[3])


def test_nodes(said: dict[str, str], facts: Facts) -> None:
    assert len(facts.numa.nodes) == int(said["NUMA node(s)"])
    for node in facts.numa.nodes:
        assert lists.parse(node.cpus) == lists.parse(said[f"NUMA node{node.id} CPU(s)"])


def test_vulnerabilities_are_all_there(said: dict[str, str], facts: Facts) -> None:
    counted = len([key for key in said if key.startswith("Vulnerability ")])
    assert len(facts.kernel.vulnerabilities) == counted


def test_sysctls_are_read_whole(facts: Facts) -> None:
    """/proc/sys answers one large read with ENOMEM: found on this very machine."""
    assert facts.kernel.release == os.uname().release
    assert facts.kernel.sysctls["vm.swappiness"].isdigit()
    assert "/proc/sys/vm/swappiness" not in facts.unreadable


def test_glibc_is_the_one_in_use(facts: Facts) -> None:
    """The package's version against what the running library says; other systems have no dpkg."""
    if not Tree().exists("/var/lib/dpkg/status"):
        assert facts.os.glibc == ""
        return
    assert os.confstr("CS_GNU_LIBC_VERSION") == f"glibc {facts.os.glibc}"
