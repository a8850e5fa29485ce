"""The tables say what was measured, beside what the article printed, and never more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hostproof.judge.model import Outcome, Verdict
from hostproof.judge.proof import DeviceProof
from hostproof.judge.verdict import judge_setup
from hostproof.measure.result import Measurement, Setup
from hostproof.report import proof_tables, tables
from hostproof.report.lane_tables import dense_and_experts, lanes
from hostproof.report.material import Material
from hostproof.report.noise_table import noise
from hostproof.report.ranking import remarks
from hostproof.report.seed_tables import ceiling, comparison, latency, performance_factor
from hostproof.report.table import Row, Table
from tests.unit.judge.build import epyc, measured, result, threshold, thresholds

from . import build
from .build import NOT_JUDGED


def rows(table: Table) -> list[tuple[str, ...]]:
    return [row.cells for row in table.rows]


def ours(table: Table) -> list[tuple[str, ...]]:
    return [row.cells for row in table.rows if not row.muted]


def test_the_article_s_tables_are_all_there() -> None:
    keys = [table.key for table in tables.main_tables(build.judged())]
    assert keys == [
        "thresholds-epyc01-gpu",
        "thresholds-epyc01-cpu",
        "throughput-epyc01-gpu",
        "noise",
        "latency",
        "comparison",
        "performance-factor",
        "dense-and-experts",
        "lanes",
    ]


def test_each_threshold_has_its_verdict_in_words() -> None:
    first, second = build.judged().parts
    table = tables.thresholds(first)
    assert [(row[1], row[2], row[6]) for row in rows(table)] == [
        ("generation throughput (TG)", "median ≥ 25 tok/s", "✓ pass"),
        ("latency to token 800", "median ≤ 1 s", "✗ fail"),
        ("performance factor (PF)", "median ≥ 0.693 tok/s/B", "? inconclusive"),
        ("peak memory", "max ≤ 931.3225746 GiB", "✓ pass"),
    ]
    assert rows(tables.thresholds(second)) == []
    assert "Nothing was judged: llama-server.service does not serve" in tables.thresholds(second).note
    assert "loading" not in tables.thresholds(second).note


def test_a_goal_is_shown_as_one_and_stands_behind_what_decides() -> None:
    found = result(measured("generation_throughput", (26.8,) * 6))
    given = thresholds(threshold(), threshold(bound=40.0, goal=True))
    material = Material(Verdict("r", (judge_setup(found, given),)), (found,))
    table = tables.thresholds(material.parts[0])
    assert [(row.cells[6], row.outcome) for row in table.rows] == [
        ("✓ pass", Outcome.PROVEN),
        ("goal: not yet", None),
    ]
    (told,) = [each for each in remarks(material) if each.text.startswith("goal not reached: ")]
    assert told.outcome is None


def test_a_maximum_has_no_interval() -> None:
    (part, _) = build.judged().parts
    assert rows(tables.thresholds(part))[3][4] == "–"


def test_throughput_has_median_and_range_and_says_what_is_missing() -> None:
    ((part, found),) = build.judged().measured
    table = tables.throughput(part, found)
    by_metric = {row[0]: row[1:] for row in rows(table)}
    assert [name for name, _ in table.columns] == ["Metric", "long-prompt", "decode", "prefix"]
    assert by_metric["failed requests"] == ("0 of 6", "0 of 6", "0 of 6")
    assert by_metric["generation throughput (TG)"][1].endswith("tok/s)")
    assert "p95" in by_metric["gap between tokens (ITL)"][1]
    assert by_metric["prompt throughput (PP)"][2] == "–"
    assert "prompt throughput (PP) in prefix: the prompt comes from the prefix cache" in table.note


def test_the_noise_floor_is_in_every_report() -> None:
    (table,) = noise(build.judged())
    assert {(row[1], row[2].split(" (")[0]) for row in rows(table)} == {
        ("long-prompt", "time to first token"),
        ("long-prompt", "generation throughput"),
        ("decode", "time to first token"),
        ("decode", "generation throughput"),
    }
    assert all(row[4].startswith("± ") for row in rows(table))


def test_a_percentile_is_shown_where_the_sample_carries_it() -> None:
    gaps = {
        n: measured("inter_token_latency", tuple(0.03 + i / 1e4 for i in range(n)), over="tokens")
        for n in (58, 59, 299)
    }
    shown = [tables._summary(each).split(", ", 1)[1] for each in gaps.values()]
    assert shown == ["largest of 58 35.7 ms", "p95 35.5 ms", "p95 58.3 ms, p99 59.5 ms"]


def test_latency_by_output_length_stands_beside_the_article_s() -> None:
    (table,) = latency(build.judged())
    assert [name for name, _ in table.columns] == ["Config", "Cell", "200 tokens", "400 tokens", "800 tokens"]
    assert len(ours(table)) == 1
    assert ours(table)[0][0] == "B: GPU nvfp4"
    assert rows(table)[-1][2:] == ("7–8 s", "14–16 s", "30 s")


def test_no_row_of_the_article_where_it_has_no_such_length() -> None:
    found = result(measured("latency_at_24", (1.0,) * 6))
    verdict = judge_setup(result(), thresholds(threshold()))
    (table,) = latency(Material(Verdict("r", (verdict,)), (found,)))
    assert len(table.rows) == 1


def test_without_checkpoints_there_is_no_latency_table() -> None:
    assert list(latency(build.empty())) == []


def test_the_comparison_has_every_setup_and_the_article_s_three() -> None:
    table = comparison(build.judged())
    assert [row[0] for row in rows(table)] == [
        "B: GPU nvfp4",
        "A: CPU",
        "the article, A: CPU Q5_K_M",
        "the article, B: GPU nvfp4",
        "the article, C: Aider whole-edit",
    ]
    assert ours(table)[1][1:3] == ("not measured", "Unknown")
    assert "It says nothing about the quality of answers" in table.note


def test_the_performance_factor_is_speed_by_billions_of_parameters() -> None:
    found = result(
        measured("generation_throughput", (26.8,) * 6), setup=replace(epyc().setup, parameters_billion=40.0)
    )
    verdict = judge_setup(found, thresholds(threshold()))
    table = performance_factor(Material(Verdict("r", (verdict,)), (found,)))
    assert ours(table)[0][1:] == ("40B", "26.8 tok/s", "0.670", "0.670", "6.70")


def experts() -> Material:
    setup = replace(
        epyc().setup,
        name="moe",
        model="moe-229b-a10b",
        parameters_billion=229.0,
        active_parameters_billion=10.0,
    )
    found = epyc(speed=22.0, setup=replace(setup, server="llama_server"))
    verdict = judge_setup(found, thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED))
    return Material(Verdict("r", (verdict,)), (found,), {"moe": "D: MoE"})


def test_a_mixture_of_experts_has_two_factors() -> None:
    (row,) = ours(performance_factor(experts()))
    assert row[1] == "229B, 10B active"
    assert (float(row[3]), float(row[4])) == pytest.approx((22.0 / 229, 2.2), rel=0.02)


def test_dense_stands_against_experts_with_the_article_s_two_rows() -> None:
    (table,) = dense_and_experts(experts())
    assert ours(table)[0][1:3] == ("mixture of experts", "10B, 4% of all")
    assert [row.cells[0] for row in table.rows if row.muted] == [
        "the article, dense 40B on the CPU",
        "the article, MoE 229B on the CPU",
    ]
    (dense,) = dense_and_experts(build.judged())
    assert ours(dense)[0][1:3] == ("dense", "39.79B")


def test_a_lane_says_who_fits_and_why_others_do_not() -> None:
    (table,) = lanes(experts())
    said = {row[0]: (row[2], row[3]) for row in ours(table) if row[0]}
    assert said["batch on the CPU"][0] == "D: MoE"
    assert "229B, 10B active; nobody waits" in said["batch on the CPU"][1]
    assert said["daily agent work"][0] == "none that was measured"
    assert any(row[2] == "not: D: MoE" and "and 25 are wanted" in row[3] for row in ours(table))
    assert next(row.cells[2] for row in table.rows if row.muted) == "IQuest-Coder-40B nvfp4"


def test_several_hosts_are_told_apart() -> None:
    one, other = epyc(), epyc(host="epyc02")
    given = thresholds(threshold(), not_judged=build.NOT_JUDGED)
    verdict = Verdict("r", (judge_setup(one, given), judge_setup(other, given)))
    titles = [part.title for part in Material(verdict, (one, other), {"gpu": "B"}).parts]
    assert titles == ["epyc01 · B", "epyc02 · B"]


def test_evidence_of_trust_is_shown() -> None:
    keys = {table.key for table in tables.all_tables(build.judged())}
    assert {"agreements", "checks-epyc01-gpu", "under-load", "environment"} <= keys


def test_gpu_and_cores_under_load() -> None:
    (table,) = tables.under_load(build.judged())
    seen = {row[1]: row[2] for row in rows(table)}
    assert seen["CPU use of 16 cores"].endswith("1 of them at 95 % or more")
    assert seen["GPU power, highest"] == "296 W"
    assert seen["CPU time of the instrument"] == "1.20 s in 400 s, 0.30% of one core"


def test_a_table_counts_its_cells() -> None:
    try:
        Table("k", "t", (("a", "left"),), (Row(("1", "2")),))
    except ValueError as error:
        assert "k: 2 cells under 1 columns" in str(error)
    else:
        raise AssertionError("a row that is too long was taken")


def test_a_problem_is_never_a_figure() -> None:
    found = result(Measurement("decode", "generation_throughput", (), problem="void"))
    verdict = judge_setup(found, thresholds(threshold()))
    material = Material(Verdict("r", (verdict,)), (found,))
    assert verdict.outcome is Outcome.UNMEASURED
    assert ours(comparison(material))[0][1] == "not measured"
    assert ours(performance_factor(material))[0][2:] == ("–", "–", "–", "–")


WHY = "22.73 GB a token at 1,792 GB/s"


def near(model: str, ceiling_: float = 78.84) -> Material:
    made = epyc()
    made = replace(made, setup=replace(made.setup, model=model, ceiling=ceiling_, ceiling_why=WHY))
    given = thresholds(threshold(bound=20.0), not_judged=build.NOT_JUDGED)
    return Material(Verdict("r", (judge_setup(made, given),)), (made,), {"gpu": "B: GPU nvfp4"})


def test_the_seed_s_speed_stands_beside_the_ceiling() -> None:
    (table,) = ceiling(near("iquest-coder-v1-40b-instruct-nvfp4"))
    our, their = rows(table)
    assert (our[0], our[2], our[3], our[4]) == ("B: GPU nvfp4", "78.8", "35%", WHY)
    assert their == (
        "the article, B: GPU nvfp4",
        "25–28",
        "78.8",
        "32%–36%",
        "its TG by the ceiling above; it names none",
    )
    assert table.rows[1].muted


def test_another_model_s_ceiling_says_nothing_of_the_article() -> None:
    (table,) = ceiling(near("gemma-3-270m-bf16"))
    assert len(table.rows) == 1


def test_no_table_of_ceilings_where_none_is_known() -> None:
    assert list(ceiling(near("iquest-coder-v1-40b-instruct-nvfp4", 0.0))) == []
    assert list(ceiling(build.judged())) == []


def test_what_a_token_costs_stands_beside_what_else_would_give_the_article_s_figures() -> None:
    """The seed's own numbers (docs/nvfp4-proof.md): 22.73 GB a token, 78.8 tok/s; Loop 40.1, FP8 45, BF16 22.7."""
    figures = {
        "read_bytes_per_token": 22_727_000_000,
        "kv_bytes_per_token": 327_680,
        "weights_bytes": 23_513_000_000,
        "parameters": 39_790_000_000,
        "passes": 1,
        "quantisation": "nvfp4-w4a4",
    }
    proof = DeviceProof("native", ("native",), ("kernel: x",), figures=figures)
    given = epyc(setup=Setup("gpu", "vllm_server", "iquest-40b-nvfp4", 39.79, ceiling=78.84, ceiling_why="…"))
    verdict = judge_setup(given, thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED), proof)
    (table,) = proof_tables.costs(Material(Verdict("run-1", (verdict,)), (given,), {}))
    cells = {row.cells[0]: row.cells[1:] for row in table.rows}
    assert cells["this checkpoint"][:2] == ("22.73", "78.8")
    assert cells["this checkpoint"][3] == "32%–36%"
    assert cells["the same, 32,768 tokens into a sequence"][:2] == ("33.46", "53.5")
    assert cells["if its layers ran twice (Loop)"] == ("44.67", "40.1", "–", "62%–70%")
    assert cells["if its weights were FP8"][1] == "45.0"
    assert cells["if its weights were BF16"][1] == "22.7"
    assert "320 KiB of KV cache" in table.note


