"""./inv ab: what it refuses, the order of its visits, and what it makes of a finished run."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.measure.result import Check, Measurement, Result, Setup, to_json
from hostproof.play import ab, ab_plan, setups
from hostproof.report import ab as report
from hostproof.report import compared
from hostproof.report.compared import Compared
from hostproof.report.markdown import escape

ROOT = Path(__file__).parents[3]
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
PLACE = {
    **{"area": "hugepages", "kind": "sysfs", "key": THP, "group": "", "path": THP},
    **{"a": "madvise", "b": "always", "found": "madvise", "asked": "", "known": False},
}
PART = {"name": "service_pages", "a": "no GLIBC_TUNABLES", "b": "GLIBC_TUNABLES=glibc.malloc.hugetlb=1"}
SERVER = {
    **{"schema": "hostproof.server/1", "server": "llama_server", "unit": "llama-server.service"},
    **{
        "url": "http://127.0.0.1:8081",
        "api_key_file": "",
        "model": "m",
        "served_name": "m",
        "model_path": "/m",
    },
    **{"parameters_billion": 0.3, "context": 2048, "release": "r", "flags": {}},
}
CELLS = [{"name": "decode", "prompt_tokens": 32, "output_tokens": 24, "cache": "cold"}]


def witness(anon: int, rest: float = 0.1) -> dict[str, Any]:
    return {
        "seconds": 10.0,
        "cores": 16,
        "load": [0.1, 0.2],
        "cpu_seconds": {"server": 90.0, "steal": 0.0, "ours": 1.0, "rest": rest},
        "pressure": {"cpu some": 0.01},
        "server_pressure": {"cpu some": 0.001},
        "events": {"pswpin": 0},
        "mhz": {"mean": 3000.0, "fastest": 4000.0, "looks": 5},
        "pages": {"resident": 2**30, "anon_huge": anon, "private_hugetlb": 0, "shared_hugetlb": 0},
        "nodes": {"0": 2**30},
        "pools": {},
        "gaps": ["the server's control group has no pressure of its own"],
    }


def result(speed: float, passed: bool = True) -> str:
    made = Result(
        *(
            "run-1",
            "h1",
            "lab",
            Setup("cpu", "llama_server", "m", 0.3),
            {"name": "ab", "version": 1, "cells": CELLS},
        ),
        *("2026-11-25T00:00:00+00:00", "2026-11-25T00:01:00+00:00", {}),
        measurements=tuple(
            Measurement("decode", metric, (speed * factor,) * 3)
            for metric, factor in (("prompt_throughput", 10), ("generation_throughput", 1))
        ),
        checks=(Check("stop", passed, "it went on"),),
        telemetry={"instrument": {"cpu_seconds": 0.05, "wall_seconds": 10.0}},
    )
    return to_json(made)


def run_of(
    folder: Path,
    gain: float = 1.3,
    rounds: int = 6,
    *,
    rest: float = 0.1,
    huge: int = 2**30,
    back: bool = True,
    places: tuple[Any, ...] = (PLACE,),
    passed: bool = True,
) -> Compared:
    """A finished comparison in a run's folder, read back."""
    kept = folder / "ab" / "h1"
    kept.mkdir(parents=True)
    visits = ab_plan.visits(rounds, "run-1")
    for visit in visits:
        b = visit.arm == "b"
        wobble = 1 + 0.002 * (visit.number % 5)
        (kept / f"{visit.file}.json").write_text(result(20 * wobble * (gain if b else 1), passed))
        readings = [
            {
                "path": THP,
                "wanted": "always" if b else "madvise",
                "got": "always" if b else "madvise",
                "as_wanted": True,
            }
        ]
        told = {"visit": visit.as_json(), "readings": readings, "witness": witness(huge if b else 0, rest)}
        (kept / f"{visit.file}.witness.json").write_text(json.dumps(told))
    plan = {
        **{"setup": "cpu", "title": "A: CPU", "server": SERVER, "rounds": rounds},
        **{"visits": [v.as_json() for v in visits], "places": list(places), "parts": [PART]},
        "left": [{"name": "cmdline:iommu", "why": "acts only after a reboot"}],
    }
    (kept / "plan.json").write_text(json.dumps(plan))
    if back:
        readings = [{"path": THP, "wanted": "madvise", "got": "madvise", "as_wanted": True}]
        (kept / "back.json").write_text(
            json.dumps({"readings": readings, "servers": ["llama-server.service"]})
        )
    found = compared.load(folder, "run-1", "h1")
    assert found is not None
    return found


