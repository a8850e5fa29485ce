"""The same settings for every tool, and figures that say when they cannot be believed."""

from __future__ import annotations

import ast

import pytest

from benchmarks.speed import arms, inputs, page
from benchmarks.speed.arms import Timed

LIMIT = {"kind": "limit", "key": "limits.d/infer01/memlock", "wanted": "unlimited"}
SYSTEM = {"kind": "limit", "key": "system/DefaultLimitMEMLOCK", "wanted": "infinity"}
SYSCTL = {"kind": "sysctl", "key": "vm.swappiness", "wanted": "10"}
POOL = {"kind": "pool", "key": "node0/2048kB", "wanted": "32"}


def test_each_setting_is_the_same_line_in_a_file_of_its_own() -> None:
    found = [inputs.setting(row) for row in (LIMIT, SYSTEM, POOL)]
    assert [one.content for one in found] == [
        "infer01 - memlock unlimited\n",
        "[Manager]\nDefaultLimitMEMLOCK=infinity\n",
        "w /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages - - - - 32\n",
    ]
    assert len({one.path for one in found}) == 3


def test_hostproof_s_own_file_still_decides() -> None:
    """Of tmpfiles.d the first file counts, elsewhere the last: neither tool is to find the other's value in force."""
    assert inputs.setting(LIMIT).path < "/etc/security/limits.d/99-hostproof.conf"
    assert inputs.setting(POOL).path > "/etc/tmpfiles.d/hostproof.conf"


def test_the_playbook_has_a_task_a_setting_with_the_module_that_its_users_take() -> None:
    (play,) = inputs.tasks([inputs.setting(row) for row in (LIMIT, SYSCTL)])
    copy, sysctl = play["tasks"]
    assert copy["ansible.builtin.copy"]["dest"].startswith("/etc/security/limits.d/60-")
    assert sysctl["ansible.posix.sysctl"]["name"] == "vm.swappiness"
    assert sysctl["ansible.posix.sysctl"]["value"] == "10"


def test_pyinfra_connects_as_ansible_does_and_checks_the_host_key() -> None:
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": 2222,
        "ansible_user": "lab",
        "ansible_ssh_private_key_file": "/k",
        "ansible_ssh_common_args": "-o 'UserKnownHostsFile=\"/a b/known\"' -o StrictHostKeyChecking=yes",
    }
    text = inputs.pyinfra_inventory({"h1": variables})
    ((name, data),) = ast.literal_eval(text.removeprefix("hosts = "))
    assert name == "h1" and data["ssh_known_hosts_file"] == "/a b/known"
    assert (data["ssh_port"], data["ssh_strict_host_key_checking"]) == (2222, "yes")


@pytest.mark.parametrize(
    ("said", "unchanged"),
    [
        ("Grand total   30  -  -  30", True),
        ("Grand total   30  2  -  28", False),
        ("no table", False),
    ],
)
def test_a_run_of_pyinfra_that_changed_something_is_told(said: str, unchanged: bool) -> None:
    assert arms._nothing_changed(said) is unchanged


@pytest.mark.parametrize(
    ("said", "unchanged"),
    [
        ("h1 : ok=3 changed=0 unreachable=0 failed=0", True),
        ("h1 : ok=3 changed=0 unreachable=0 failed=0\nh2 : ok=3 changed=1 unreachable=0 failed=0", False),
        ("", False),
    ],
)
def test_a_run_of_ansible_that_changed_something_is_told(said: str, unchanged: bool) -> None:
    assert arms._unchanged_recap(said) is unchanged


def taken(name: str, wall: float) -> Timed:
    return Timed(name, wall, wall / 2, 0.3, 1.0)


def test_ratios_are_taken_round_by_round() -> None:
    """One busy round doubles both: the ratio stays."""
    rounds = [
        {"drift": taken("drift", 2 * k), "pyinfra": taken("pyinfra", 5 * k)} for k in (1, 1, 1, 4, 1, 1)
    ]
    assert page.ratios(rounds, "drift", "pyinfra")["median"] == 2.5


def kept(load: float, rounds: int = 6) -> dict[str, object]:
    names = ("drift", "pyinfra")
    made = [arms.Arm(name, name, (), {}, bool) for name in names]
    times = [{name: taken(name, number + 1.0) for name in names} for number in range(rounds)]
    head = {
        "kind": "container", "date": "2026-11-25", "command": "python -m benchmarks.speed", "json": "x.json",
        "settings": 30, "what": "30 limit", "load_at_start": load, "pressure_at_start_percent": 0.0,
        "machine": {"machine": "one"}, "versions": {"pyinfra": "3.10.0"},
    }  # fmt: skip
    return page.result(head, made, times, {1: [taken("drift", 2.0)], 8: [taken("drift", 3.0)]})


def test_the_page_says_whether_the_machine_was_quiet() -> None:
    assert "the machine was quiet" in page.page(kept(0.1))
    assert "**the machine was busy with other work** at the start (load average 7.5" in page.page(kept(7.5))


def test_the_page_has_medians_intervals_and_ratios_and_too_few_runs_have_none() -> None:
    text = page.page(kept(0.1))
    assert "| drift | 3.50 s | 1.00 to 6.00 s | 1.00 to 6.00 s | 1.75 s |" in text
    assert "| pyinfra / drift | 1.0 | 1.00 to 1.00 |" in text and "| 8 | 3.00 s | too few runs |" in text
    assert "| drift | 2.00 s | too few runs | 1.00 to 3.00 s |" in page.page(kept(0.1, rounds=3))