def test_a_proof_is_told_line_by_line_and_what_speaks_against_it_first_of_all() -> None:
    proof = DeviceProof("weight-only", ("native",), ("kernel: Marlin",), ("Weights alone are in NVFP4.",))
    given = epyc()
    verdict = judge_setup(given, thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED), proof)
    material = Material(Verdict("run-1", (verdict,)), (given,), {})
    (table,) = proof_tables.proof(material)
    assert [row.cells[1:] for row in table.rows] == [
        ("weight-only", "native", "✗ fail", "kernel: Marlin"),
        ("", "", "", "against it: Weights alone are in NVFP4."),
    ]
    assert remarks(material)[0].text.startswith(
        "device and kernels: weight-only, and native is wanted: Weights"
    )
    assert not list(proof_tables.costs(material))


@pytest.mark.parametrize(("verdict", "rows"), [("unproved", 0), ("cpu", 1)])
def test_where_nothing_was_demanded_and_nothing_seen_there_is_no_row(verdict: str, rows: int) -> None:
    proof = DeviceProof(verdict, (), missing=("NVML was not asked.",))
    judged = judge_setup(epyc(), thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED), proof)
    found = list(proof_tables.proof(Material(Verdict("run-1", (judged,)), (epyc(),), {})))
    assert sum(len(table.rows) for table in found) == rows