def test_each_round_has_all_arms_and_six_rounds_have_all_orders() -> None:
    visits = ab_plan.visits(12, "a run")
    rounds = [[v.arm for v in visits if v.round == n] for n in range(1, 13)]
    assert all(sorted(arms) == ["a1", "a2", "b"] for arms in rounds)
    assert len({tuple(arms) for arms in rounds[:6]}) == 6 == len({tuple(arms) for arms in rounds[6:]})
    assert [v.number for v in visits] == list(range(1, 37)) and {v.of for v in visits} == {36}
    assert {(v.arm, v.state) for v in visits} == {("a1", "a"), ("a2", "a"), ("b", "b")}


def test_the_order_comes_from_the_run_and_another_run_has_another() -> None:
    assert ab_plan.visits(6, "x") == ab_plan.visits(6, "x")
    assert len({tuple(v.arm for v in ab_plan.visits(6, seed)) for seed in "abcdefgh"}) > 4


def wishes(tmp_path: Path, **more: Any) -> setups.Wishes:
    given: dict[str, Any] = {
        **{"run_id": "r", "host": "h1", "hardware": "", "only": (), "deadline_seconds": 60},
        **{"thresholds_dir": tmp_path, "workloads_dir": ROOT / "inventory/workloads"},
        "setups": {
            "gpu": {"title": "B", "server": "vllm_server", "workload": "quick"},
            "cpu": {"title": "A", "server": "llama_server", "workload": "quick"},
        },
    }
    return setups.Wishes(**{**given, **more})


FILES = {"/etc/hostproof/servers/llama_server.json": json.dumps(SERVER)}


def test_without_a_setup_the_first_whose_server_is_there_is_measured(tmp_path: Path) -> None:
    planned = ab_plan.plan(wishes(tmp_path), FILES, "ab", 2)
    assert (planned.setup, planned.title, planned.config["hardware"]) == ("cpu", "A", "unnamed")
    assert planned.config["workload"]["name"] == "ab" and len(planned.visits) == 6


