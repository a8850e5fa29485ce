"""A wrong workload or configuration is an error that names the key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostproof.measure import config, workload
from hostproof.measure.errors import ConfigError
from hostproof.measure.workload import Cell

from . import build
from .build import cell

ROOT = Path(__file__).parents[3]


def test_a_cell_takes_runs_and_warmups_from_the_workload_or_its_own() -> None:
    parsed = workload.parse(build.workload(cell(), cell(name="long", runs=1, warmups=0), runs=6, warmups=2))
    assert parsed.cells[0] == Cell("decode", 20, 8, "cold", 6, 2)
    assert (parsed.cells[1].runs, parsed.cells[1].warmups) == (1, 0)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (build.workload(sells=1), "workload.sells: unknown key; known: schema"),
        (build.workload(cell(), cell(name="b", cash="cold")), r"workload.cells\[1\].cash: unknown key"),
        (build.workload(schema="hostproof.workload/2"), "workload.schema: is 'hostproof.workload/2'"),
        (build.workload(runs=0), "workload.runs: must be a whole number of at least 1, not 0"),
        (build.workload(runs=True), "workload.runs: must be a whole number"),
        (build.workload(cells=[]), "workload.cells: must be a list of at least one cell"),
        (build.workload(cell(output_tokens="8")), r"cells\[0\].output_tokens: must be a whole number"),
        (build.workload(cell(cache="tepid")), r"cells\[0\].cache: must be cold or warm, not 'tepid'"),
        (build.workload(cell(cache="warm", warmups=0)), r"cells\[0\].warmups: .* at least 1"),
        (build.workload(cell(checkpoints=[4, 2])), r"checkpoints: must ascend .* \[4, 2\]"),
        (build.workload(cell(checkpoints=[9])), r"must ascend and not pass output_tokens \(8\)"),
        (build.workload(cell(checkpoints="8")), "checkpoints: must be a list"),
        (build.workload(cell(), cell()), r"cells\[1\].name: 'decode' is there twice"),
        (build.workload(cell(name="Long Prompt")), "lower-case words joined by dashes"),
        ([], "workload: must be a mapping, not list"),
        (None, "workload: must be a mapping, not NoneType"),
    ],
)
def test_a_wrong_workload_names_the_key(raw: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        workload.parse(raw)


@pytest.mark.parametrize("file", sorted((ROOT / "inventory/workloads").glob("*.yml")), ids=lambda f: f.stem)
def test_every_workload_of_the_inventory_is_right_and_named_like_its_file(file: Path) -> None:
    parsed = workload.parse(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert parsed.name == file.stem
    assert parsed.description


def test_the_workloads_are_there() -> None:
    assert {f.stem for f in (ROOT / "inventory/workloads").glob("*.yml")} >= {"seed", "lab", "quick"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (build.config(extra=1), "config.extra: unknown key"),
        (build.config(host=""), "config.host: must be a text, not ''"),
        (build.config(deadline_seconds=0), "config.deadline_seconds: must be a number above 0"),
        (build.config(deadline_seconds=float("nan")), "must be a number above 0"),
        (
            build.config(server=build.server(server="ollama")),
            "server.server: is 'ollama'; known: llama_server",
        ),
        (build.config(server=build.server(url="localhost:8080")), "server.url: must begin with http"),
        (build.config(server=build.server(parameters_billion=0)), "server.parameters_billion: must be"),
        (
            build.config(server=build.server(active_parameters_billion=1)),
            "server.active_parameters_billion: is 1, of 0.5 in all",
        ),
        (
            build.config(server=build.server(active_parameters_billion="x")),
            "server.active_parameters_billion: must be",
        ),
        (build.config(server=build.server(schema="x/1")), "server.schema: is 'x/1'"),
        (build.config(server=build.server(context=16)), r"workload.cells\[0\]: needs 28 tokens and more"),
        ("text", "config: must be a mapping"),
    ],
)
def test_a_wrong_configuration_names_the_key(raw: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config.parse(raw)


def test_a_configuration_keeps_the_workload_as_it_came() -> None:
    raw = build.config()
    assert config.parse(raw).workload_raw == raw["workload"]


def test_a_file_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        config.read(file)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not JSON"):
        config.read(file)
    file.write_text(json.dumps(build.config()), encoding="utf-8")
    assert config.read(file).setup == "gpu"


CEILING = {"tokens_per_second": 78.84, "why": "22.73 GB a token at 1,792 GB/s"}


def test_a_server_may_know_its_ceiling() -> None:
    assert config.parse(build.config()).server.ceiling == 0
    assert config.parse(build.config(server=build.server(ceiling={}))).server.ceiling == 0
    server = config.parse(build.config(server=build.server(ceiling=CEILING))).server
    assert (server.ceiling, server.ceiling_why) == (78.84, "22.73 GB a token at 1,792 GB/s")


@pytest.mark.parametrize(
    ("ceiling", "said"),
    [
        (78.84, "server.ceiling: must be a mapping"),
        ({**CEILING, "tokens_per_second": 0}, "server.ceiling.tokens_per_second: must be a number above 0"),
        ({**CEILING, "why": ""}, "server.ceiling.why: must be a text"),
        ({**CEILING, "unit": "tok/s"}, "server.ceiling.unit: unknown key"),
    ],
)
def test_a_ceiling_that_is_none_is_refused(ceiling: object, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        config.parse(build.config(server=build.server(ceiling=ceiling)))
