"""What a server gets from its placement, taken away and given: only that differs between the two drop-ins."""

from __future__ import annotations

from typing import Any

from hostproof.shared import service_arms
from hostproof.shared.service_arms import PARTS, arms, chosen, exec_start

QUADLET = """\
# /run/systemd/generator/llama-server.service
[Service]
Restart=on-failure
AllowedCPUs=2-15
NUMAPolicy=interleave
NUMAMask=0-3
ExecStart=/usr/bin/podman run --name llama-server --replace --rm --env GLIBC_TUNABLES=glibc.malloc.hugetlb=1 \\
  --env OTHER=1 localhost/llama:lab --host 0.0.0.0 --model /models/m.gguf --threads 14 --threads-batch 14 --load-mode none
"""
PLAIN = """\
[Service]
Environment="HOME=/var/cache"
ExecStart=/opt/vllm/current/bin/vllm serve /models/x --port 8000
AllowedCPUs=0-1
"""
PLACEMENT: dict[str, Any] = {
    "environment": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "load_mode": "none",
    "policy": "interleave",
    "nodes": "0-1",
    "threads": 6,
    "cpus": "1-6",
}


def line(drop_in: str) -> str:
    return exec_start(drop_in)


def test_the_line_that_counts_is_the_last_one_joined() -> None:
    assert exec_start(QUADLET).endswith("--env OTHER=1 localhost/llama:lab --host 0.0.0.0 --model /models/m.gguf "
                                        "--threads 14 --threads-batch 14 --load-mode none")  # fmt: skip
    assert exec_start("[Service]\nExecStart=/a\nExecStart=\nExecStart=/b c\n") == "/b c"


def test_a_drop_in_empties_the_list_before_it_sets_it() -> None:
    made = arms(QUADLET, {}, ["service_pages"])
    for text in (made.a, made.b):
        assert text.splitlines()[1:3] == ["[Service]", "ExecStart="]


def test_huge_pages_are_taken_away_and_left_as_the_unit_has_them() -> None:
    made = arms(QUADLET, {}, ["service_pages"])
    assert "GLIBC_TUNABLES" not in made.a and "--load-mode" not in made.a
    assert "--env OTHER=1" in made.a and "--threads 14" in made.a
    assert "--env GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in made.b and made.b.rstrip().endswith(
        "--load-mode none"
    )
    assert line(made.b).replace(" --env GLIBC_TUNABLES=glibc.malloc.hugetlb=1", "").replace(
        " --load-mode none", ""
    ) == line(made.a)
    (part,) = made.parts
    assert (part.a, part.b) == (
        "no GLIBC_TUNABLES, no --load-mode",
        "GLIBC_TUNABLES=glibc.malloc.hugetlb=1, --load-mode none",
    )


def test_an_untuned_unit_gets_under_b_what_its_placement_says() -> None:
    bare = "[Service]\nExecStart=/usr/bin/podman run --rm image --model m\n"
    made = arms(bare, PLACEMENT, list(PARTS))
    assert line(made.a) == "/usr/bin/podman run --rm image --model m"
    assert line(made.b).startswith(
        "/usr/bin/podman run --env GLIBC_TUNABLES=glibc.malloc.hugetlb=1 --rm image --model m"
    )
    assert "--threads 6 --threads-batch 6" in made.b and "--load-mode none" in made.b
    assert "AllowedCPUs=1-6" in made.b and "NUMAPolicy=interleave\nNUMAMask=0-1" in made.b
    assert "AllowedCPUs=\n" in made.a and "NUMAPolicy=default\nNUMAMask=\n" in made.a


def test_without_podman_the_environment_is_systemd_s() -> None:
    made = arms("[Service]\nExecStart=/usr/bin/llama-server -m x\n", PLACEMENT, ["service_pages"])
    assert "UnsetEnvironment=GLIBC_TUNABLES" in made.a and "Environment=" not in made.a.replace(
        "UnsetEnvironment=", ""
    )
    assert 'Environment="GLIBC_TUNABLES=glibc.malloc.hugetlb=1"' in made.b


def test_threads_and_cpus_go_together() -> None:
    made = arms(QUADLET, {}, ["service_threads"])
    assert "--threads" not in made.a and "AllowedCPUs=\n" in made.a
    assert "--threads 14 --threads-batch 14" in made.b and "AllowedCPUs=2-15" in made.b


def test_a_part_that_the_server_is_not_given_is_named_with_why() -> None:
    made = arms(PLAIN, {}, ["service_pages", "service_nodes", "service_threads"])
    assert set(made.left) == {"service_pages", "service_nodes"}
    assert "no NUMA policy" in made.left["service_nodes"]
    assert [part.name for part in made.parts] == ["service_threads"]


def test_a_unit_without_a_command_is_left_out() -> None:
    assert arms("[Unit]\n", PLACEMENT, ["service_pages"]).left == {
        "service_pages": "the unit has no ExecStart to work on"
    }


def test_an_area_brings_along_what_its_settings_need_to_reach_the_server() -> None:
    assert chosen(["hugepages"]) == ("service_pages",)
    assert chosen(["numa", "service_threads"]) == ("service_nodes", "service_threads")
    assert chosen(["thp", "vm.swappiness"]) == ()


def test_a_value_with_a_backslash_stays_as_it_is() -> None:
    assert service_arms._with_flag("x --load-mode none", "--load-mode", r"a\1") == r"x --load-mode a\1"
