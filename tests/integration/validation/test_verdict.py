"""Planning and judging as a playbook calls them: plain ansible-playbook fails unless everything is proven."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import pytest

from hostproof.measure.result import Check, to_json
from tests.unit.judge.build import measured, result
from tests.unit.play.test_setups import CPU, PATH, SERVER, THRESHOLDS, WORKLOAD

from .conftest import Played, Site

RUN = "20261124T151800Z-validate-h1"
EXPECTED = {"host": "h1", "setup": "cpu", "hardware": "lab", "model": "small", "title": "A: CPU"}
FILES = {"report.html", "report.md", "report.json", "junit.xml", "verdict.json"}


@pytest.fixture
def data(site: Site) -> Site:
    """With thresholds and a workload."""
    for folder, name, text in (("w", "quick.yml", WORKLOAD), ("t", "lab-cpu.yml", THRESHOLDS)):
        (site.folder / folder).mkdir()
        (site.folder / folder / name).write_text(text)
    return site


def counted(file: Path, what: str) -> int:
    """`failures` or `errors` over all suites."""
    return sum(int(suite.get(what, "0")) for suite in ET.parse(file).getroot().iter("testsuite"))


def run_dir(site: Site) -> Path:
    return site.folder / "run"


def bring(site: Site, speed: float = 27.0, host: str = "h1", **changed: Any) -> None:
    """A fake Result, as the role would have brought it."""
    found = result(
        measured("generation_throughput", (speed,) * 6),
        run_id=RUN,
        host=host,
        hardware="lab",
        setup=replace(result().setup, name="cpu", model="small"),
        workload=workload(),
        **changed,
    )
    path = run_dir(site) / "results" / host / "cpu.json"
    path.parent.mkdir(parents=True)
    path.write_text(to_json(found))


def workload() -> dict[str, Any]:
    cell = {"name": "decode", "prompt_tokens": 32, "output_tokens": 24, "cache": "cold"}
    head = {"schema": "hostproof.workload/1", "name": "quick", "version": 1, "description": "One cell."}
    return {**head, "runs": 6, "warmups": 1, "cells": [cell]}


def judging(site: Site, **more: Any) -> dict[str, Any]:
    asked = {
        "run_dir": str(run_dir(site)),
        "run_id": RUN,
        "hosts": "{{ ansible_play_hosts_all }}",
        "expected": [EXPECTED],
        "thresholds_dir": str(site.folder / "t"),
        **more,
    }
    return {"name": "judge", "hostproof.core.verdict": asked, "run_once": True}


def planning(site: Site, **more: Any) -> dict[str, Any]:
    asked = {
        "run_id": RUN,
        "host": "h1",
        "hardware": "lab",
        "setups": {"cpu": CPU},
        "servers": {PATH: json.dumps(SERVER)},
        "thresholds_dir": str(site.folder / "t"),
        "workloads_dir": str(site.folder / "w"),
        "deadline_seconds": 600,
        "instrument": str(site.folder / "hostproof.pyz"),
        **more,
    }
    return {"name": "plan", "hostproof.core.validation_plan": asked}


def outcome(site: Site) -> str:
    return str(json.loads((run_dir(site) / "verdict.json").read_text())["outcome"])


def test_what_is_proven_ends_well_and_is_written_in_every_form(data: Site) -> None:
    bring(data)
    played = data.play(judging(data))
    assert played.status == 0, played.said
    assert played.of("judge")["msg"] == "PROVEN — 1 threshold: 1 proven."
    assert {path.name for path in run_dir(data).iterdir()} == FILES | {"results"}
    assert outcome(data) == "proven"
    assert counted(run_dir(data) / "junit.xml", "failures") == 0


def failed(data: Site, **more: Any) -> Played:
    played = data.play(judging(data, **more))
    assert played.status == 2, played.said
    return played


def test_what_is_below_fails_and_names_the_threshold(data: Site) -> None:
    bring(data, speed=4.0)
    said = failed(data).message
    assert said.startswith("NOT PROVEN, below threshold — 1 threshold: 1 below.")
    assert "✗ A: CPU: generation throughput (TG) in decode" in said
    assert "median ≥ 8 tok/s" in said
    assert outcome(data) == "below"


def test_what_is_inconclusive_fails_too(data: Site) -> None:
    bring(data)
    path = run_dir(data) / "results" / "h1" / "cpu.json"
    raw = json.loads(path.read_text())
    raw["measurements"][0]["samples"] = [7.0, 7.5, 8.0, 8.5, 9.0, 9.5]
    path.write_text(json.dumps(raw))
    assert "lies inside the interval" in failed(data).message
    assert outcome(data) == "inconclusive"


def test_a_failed_check_fails(data: Site) -> None:
    bring(data, checks=(Check("stop", False, "went on after the stop word"),))
    assert "NOT PROVEN, a check failed" in failed(data).message


def test_a_setup_without_a_result_is_unmeasured_and_says_why(data: Site) -> None:
    problem = "llama-server.service does not serve: it ended at start. Its log ends:\nno such file"
    said = failed(data, problems={"h1/cpu": problem}).message
    assert said.startswith("NOT PROVEN, not measured — no result of h1/cpu.")
    assert "it ended at start" in said
    assert "      no such file" in said.splitlines()
    assert outcome(data) == "unmeasured"
    assert counted(run_dir(data) / "junit.xml", "errors") == 1


def test_a_host_that_was_lost_is_in_the_verdict(data: Site) -> None:
    bring(data)
    played = data.play(judging(data), hosts=("h1", "h2"))
    assert played.status == 2
    assert "no result of h2/every setup" in played.message


def test_the_tables_are_printed_where_nobody_else_does(data: Site) -> None:
    bring(data)
    said = data.play(judging(data, show=True)).said
    for title in (
        "Thresholds: A: CPU",
        "Measured throughput: A: CPU",
        "Comparison summary",
        "Performance factor",
    ):
        assert title in said
    assert "Comparison summary" not in data.play(judging(data)).said


def test_check_mode_judges_nothing_and_says_so(data: Site) -> None:
    bring(data, speed=4.0)
    played = data.play(judging(data, show=True), check=True)
    assert played.status == 0
    assert "Nothing was measured in check mode, so nothing is judged." in played.said
    assert not (run_dir(data) / "verdict.json").exists()


def test_malformed_thresholds_stop_before_anything_else(data: Site) -> None:
    path = data.folder / "t" / "lab-cpu.yml"
    path.write_text(THRESHOLDS.replace("min: 8", "min: 0"))
    touch = {
        "name": "touch",
        "ansible.builtin.file": {"path": str(data.folder / "touched"), "state": "touch"},
    }
    played = data.play(planning(data), touch)
    assert played.status == 2
    assert "a lower bound of 0 is met by everything" in played.message
    assert f"{path}:8, key thresholds[0].min" in played.message
    assert not (data.folder / "touched").exists()


def test_a_plan_has_what_the_role_needs_and_the_instrument_is_built(data: Site) -> None:
    played = data.play(planning(data), check=True)
    assert played.status == 0, played.said
    found = played.of("plan")
    assert found["expected"] == [EXPECTED]
    assert found["setups"][0]["server"]["unit"] == "llama-server.service"
    assert found["setups"][0]["config"]["workload"] == workload()
    assert "hostproof/measure/result.py" in ZipFile(found["instrument"]).namelist()


def test_setups_may_be_chosen_as_on_a_command_line(data: Site) -> None:
    both = {"cpu": CPU, "other": CPU}
    assert len(data.play(planning(data, setups=both, only="cpu")).of("plan")["setups"]) == 1
    said = data.play(planning(data, only="cpuu")).message
    assert said == "unknown setup 'cpuu' (validation_setups of host h1). Did you mean cpu? Known setups: cpu."


@pytest.mark.parametrize("action", [planning, judging])
def test_an_ansible_without_hostproof_says_which_to_use(data: Site, action: Any) -> None:
    bring(data)
    played = data.play(action(data), without_hostproof=True)
    assert played.status == 2
    assert "Ansible's Python has no hostproof" in played.message
    assert ".venv/bin/ansible-playbook instead of this one" in played.message


def test_a_misspelt_argument_is_refused(data: Site) -> None:
    assert "Unsupported parameters" in data.play(judging(data, threshold_dir="x")).message
