"""What cannot be judged is refused when it is loaded, with file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hostproof.errors import HostproofError
from hostproof.judge import thresholds
from hostproof.measure import workload
from hostproof.play import setups

from . import build

ROOT = Path(__file__).parents[3]
HEAD = """\
schema: hostproof.thresholds/1
hardware: epyc
setup: gpu
model: coder
source: a test
"""
ENTRY = "{cell: decode, metric: generation_throughput, statistic: median, at_least: 25}"


def written(tmp_path: Path, *entries: str, head: str = HEAD, more: str = "") -> Path:
    path = tmp_path / "t.yml"
    lines = "".join(f"  - {entry}\n" for entry in entries)
    path.write_text(f"{head}thresholds:\n{lines}{more}", encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(HostproofError) as caught:
        thresholds.load_file(path)
    return str(caught.value)


def test_a_good_file_says_where_each_bound_stands(tmp_path: Path) -> None:
    found = thresholds.load_file(written(tmp_path, ENTRY))
    (one,) = found.thresholds
    assert (one.cell, one.metric, one.side, one.bound, one.statistic) == (
        "decode",
        "generation_throughput",
        "at_least",
        25.0,
        "median",
    )
    assert one.source == "a test"
    assert one.where.endswith("t.yml:7")
    assert found.key == ("epyc", "gpu", "coder")


def test_a_bound_may_have_a_source_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY.replace("}", ", source: the article}"))
    assert thresholds.load_file(path).thresholds[0].source == "the article"


def entry(**changed: Any) -> str:
    fields = {
        "cell": "decode",
        "metric": "generation_throughput",
        "statistic": "median",
        "at_least": "25",
        **changed,
    }
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items() if value is not None) + "}"


@pytest.mark.parametrize(
    ("bad", "what", "key"),
    [
        (entry(at_leest=3), "unknown key 'at_leest'", "thresholds[0].at_leest"),
        (entry(metric="tps"), "unknown metric 'tps'", "thresholds[0].metric"),
        (entry(metric="latency_at_x"), "unknown metric 'latency_at_x'", "thresholds[0].metric"),
        (entry(statistic="mean"), "unknown statistic 'mean'", "thresholds[0].statistic"),
        (entry(at_least=0), "a lower bound of 0 is met by everything", "thresholds[0].at_least"),
        (entry(at_least="0.0"), "a lower bound of 0 is met by everything", "thresholds[0].at_least"),
        (entry(at_least=-1), "a lower bound of -1 is met by everything", "thresholds[0].at_least"),
        (entry(at_least=None, at_most=-1), "nothing can be below -1", "thresholds[0].at_most"),
        (entry(at_least=".nan"), "finite decimal number, not '.nan'", "thresholds[0].at_least"),
        (entry(at_least="nan"), "finite decimal number, not 'nan'", "thresholds[0].at_least"),
        (entry(at_least=".inf"), "finite decimal number, not '.inf'", "thresholds[0].at_least"),
        (entry(at_least="1" * 400), "too large for a number", "thresholds[0].at_least"),
        (entry(at_least="'25'"), "finite decimal number, not '25'", "thresholds[0].at_least"),
        (entry(at_least="yes"), "finite decimal number, not 'yes'", "thresholds[0].at_least"),
        (entry(at_least="1:30"), "finite decimal number, not '1:30'", "thresholds[0].at_least"),
        (entry(at_least="1e3"), "finite decimal number, not '1e3'", "thresholds[0].at_least"),
        (entry(at_least="010"), "could be read as octal", "thresholds[0].at_least"),
        (entry(at_least="null"), "finite decimal number, not 'null'", "thresholds[0].at_least"),
        (entry(at_least=None), "needs at_least or at_most, one of them", "thresholds[0]"),
        (entry(at_most=30), "needs at_least or at_most, one of them", "thresholds[0]"),
        (entry(cell=None), "the key 'cell' is missing", "thresholds[0]"),
        (entry(cell="''"), "is empty", "thresholds[0].cell"),
        (entry(cell=5), "must be a text, not '5'", "thresholds[0].cell"),
        (entry(statistic="max"), "max goes with at_most", "thresholds[0].statistic"),
        (entry(statistic="p95"), "p95 goes with at_most", "thresholds[0].statistic"),
        (
            entry(metric="prefix_cache_hit_rate", at_least=20),
            "no ratio reaches 20",
            "thresholds[0].at_least",
        ),
        (
            entry(metric="kv_cache_usage", at_least=None, at_most=12, statistic="max"),
            "an upper bound of 12 on a ratio is met by everything",
            "thresholds[0].at_most",
        ),
        (
            entry(metric="failed_requests", at_least=None, at_most=0),
            "median of failed requests hides one failed request in ten",
            "thresholds[0].statistic",
        ),
        (
            entry(metric="inter_token_latency", at_least=None, at_most=1),
            "median of gaps between tokens has no interval",
            "thresholds[0].statistic",
        ),
        ("just words", "must be a mapping, not 'just words'", "thresholds[0]"),
    ],
)
def test_a_bound_that_proves_nothing_is_refused(tmp_path: Path, bad: str, what: str, key: str) -> None:
    said = refused(written(tmp_path, bad))
    assert what in said
    assert f"t.yml:7, key {key})" in said


def test_an_upper_bound_of_zero_is_fine(tmp_path: Path) -> None:
    path = written(tmp_path, entry(metric="failed_requests", at_least=None, at_most=0, statistic="max"))
    assert thresholds.load_file(path).thresholds[0].bound == 0


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    assert "Did you mean at_least" in refused(written(tmp_path, entry(at_leest=3)))


def test_the_same_threshold_twice(tmp_path: Path) -> None:
    said = refused(written(tmp_path, entry(), entry(at_least=26)))
    assert "the same threshold twice" in said
    assert "t.yml:8" in said
    assert "First at" in said
    assert "t.yml:7" in said


def test_a_band_is_two_entries(tmp_path: Path) -> None:
    path = written(tmp_path, entry(), entry(at_least=None, at_most=40))
    assert [t.side for t in thresholds.load_file(path).thresholds] == ["at_least", "at_most"]


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("", "is empty", ""),
        ("a: [1\n", "is no YAML", ":2"),
        ("- a\n", "must be a mapping, not a list", ":1"),
        (HEAD, "the key 'thresholds' is missing", ":1"),
        (HEAD + "thresholds: []\n", "is empty, and nothing judged is nothing proven", ":6"),
        (HEAD + "thresholds: {}\n", "must be a list, not a mapping", ":6"),
        (HEAD.replace("thresholds/1", "thresholds/2") + "thresholds: []\n", "This reader knows", ":1"),
        (HEAD + "setup: cpu\nthresholds: []\n", "the key 'setup' is there twice", ":6"),
        (
            HEAD.replace("model: coder", "model: 7") + f"thresholds: [{ENTRY}]\n",
            "must be a text, not '7'",
            ":4",
        ),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, what: str, line: str) -> None:
    path = tmp_path / "t.yml"
    path.write_text(text, encoding="utf-8")
    said = refused(path)
    assert what in said
    assert f"t.yml{line}" in said


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_bytes(b"schema: \xff\n")
    assert "is not UTF-8" in refused(path)


def test_two_files_for_the_same(tmp_path: Path) -> None:
    written(tmp_path, ENTRY)
    (tmp_path / "u.yml").write_text((tmp_path / "t.yml").read_text())
    with pytest.raises(HostproofError, match=r"the same hardware, setup and model as .*t\.yml"):
        thresholds.load(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostproofError, match="no such folder of thresholds"):
        thresholds.load(tmp_path / "none")


def test_hardware_without_thresholds_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, ENTRY)
    found = thresholds.load(tmp_path)
    assert thresholds.choose(found, ("epyc", "gpu", "coder"), tmp_path).setup == "gpu"
    with pytest.raises(HostproofError, match=r"no thresholds for hardware epic.*Did you mean epyc \+ gpu"):
        thresholds.choose(found, ("epic", "gpu", "coder"), tmp_path)


WORKLOAD = workload.parse(build.WORKLOAD)


def test_thresholds_that_fit_the_workload() -> None:
    fitting = build.thresholds(build.threshold(), not_judged={"long-prompt": "slow", "prefix": "warm"})
    thresholds.compare(fitting, WORKLOAD)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (build.thresholds(build.threshold(cell="decod")), "the workload 'seed' has no cell 'decod'"),
        (build.thresholds(build.threshold()), "the cell 'long-prompt' of workload 'seed' has no threshold"),
        (
            build.thresholds(build.threshold("latency_at_100", "at_most", 3.0)),
            "the cell 'decode' does not measure latency_at_100",
        ),
        (
            build.thresholds(build.threshold("prompt_throughput", cell="prefix")),
            "the cell 'prefix' is warm: its prompt comes from the cache",
        ),
        (build.thresholds(build.threshold(), not_judged={"x": "y"}), "has no cell 'x'"),
        (
            build.thresholds(build.threshold(), not_judged={"decode": "y"}),
            "the cell 'decode' has thresholds and is listed as not judged",
        ),
    ],
)
def test_thresholds_and_workload_that_do_not_belong_together(
    given: thresholds.ThresholdsFile, what: str
) -> None:
    with pytest.raises(HostproofError, match=what):
        thresholds.compare(given, WORKLOAD)


INVENTORY = ROOT / "inventory"


def test_every_file_of_the_inventory_loads_and_fits_a_workload() -> None:
    found = thresholds.load(INVENTORY / "thresholds")
    workloads = [
        setups.read_workload(INVENTORY / "workloads", path.stem)[2]
        for path in sorted((INVENTORY / "workloads").glob("*.yml"))
    ]
    assert len(found) >= 4
    for one in found.values():
        fitting = [w.name for w in workloads if {t.cell for t in one.thresholds} <= {c.name for c in w.cells}]
        assert fitting, one.file
