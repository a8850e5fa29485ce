"""What differs between hosts that should be alike, and nothing that changes by the minute."""

from __future__ import annotations

from typing import Any

from hostproof.judge.odd_facts import Difference, differences

from .build import epyc


def facts(**more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "schema": "hostproof.facts/1",
        "cpu": {"smt_active": True, "microcode": "0xb204011"},
        "memory": {
            "total_bytes": 824_633_720_832,
            "available_bytes": 800_000_000_000,
            "dimms": [{"slot": f"P0-{n}", "size_bytes": 68_719_476_736} for n in range(12)],
        },
        "gpus": [
            {"uuid": "GPU-1", "power": {"limit_watts": 300.0, "draw_watts": 31.2}, "temperature_celsius": 40}
        ],
    }
    return {**known, **more}


def found(**hosts: dict[str, Any]) -> dict[str, Difference]:
    return {each.key: each for each in differences(hosts, ())}


def test_hosts_that_are_alike_differ_in_nothing() -> None:
    assert found(a=facts(), b=facts(), c=facts()) == {}


def test_one_host_and_none_differ_in_nothing() -> None:
    assert differences({"a": facts()}, ()) == ()
    assert differences({}, ()) == ()


def test_what_most_have_is_usual_and_the_rest_odd() -> None:
    told = found(a=facts(), b=facts(), c=facts(cpu={"smt_active": False, "microcode": "0xb204011"}))
    assert list(told) == ["cpu.smt_active"]
    assert (told["cpu.smt_active"].usual, told["cpu.smt_active"].odd) == ("yes", ("c",))


def test_of_two_hosts_neither_is_the_usual_one() -> None:
    told = found(a=facts(), b=facts(cpu={"smt_active": True, "microcode": "0xb204010"}))["cpu.microcode"]
    assert told.usual is None
    assert told.odd == ("a", "b")


def test_a_missing_dimm_is_one_line_of_counts() -> None:
    memory = facts()["memory"]
    told = found(a=facts(), b=facts(), c=facts(memory={**memory, "dimms": memory["dimms"][:-1]}))
    assert told["memory.dimms (number)"].values == {"a": "12", "b": "12", "c": "11"}
    assert told["memory.dimms.size_bytes"].values["c"] == "11 × 68719476736"


def test_readings_of_the_moment_are_no_difference() -> None:
    gpus = [
        {"uuid": "GPU-2", "power": {"limit_watts": 300.0, "draw_watts": 290.0}, "temperature_celsius": 80}
    ]
    memory = {**facts()["memory"], "available_bytes": 1}
    assert found(a=facts(), b=facts(gpus=gpus, memory=memory)) == {}


def test_a_power_limit_is_one() -> None:
    gpus = [{**facts()["gpus"][0], "power": {"limit_watts": 250.0, "draw_watts": 31.2}}]
    assert found(a=facts(), b=facts(), c=facts(gpus=gpus))["gpus.power.limit_watts"].odd == ("c",)


def test_sizes_that_are_nearly_the_same_are_the_same() -> None:
    memory = {**facts()["memory"], "total_bytes": 824_633_720_832 - 5_000_000}
    assert found(a=facts(), b=facts(memory=memory)) == {}


def test_circumstances_and_flags_of_the_servers_count_too() -> None:
    one = epyc(host="a")
    other = epyc(host="b", environment={**one.environment, "kernel": "6.8.0-50", "load_before": "9 9 9"})
    told = {each.key: each for each in differences({}, (one, other))}
    assert list(told) == ["environment kernel"]
    assert told["environment kernel"].values == {"a": "–", "b": "6.8.0-50"}


def test_memory_stands_before_flags() -> None:
    memory = {**facts()["memory"], "dimms": []}
    one, other = epyc(host="a"), epyc(host="b", environment={"kernel": "other"})
    keys = [each.key for each in differences({"a": facts(), "b": facts(memory=memory)}, (one, other))]
    assert keys[0].startswith("memory.")
    assert keys[-1].startswith("environment")
