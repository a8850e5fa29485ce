"""report.json is what its published schema says, and the schema knows every key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hostproof.report import json_file
from hostproof.report.material import Material

from . import build

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schema/report-1.json").read_text(encoding="utf-8"))
MATERIALS = {
    "judged": build.judged(),
    "proven": build.proven(),
    "hostile": build.hostile(),
    "empty": build.empty(),
    "timed": build.timed(),
    "fleet": build.fleet(),
}
each = pytest.mark.parametrize("given", MATERIALS.values(), ids=list(MATERIALS))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == json_file.SCHEMA


@each
def test_every_report_is_valid(given: Material) -> None:
    errors = list(Draft202012Validator(SCHEMA).iter_errors(json.loads(json_file.render(given))))
    assert [f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors] == []


@each
def test_no_key_is_missing_from_the_schema(given: Material) -> None:
    raw = json.loads(json_file.render(given))
    assert list(unknown(raw, SCHEMA, "")) == []


def unknown(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Keys that the schema has no word for. A device's proof is another document's (docs/nvfp4-proof.md)."""
    kind = next((one for one in schema.get("anyOf", ()) if one != {"type": "null"}), schema)
    if isinstance(value, dict) and "properties" in kind and not where.endswith("proof"):
        for key, each_ in value.items():
            if key in kind["properties"]:
                yield from unknown(each_, kind["properties"][key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    if isinstance(value, list) and isinstance(kind.get("items"), dict):
        for each_ in value:
            yield from unknown(each_, kind["items"], where)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("verdict", "outcome"), "good"),
        (("verdict", "exit_status"), 4),
        (("setups", 0, "runs", 0, "contended"), "yes"),
        (("setups", 0, "measurements", 0, "over"), "means"),
        (("tables", 0, "rows"), [["a", 1]]),
        (("schema",), "hostproof.report/2"),
    ],
)
def test_what_is_wrong_is_found(path: tuple[str | int, ...], wrong: object) -> None:
    raw = json.loads(json_file.render(build.timed()))
    place = raw
    for step in path[:-1]:
        place = place[step]
    assert path[-1] in place
    place[path[-1]] = wrong
    assert not Draft202012Validator(SCHEMA).is_valid(raw)


def test_contended_runs_are_marked() -> None:
    runs = json.loads(json_file.render(build.timed()))["setups"][0]["runs"]
    assert [run["number"] for run in runs if run["contended"]] == [3]
    assert runs[2]["why"].startswith("others took 4.20 of 16 cores")