@pytest.mark.parametrize(
    ("more", "files", "workload", "said"),
    [
        ({"only": ["gpu"]}, FILES, "ab", "none of the servers is on the host"),
        ({}, {}, "ab", "none of the servers is on the host"),
        ({"only": ["cpuu"]}, FILES, "ab", "Did you mean cpu"),
        ({}, FILES, "abb", "no workload 'abb'"),
        ({}, FILES, "seed", "needs 4704 tokens"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(
    tmp_path: Path, more: Any, files: Any, workload: str, said: str
) -> None:
    with pytest.raises(HostproofError, match=said):
        ab_plan.plan(wishes(tmp_path, **more), files, workload, 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no knob was named"),
        (["hugepagez"], "Did you mean hugepages?"),
        (["numa", "turbo"], "unknown knob 'turbo'"),
    ],
)
def test_words_that_no_host_has_are_refused_with_the_list(words: list[str], said: str) -> None:
    with pytest.raises(HostproofError) as refused:
        ab.check_words(words)
    assert said in str(refused.value)
    for known in ("kernel_cmdline", "governor", "service_threads", "vm.swappiness"):
        assert known in str(refused.value)


def test_areas_families_parts_and_keys_pass() -> None:
    ab.check_words(["hugepages", "governor", "service_nodes", "vm.swappiness", "pool:node0/2048kB"])


@pytest.mark.parametrize("text", ["0", "-1", "six", "2.5", "201", "²"])
def test_rounds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(HostproofError, match="number of rounds"):
        ab.counted(text)


def test_a_gain_is_kept_with_the_line_that_keeps_it(tmp_path: Path) -> None:
    found = run_of(tmp_path)
    ending = ab.of_comparison(found, "./inv ab --host h1 --knobs thp")
    assert ending.status is ExitStatus.YES
    assert "helps generation throughput: ×1.3" in ending.sentence
    assert ending.sentence.endswith("Keep it: ./inv provision --host h1")


def test_a_loss_is_taken_back_in_the_kernel_and_in_the_inventory(tmp_path: Path) -> None:
    ending = ab.of_comparison(run_of(tmp_path, gain=0.7), "again")
    assert ending.status is ExitStatus.NO
    assert (
        "Take it back: ./inv undo --host h1 --only hugepages, and `llama_server_load_mode: mmap`"
        in ending.sentence
    )


def test_no_difference_is_inconclusive(tmp_path: Path) -> None:
    ending = ab.of_comparison(run_of(tmp_path, gain=1.0), "./inv ab --host h1 --knobs thp")
    assert ending.status is ExitStatus.INCONCLUSIVE and "cannot tell for prompt throughput" in ending.sentence


def test_beside_others_nothing_is_judged(tmp_path: Path) -> None:
    found = run_of(tmp_path, rest=20.05)
    ending = ab.of_comparison(found, "./inv ab --host h1 --knobs thp")
    assert ending.status is ExitStatus.INCONCLUSIVE
    assert (
        "18 of 18 measurements were disturbed (round 1, " in ending.sentence
        and "others used 2.0 CPUs" in ending.sentence
    )
    assert "Try again when the host is quiet: ./inv ab --host h1 --knobs thp" in ending.sentence


def test_without_proof_that_the_host_is_back_there_is_no_answer(tmp_path: Path) -> None:
    found = run_of(tmp_path, back=False)
    ending = ab.of_comparison(found, "again")
    assert ending.status is ExitStatus.COULD_NOT and "no proof that h1 is as it was found" in ending.sentence
    assert next(report.findings(found)).startswith("there is no proof")


def test_what_was_not_used_or_failed_or_left_out_is_said(tmp_path: Path) -> None:
    told = list(report.findings(run_of(tmp_path, huge=0, passed=False)))
    assert (
        f"not used: sysfs:{THP}: the server had no huge pages under either arm: this does not reach it"
        in told
    )
    assert (
        "a check failed in round 1, a1: stop: it went on" in told
        or "a check failed in round 1, b: stop: it went on" in told
    )
    assert "not compared: cmdline:iommu: acts only after a reboot" in told
    assert told[-1] == "not observed: the server's control group has no pressure of its own"


def test_json_says_what_the_page_says_and_has_no_gaps(tmp_path: Path) -> None:
    found = run_of(tmp_path)
    made = json.loads(report.render_json(found, "./inv ab --host h1 --knobs thp"))
    assert (
        made["schema"] == "hostproof.ab/1" and made["verdict"] == "helps" and made["back"]["as_found"] is True
    )
    assert [e["metric"] for e in made["effects"]] == ["prompt_throughput", "generation_throughput"]
    assert made["effects"][1]["ratio"]["low"] > 1 and made["arms"]["b"]["anon_huge"] == 2**30
    assert len(made["visits"]) == 18 and made["visits"][0]["witness"]["pages"]["resident"] == 2**30
    assert made["keep"] == "./inv provision --host h1" and made["undo"].startswith("./inv undo")
    assert made["workload"] == "ab/1"
    text = report.render_markdown(found, "again")
    for figure in (f"{made['effects'][1]['ratio']['low']:.3f}", "1,024 MiB", "Put back: 1 settings"):
        assert figure in text
    assert escape(made["why"]) in text


def test_the_page_and_the_screen_show_every_visit(tmp_path: Path) -> None:
    found = run_of(tmp_path)
    console = Console(width=200, record=True, file=io.StringIO())
    report.show(console, found)
    shown = console.export_text()
    assert shown.startswith("✓ helps: sysfs:")
    assert shown.count(" a1 ") == shown.count(" a2 ") == 6


def test_a_run_that_never_came_to_a_plan_is_nothing(tmp_path: Path) -> None:
    assert compared.load(tmp_path, "run-1", "h1") is None


def test_a_file_that_is_broken_is_a_sentence(tmp_path: Path) -> None:
    run_of(tmp_path)
    (tmp_path / "ab/h1/plan.json").write_text("{")
    with pytest.raises(HostproofError, match=r"plan\.json"):
        compared.load(tmp_path, "run-1", "h1")


def test_visits_that_were_not_reached_are_left_out(tmp_path: Path) -> None:
    run_of(tmp_path)
    for path in (tmp_path / "ab/h1").glob("01[0-9]-*"):
        path.unlink()
    found = compared.load(tmp_path, "run-1", "h1")
    assert found is not None and len(found.seen) == 9
    assert {effect.rounds for effect in found.answer.effects} == {3}


def test_the_instrument_and_our_own_questions_are_not_others(tmp_path: Path) -> None:
    found = run_of(tmp_path, rest=5.05)
    assert found.seen[0].visit.others == pytest.approx(0.5)
    assert asdict(found.a)["others"] == pytest.approx(0.5)
