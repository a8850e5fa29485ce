"""What cannot be judged is refused when it is loaded, with file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hostproof.errors import HostproofError
from hostproof.judge import thresholds, units
from hostproof.measure import workload
from hostproof.play import setups

from . import build

ROOT = Path(__file__).parents[3]
HEAD = """\
schema: hostproof.thresholds/2
hardware: epyc
setup: gpu
model: coder
workload: seed
source: a test
"""
ENTRY = "{cell: decode, metric: generation_throughput, statistic: median, min: 25, unit: tok/s}"


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
    assert (one.cell, one.metric, one.kind, one.low, one.high, one.statistic) == (
        "decode",
        "generation_throughput",
        "min",
        25.0,
        None,
        "median",
    )
    assert one.source == "a test"
    assert one.where.endswith("t.yml:8")
    assert found.key == ("epyc", "gpu", "coder", "seed")


def test_a_bound_may_have_a_source_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY.replace("}", ", source: the article}"))
    assert thresholds.load_file(path).thresholds[0].source == "the article"


def entry(**changed: Any) -> str:
    fields = {
        "cell": "decode",
        "metric": "generation_throughput",
        "statistic": "median",
        "min": "25",
        "unit": "tok/s",
        **changed,
    }
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items() if value is not None) + "}"


@pytest.mark.parametrize(
    ("bad", "what", "key"),
    [
        (entry(mim=3), "unknown key 'mim'", "thresholds[0].mim"),
        (entry(metric="tps"), "unknown metric 'tps'", "thresholds[0].metric"),
        (entry(metric="latency_at_x"), "unknown metric 'latency_at_x'", "thresholds[0].metric"),
        (entry(statistic="mean"), "unknown statistic 'mean'", "thresholds[0].statistic"),
        (entry(min=0), "a lower bound of 0 is met by everything", "thresholds[0].min"),
        (entry(min="0.0"), "a lower bound of 0 is met by everything", "thresholds[0].min"),
        (entry(min=-1), "a lower bound of -1 is met by everything", "thresholds[0].min"),
        (entry(min=None, max=-1), "nothing can be below -1", "thresholds[0].max"),
        (entry(min=".nan"), "finite decimal number, not '.nan'", "thresholds[0].min"),
        (entry(min="nan"), "finite decimal number, not 'nan'", "thresholds[0].min"),
        (entry(min=".inf"), "finite decimal number, not '.inf'", "thresholds[0].min"),
        (entry(min="1" * 400), "too large for a number", "thresholds[0].min"),
        (entry(min="'25'"), "finite decimal number, not '25'", "thresholds[0].min"),
        (entry(min="yes"), "finite decimal number, not 'yes'", "thresholds[0].min"),
        (entry(min="1:30"), "finite decimal number, not '1:30'", "thresholds[0].min"),
        (entry(min="1e3"), "finite decimal number, not '1e3'", "thresholds[0].min"),
        (entry(min="010"), "could be read as octal", "thresholds[0].min"),
        (entry(min="null"), "finite decimal number, not 'null'", "thresholds[0].min"),
        (entry(min=None), "needs one bound, and has none", "thresholds[0]"),
        (entry(max=30), "needs one bound, and has min and max", "thresholds[0]"),
        (entry(unit=None), "the key 'unit' is missing", "thresholds[0]"),
        (entry(unit="tok/min"), "generation_throughput is in tok/s, not in tok/min", "thresholds[0].unit"),
        (entry(metric="ttft", min=None, max=600, unit="ms"), "ttft is in s, not in ms", "thresholds[0].unit"),
        (entry(min=None, max=0), "no generation_throughput is 0 tok/s", "thresholds[0].max"),
        (entry(min=None, within="[25]"), "needs two ends, not 1", "thresholds[0].within"),
        (entry(min=None, within=25), "must be a list, not '25'", "thresholds[0].within"),
        (entry(min=None, within="[0, 25]"), "a lower bound of 0 is met", "thresholds[0].within[0]"),
        (entry(min=None, within="[28, 25]"), "nothing lies between 28 and 25", "thresholds[0].within"),
        (entry(min=None, within="[25, .inf]"), "finite decimal number", "thresholds[0].within[1]"),
        (entry(metric="ceiling_fraction", unit="ratio"), "has a kind of its own", "thresholds[0].metric"),
        (
            entry(min=None, min_fraction_of_roofline=0.3),
            "a share of the roofline has no unit",
            "thresholds[0].unit",
        ),
        (
            entry(min=None, unit=None, min_fraction_of_roofline=30),
            "a share of the roofline lies between 0 and 1, not at 30",
            "thresholds[0].min_fraction_of_roofline",
        ),
        (
            entry(metric="ttft", min=None, unit=None, min_fraction_of_roofline=0.3),
            "no roofline is known for ttft",
            "thresholds[0].min_fraction_of_roofline",
        ),
        (
            entry(min=None, no_worse_than="{baseline: 27.6}"),
            "the key 'margin' is missing",
            "thresholds[0].no_worse_than",
        ),
        (
            entry(min=None, no_worse_than="{baseline: 27.6, margin: 0}"),
            "a margin lies between 0 and 1, not at 0",
            "thresholds[0].no_worse_than.margin",
        ),
        (
            entry(min=None, no_worse_than="{baseline: 0, margin: 0.1}"),
            "a baseline of 0 cannot be got worse",
            "thresholds[0].no_worse_than.baseline",
        ),
        (
            entry(
                metric="kv_cache_usage", unit="ratio", min=None, no_worse_than="{baseline: 0.1, margin: 0.1}"
            ),
            "neither more nor less of kv_cache_usage is worse",
            "thresholds[0].no_worse_than",
        ),
        (entry(goal="yes"), "must be true or false, not 'yes'", "thresholds[0].goal"),
        (entry(cell=None), "the key 'cell' is missing", "thresholds[0]"),
        (entry(cell="''"), "is empty", "thresholds[0].cell"),
        (entry(cell=5), "must be a text, not '5'", "thresholds[0].cell"),
        (entry(statistic="max"), "max goes with an upper bound", "thresholds[0].statistic"),
        (entry(statistic="p95"), "p95 goes with an upper bound", "thresholds[0].statistic"),
        (
            entry(metric="prefix_cache_hit_rate", min=20, unit="ratio"),
            "no ratio reaches 20",
            "thresholds[0].min",
        ),
        (
            entry(metric="kv_cache_usage", min=None, max=12, unit="ratio", statistic="max"),
            "an upper bound of 12 on a ratio is met by everything",
            "thresholds[0].max",
        ),
        (
            entry(metric="failed_requests", min=None, max=0, unit="requests"),
            "median of failed requests hides one failed request in ten",
            "thresholds[0].statistic",
        ),
        (
            entry(metric="inter_token_latency", min=None, max=1, unit="s"),
            "median of gaps between tokens has no interval",
            "thresholds[0].statistic",
        ),
        ("just words", "must be a mapping, not 'just words'", "thresholds[0]"),
    ],
)
def test_a_bound_that_proves_nothing_is_refused(tmp_path: Path, bad: str, what: str, key: str) -> None:
    said = refused(written(tmp_path, bad))
    assert what in said
    assert f"t.yml:8, key {key})" in said


def test_an_upper_bound_of_zero_is_fine(tmp_path: Path) -> None:
    path = written(
        tmp_path, entry(metric="failed_requests", min=None, max=0, unit="requests", statistic="max")
    )
    assert thresholds.load_file(path).thresholds[0].high == 0


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    assert "Did you mean min" in refused(written(tmp_path, entry(mim=3)))


def test_the_same_threshold_twice(tmp_path: Path) -> None:
    said = refused(written(tmp_path, entry(), entry(min=26)))
    assert "the same threshold twice" in said
    assert "t.yml:9" in said
    assert "First at" in said
    assert "t.yml:8" in said


@pytest.mark.parametrize(
    ("bound", "low", "high", "said"),
    [
        ({"min": 25}, 25, None, "median ≥ 25 tok/s"),
        ({"max": 40}, None, 40, "median ≤ 40 tok/s"),
        ({"within": "[25, 28]"}, 25, 28, "median 25–28 tok/s"),
        (
            {"no_worse_than": "{baseline: 30, margin: 0.1}"},
            27,
            None,
            "median ≥ 27 tok/s (30 less 10 %)",
        ),
        (
            {"metric": "ttft", "unit": "s", "no_worse_than": "{baseline: 2, margin: 0.25}"},
            None,
            2.5,
            "median ≤ 2.5 s (2 plus 25 %)",
        ),
        (
            {"unit": None, "min_fraction_of_roofline": 0.3},
            None,
            None,
            "median ≥ 30 % of the roofline",
        ),
    ],
)
def test_each_kind_of_bound(
    tmp_path: Path, bound: dict[str, Any], low: float | None, high: float | None, said: str
) -> None:
    (one,) = thresholds.load_file(written(tmp_path, entry(**{"min": None, **bound}))).thresholds
    assert (one.low, one.high) == (low, high)
    assert units.wanted(one) == said


def test_thresholds_that_nothing_can_meet_together(tmp_path: Path) -> None:
    said = refused(written(tmp_path, entry(min=30), entry(min=None, max=28)))
    assert "nothing can meet this threshold and another one" in said
    assert "t.yml:9" in said


def test_a_goal_beside_a_threshold_is_no_twin(tmp_path: Path) -> None:
    path = written(tmp_path, entry(), entry(min=40, goal="true"))
    assert [t.goal for t in thresholds.load_file(path).thresholds] == [False, True]


def test_a_file_of_the_schema_before_says_what_changed(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY, head=HEAD.replace("thresholds/2", "thresholds/1"))
    said = refused(path)
    assert "is 'hostproof.thresholds/1'" in said
    assert "at_least is `min`, at_most is `max`" in said
    assert "t.yml:1" in said


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("", "is empty", ""),
        ("a: [1\n", "is no YAML", ":2"),
        ("- a\n", "must be a mapping, not a list", ":1"),
        (HEAD, "the key 'thresholds' is missing", ":1"),
        (HEAD + "thresholds: []\n", "is empty, and nothing judged is nothing proven", ":7"),
        (HEAD + "thresholds: {}\n", "must be a list, not a mapping", ":7"),
        (HEAD.replace("thresholds/2", "thresholds/3") + "thresholds: []\n", "This reader knows", ":1"),
        (HEAD + "setup: cpu\nthresholds: []\n", "the key 'setup' is there twice", ":7"),
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
    with pytest.raises(HostproofError, match=r"the same hardware, setup, model and workload as .*t\.yml"):
        thresholds.load(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostproofError, match="no such folder of thresholds"):
        thresholds.load(tmp_path / "none")


def test_hardware_without_thresholds_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, ENTRY)
    found = thresholds.load(tmp_path)
    assert thresholds.choose(found, ("epyc", "gpu", "coder", "seed"), tmp_path).setup == "gpu"
    with pytest.raises(HostproofError, match=r"no thresholds for hardware epic.*Did you mean epyc \+ gpu"):
        thresholds.choose(found, ("epic", "gpu", "coder", "seed"), tmp_path)


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
            build.thresholds(build.threshold("latency_at_100", "max", 3.0)),
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


def test_every_file_of_the_inventory_loads_and_fits_its_workload() -> None:
    found = thresholds.load(INVENTORY / "thresholds")
    assert len(found) >= 9
    for one in found.values():
        thresholds.compare(one, setups.read_workload(INVENTORY / "workloads", one.workload)[2])


def test_thresholds_of_another_workload_are_refused() -> None:
    other = workload.parse({**build.WORKLOAD, "name": "other"})
    given = build.thresholds(build.threshold(), not_judged={"long-prompt": "slow", "prefix": "warm"})
    with pytest.raises(HostproofError, match="holds for workload 'seed', and 'other' is to be judged"):
        thresholds.compare(given, other)


SEED = {
    ("cpu", "long-prompt", "ttft"),
    ("cpu", "long-prompt", "cpu_utilisation"),
    ("gpu", "long-prompt", "prompt_throughput"),
    ("gpu", "decode", "generation_throughput"),
    ("gpu", "long-prompt", "kv_cache_usage"),
    ("gpu", "prefix", "prefix_cache_hit_rate"),
    *(("gpu", "decode", f"latency_at_{n}") for n in (200, 400, 800)),
    ("gpu", "decode", "performance_factor"),
    ("reasoning", "decode", "generation_throughput"),
    ("reasoning", "decode", "performance_factor"),
    ("small", "decode", "generation_throughput"),
    ("small", "decode", "performance_factor"),
    ("moe", "decode", "generation_throughput"),
    ("edit", "whole", "generation_throughput"),
    ("edit", "whole", "kv_cache_usage"),
    ("edit", "whole", "prefix_cache_hit_rate"),
    ("agent", "steady", "prefix_cache_hit_rate"),
}


def test_every_figure_of_the_article_has_a_threshold_with_its_source() -> None:
    found = [
        (one.setup, t.cell, t.metric)
        for one in thresholds.load(INVENTORY / "thresholds").values()
        if one.hardware == "epyc-9175f-rtx-pro-6000-max-q"
        for t in one.thresholds
        if "article" in t.source
    ]
    assert SEED - set(found) == set()


def test_the_article_s_goals_are_goals() -> None:
    (gpu,) = [one for one in thresholds.load(INVENTORY / "thresholds").values() if one.setup == "gpu"]
    goals = {(t.cell, t.metric, t.statistic) for t in gpu.thresholds if t.goal}
    assert goals == {("prefix", "prefix_cache_hit_rate", "median"), ("long-prompt", "ttft", "p95")}


def test_every_model_that_the_article_names_is_in_the_catalogue_with_a_source() -> None:
    folder = INVENTORY / "group_vars/epyc_9175f_rtx_pro_6000_max_q"
    known = yaml.safe_load((folder / "models.yml").read_text())["model_store_catalogue"]
    judged = {
        one.model
        for one in thresholds.load(INVENTORY / "thresholds").values()
        if one.hardware == "epyc-9175f-rtx-pro-6000-max-q"
    }
    assert judged | {"kimi-k2.5-q4_k_s"} <= set(known)
    assert all(entry["parameters_source"] for entry in known.values())
    experts = {
        name: entry["active_parameters_billion"]
        for name, entry in known.items()
        if "active_parameters_billion" in entry
    }
    assert experts == {"kimi-k2.5-q4_k_s": 32, "moe-229b-a10b": 10}
