"""What a validation will measure is checked on the controller, before a server is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostproof.errors import HostproofError
from hostproof.measure import config
from hostproof.play import setups
from hostproof.play.setups import Wishes

WORKLOAD = """\
schema: hostproof.workload/1
name: quick
version: 1
description: One cell.
runs: 6
warmups: 1
cells:
  - name: decode
    prompt_tokens: 32
    output_tokens: 24
    cache: cold
"""
THRESHOLDS = """\
schema: hostproof.thresholds/2
hardware: lab
setup: cpu
model: small
workload: quick
source: a test
thresholds:
  - {cell: decode, metric: generation_throughput, statistic: median, min: 8, unit: tok/s}
"""
SERVER = {
    "schema": "hostproof.server/1",
    "server": "llama_server",
    "unit": "llama-server.service",
    "url": "http://127.0.0.1:8081",
    "api_key_file": "/etc/hostproof/llama_server.key",
    "model": "small",
    "served_name": "small",
    "model_path": "/m",
    "parameters_billion": 0.3,
    "context": 2048,
    "release": "r",
    "flags": {},
}
PATH = "/etc/hostproof/servers/llama_server.json"
CPU = {"title": "A: CPU", "server": "llama_server", "workload": "quick"}
GPU = {"title": "B: GPU", "server": "vllm_server", "workload": "quick"}


@pytest.fixture
def wishes(tmp_path: Path) -> Wishes:
    for folder, name, text in (("w", "quick.yml", WORKLOAD), ("t", "lab-cpu.yml", THRESHOLDS)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    return Wishes("run-1", "h1", "lab", {"cpu": CPU}, (), tmp_path / "t", tmp_path / "w", 600)


def files(**changed: Any) -> Mapping[str, str]:
    return {PATH: json.dumps({**SERVER, **changed})}


def refused(wishes: Wishes, server_files: Mapping[str, str] | None = None) -> str:
    with pytest.raises(HostproofError) as caught:
        setups.plan(wishes, files() if server_files is None else server_files)
    assert caught.value.status == 1
    return str(caught.value)


def test_a_plan_is_what_the_instrument_and_the_judge_need(wishes: Wishes) -> None:
    (one,) = setups.plan(wishes, files())
    assert (one.name, one.title, one.server["unit"]) == ("cpu", "A: CPU", "llama-server.service")
    assert config.parse(one.config).workload.cells[0].name == "decode"
    assert one.thresholds.key == ("lab", "cpu", "small", "quick")


def test_a_setup_may_ask_for_the_canary(wishes: Wishes) -> None:
    (without,) = setups.plan(wishes, files())
    assert not config.parse(without.config).canary
    asked = replace(wishes, setups={"cpu": {**CPU, "canary": True}})
    (one,) = setups.plan(asked, files(context=8192))
    assert config.parse(one.config).canary


def test_no_key_is_in_the_configuration_only_where_it_lies(wishes: Wishes) -> None:
    (one,) = setups.plan(wishes, files())
    assert one.config["server"]["api_key_file"] == "/etc/hostproof/llama_server.key"
    assert set(one.config["server"]) == set(SERVER)


def test_chosen_setups_keep_the_inventory_s_order(wishes: Wishes) -> None:
    many = replace(wishes, setups={"b": CPU, "a": CPU, "c": CPU}, only=("c", "b"))
    assert list(setups.choose(many)) == ["b", "c"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"only": ("cpuu",)}, "unknown setup 'cpuu' (validation_setups of host h1). Did you mean cpu?"),
        ({"setups": {}}, "no setups are named, and nothing judged is nothing proven"),
        ({"setups": {"cpu": "llama"}}, "must be a mapping (validation_setups of host h1, key cpu)"),
        ({"setups": {"cpu": {**CPU, "wrkload": "x"}}}, "unknown key 'wrkload'"),
        ({"setups": {"cpu": {**CPU, "title": ""}}}, "title must be a text"),
        ({"setups": {"cpu": {**CPU, "canary": "yes"}}}, "canary must be true or false"),
        ({"setups": {"cpu": {**CPU, "canary": True}}}, "takes 4600 tokens of context, the server has 2048"),
        ({"setups": {"cpu": {"title": "A", "server": "llama_server"}}}, "workload must be a text"),
        ({"setups": {"../cpu": CPU}}, "'../cpu' is no name of a setup"),
        ({"setups": {"cpu": {**CPU, "workload": "quik"}}}, "no workload 'quik'"),
        ({"setups": {"cpu": {**CPU, "workload": "../t/lab-cpu"}}}, "unknown key"),
        ({"hardware": ""}, "validation_hardware is empty (inventory, host h1)"),
        ({"hardware": "lob"}, "no thresholds for hardware lob, setup cpu, model small"),
        ({"deadline_seconds": 0.0}, "config.deadline_seconds: must be a number above 0"),
    ],
)
def test_a_wish_that_cannot_be_judged(wishes: Wishes, changed: dict[str, Any], said: str) -> None:
    assert said in refused(replace(wishes, **changed))


def test_a_server_that_is_not_there_says_what_could_be_validated(wishes: Wishes) -> None:
    said = refused(replace(wishes, setups={"cpu": CPU, "gpu": GPU}))
    assert "setup 'gpu' wants vllm_server, which is not on the host" in said
    assert "h1:/etc/hostproof/servers/vllm_server.json" in said
    assert "./inv provision --host h1" in said
    assert "--setup cpu" in said


def test_a_setup_that_was_not_chosen_may_be_missing(wishes: Wishes) -> None:
    both = replace(wishes, setups={"cpu": CPU, "gpu": GPU}, only=("cpu",))
    assert [one.name for one in setups.plan(both, files())] == ["cpu"]


def test_a_bare_host_says_to_provision_it(wishes: Wishes) -> None:
    assert "Run ./inv provision --host h1 first" in refused(wishes, {})


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '"x"'])
def test_an_endpoint_file_that_is_none(wishes: Wishes, text: str) -> None:
    assert "says nothing of a server: " in refused(wishes, {PATH: text})
    assert f"h1:{PATH}" in refused(wishes, {PATH: text})


def test_a_server_s_context_must_hold_the_workload(wishes: Wishes) -> None:
    said = refused(wishes, files(context=40))
    assert "needs 56 tokens and more, the server's context is 40" in said
    assert "quick.yml:8, key cells[0]" in said


def test_an_endpoint_with_a_wrong_value_names_it(wishes: Wishes) -> None:
    said = refused(wishes, files(url="ftp://x"))
    assert "server.url: must begin with http://" in said
    assert f"h1:{PATH}" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cache: cold", "cache: tepid", "must be cold or warm, not 'tepid' ({w}:11, key cells[0].cache)"),
        ("runs: 6", "runs: no", "must be a whole number of at least 1, not False ({w}:5, key runs)"),
        ("warmups: 1", "warmups: 1\nwarm: 2", "unknown key; known: schema"),
        ("name: quick", "name: quack", "is 'quack' in a file called quick.yml ({w}:2, key name)"),
        ("    cache: cold", "    cache: cold\n    cache: warm", "the key 'cache' is there twice ({w}:12"),
        ("runs: 6", "runs: [6", "is no YAML"),
    ],
)
def test_a_malformed_workload_has_file_line_and_key(wishes: Wishes, old: str, new: str, said: str) -> None:
    path = wishes.workloads_dir / "quick.yml"
    path.write_text(path.read_text().replace(old, new, 1))
    assert said.format(w=path) in refused(wishes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("min: 8", "mim: 8", "unknown key 'mim'"),
        ("min: 8", "min: 0", "a lower bound of 0 is met by everything"),
        ("min: 8", "min: .nan", "must be a finite decimal number"),
        ("cell: decode", "cell: decod", "the workload 'quick' has no cell 'decod'"),
        ("metric: generation_throughput", "metric: latency_at_24", "latency_at_24 is in s, not in tok/s"),
    ],
)
def test_malformed_thresholds_have_file_and_line(wishes: Wishes, old: str, new: str, said: str) -> None:
    path = wishes.thresholds_dir / "lab-cpu.yml"
    path.write_text(path.read_text().replace(old, new, 1))
    found = refused(wishes)
    assert said in found
    assert f"{path}:8, key " in found


ROOT = Path(__file__).parents[3]


LAB = ("gemma-3-270m-q4_k_m", "gemma-3-270m-bf16")
EPYC = ("iquest-coder-v1-40b-instruct-q5_k_m", "iquest-coder-v1-40b-instruct-nvfp4")


@pytest.mark.parametrize(("group", "models"), [("lab", LAB), ("epyc_9175f_rtx_pro_6000_max_q", EPYC)])
def test_the_inventory_s_setups_can_be_planned(group: str, models: tuple[str, str]) -> None:
    wanted = yaml.safe_load((ROOT / f"inventory/group_vars/{group}/validation.yml").read_text())
    given = Wishes(
        "r",
        "h",
        wanted["validation_hardware"],
        wanted["validation_setups"],
        (),
        ROOT / "inventory/thresholds",
        ROOT / "inventory/workloads",
        600,
    )
    both = {
        f"{server}.json": json.dumps({**SERVER, "server": server, "model": model, "context": 8192})
        for server, model in zip(("llama_server", "vllm_server"), models, strict=True)
    }
    assert len(setups.plan(given, both)) == 2
