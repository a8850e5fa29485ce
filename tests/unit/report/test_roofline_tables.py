"""Throughputs beside their limits, what those are made of, and the suspects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.judge.model import Verdict
from hostproof.judge.roofline import Roofline
from hostproof.judge.verdict import judge_setup
from hostproof.measure.result import Setup
from hostproof.report import material, roofline_tables
from hostproof.report.material import Material
from hostproof.report.tables import all_tables, main_tables
from hostproof.report.terminal import brief
from tests.unit.judge import build, rooflines


def made(roof: Roofline | None, speed: float = 6.0) -> Material:
    setup = Setup("cpu", "llama_server", "coder-q5_k_m", 39.79, {"--threads": "16"})
    result = build.result(
        build.measured("generation_throughput", [speed] * 6),
        build.measured("prompt_throughput", [90.0] * 6),
        setup=setup,
    )
    verdict = judge_setup(result, build.thresholds(build.threshold()), None, roof)
    known = {("epyc01", "cpu"): roof} if roof else {}
    return Material(Verdict("run-1", (verdict,)), (result,), {"cpu": "A: CPU"}, known)


def test_every_throughput_has_its_row() -> None:
    (table,) = roofline_tables.roofline(made(rooflines.roof()))
    generated, prompted = (row.cells for row in table.rows)
    assert generated[:8] == (
        *("A: CPU", "decode", "generation throughput (TG)", "6.00 tok/s", "17.4"),
        *("34% (34%–35%)", "60%–90%", "bandwidth"),
    )
    assert "28.1 GB a token after 528 tokens at 490 GB/s (best of 9 rounds" in generated[8]
    assert prompted[2] == "prompt throughput (PP)"
    assert prompted[6:8] == ("–", "operations")


def test_what_the_limits_are_made_of_is_told() -> None:
    roof = rooflines.roof(model__read_by_type={"Q5_K": 22_780_000_000, "Q6_K": 5_140_000_000, "F32": 1_000})
    (table,) = roofline_tables.limits(made(roof))
    told = {row.cells[1]: row.cells[2] for row in table.rows}
    assert told["weights read for a token"] == "27.9 of 28.2 GB, Q5_K"
    assert told["of that by type"] == "Q5_K 82%, Q6_K 18%"
    assert told["cache read for each token before"] == "320 KiB"
    assert told["operations of a prompt token"] == "78 GFLOP, and attention"
    assert told["one core alone"] == "45 GB/s"
    assert told["what its DIMMs promise"] == "614.4 GB/s"


def test_a_bandwidth_that_is_not_known_is_said() -> None:
    (table,) = roofline_tables.limits(made(rooflines.roof(memory={}, compute={})))
    assert table.rows[-1].cells == ("A: CPU", "bandwidth", "not known")


def test_suspects_stand_with_evidence_and_mend_and_in_the_head() -> None:
    found = made(rooflines.roof())
    (table,) = roofline_tables.suspected(found)
    assert table.rows[0].cells[:2] == ("1", "as many threads as cores")
    assert "suspect 1: as many threads as cores (--threads 16 on 16 cores" in brief(found, 1000)


def test_a_good_host_has_no_table_of_suspects() -> None:
    assert list(roofline_tables.suspected(made(rooflines.roof(), 13.0))) == []


def test_without_a_roofline_there_is_no_table() -> None:
    keys = {table.key for table in all_tables(made(None))}
    assert not keys & {"roofline", "limits", "suspects-epyc01-cpu"}


def test_the_main_tables_have_roofline_and_suspects() -> None:
    keys = [table.key for table in main_tables(made(rooflines.roof()))]
    assert keys.index("roofline") < keys.index("suspects-epyc01-cpu")


def test_it_is_read_from_the_runs_folder(tmp_path: Path) -> None:
    path = tmp_path / "rooflines" / "epyc01" / "cpu.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(rooflines.CPU))
    found = material.rooflines(tmp_path, [("epyc01", "cpu"), ("epyc01", "gpu")])
    assert found == {("epyc01", "cpu"): rooflines.roof()}
    path.write_text("{}")
    with pytest.raises(HostproofError, match="is no roofline: schema is None"):
        material.rooflines(tmp_path, [("epyc01", "cpu")])
