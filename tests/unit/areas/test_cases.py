"""Every area, case by case: facts of a host and wishes in, knobs, refusals, notes and placements out.

A case is a file `<area>/<case>.json` with `why` it is there; `host` (a recording's name, or what `synthetic.Machine` is
told), `wishes`, and what must come out: `knobs` (kind, key, wanted), `refusals` and `notes` (a part of each sentence,
in order), `placements` (the fields that matter). What is not named must be empty, placements aside.
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hostproof.play import recordings
from hostproof.shared.areas import every
from hostproof.shared.areas.base import Derived
from hostproof.shared.facts import gather
from hostproof.shared.facts.model import Facts
from tests.unit.facts.synthetic import Machine, build

HERE = Path(__file__).parent
RECORDED = HERE.parent / "facts/recorded"
AREAS = {area.AREA: area for area in every.AREAS}
KEYS = {"why", "host", "wishes", "knobs", "refusals", "notes", "placements"}
CASES = sorted(HERE.glob("*/*.json"))


@functools.cache
def facts_of(host: str) -> Facts:
    told = json.loads(host)
    if isinstance(told, str):
        with recordings.opened(RECORDED / f"{told}.tar.xz") as root:
            return gather.gather(root)
    with tempfile.TemporaryDirectory() as folder:
        return gather.gather(build(Path(folder), Machine(**told)))


def loaded(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def derived(case: dict[str, Any], area: str) -> Derived:
    facts = facts_of(json.dumps(case["host"], sort_keys=True))
    return (
        every.derive(facts, case["wishes"]) if area == "every" else AREAS[area].derive(facts, case["wishes"])
    )


def fits(parts: list[str], sentences: list[str]) -> bool:
    return len(parts) == len(sentences) and all(
        part in text for part, text in zip(parts, sentences, strict=True)
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path) -> None:
    case, area = loaded(path), path.parent.name
    assert set(case) <= KEYS
    assert case["why"]
    got = derived(case, area)
    assert [[knob.kind, knob.key, knob.wanted] for knob in got.knobs] == case.get("knobs", [])
    refusals = [str(finding) for finding in got.refusals]
    notes = [str(finding) for finding in got.findings if finding.severity == "note"]
    assert fits(case.get("refusals", []), refusals), refusals
    assert fits(case.get("notes", []), notes), notes
    if "placements" in case:
        assert len(got.placements) == len(case["placements"])
        for placement, expected in zip(got.placements, case["placements"], strict=True):
            assert {key: getattr(placement, key) for key in expected} == expected


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_knob_has_its_reasons(path: Path) -> None:
    for knob in derived(loaded(path), path.parent.name).knobs:
        assert all((knob.area, knob.why, knob.source, knob.risk, knob.effect)), knob


@pytest.mark.parametrize("area", [*AREAS, "every"])
def test_every_area_has_a_refusal_and_a_no_op(area: str) -> None:
    cases = [loaded(path) for path in CASES if path.parent.name == area]
    assert any(case.get("refusals") for case in cases), "no refusal"
    assert area == "every" or any(not case.get("knobs") and not case.get("refusals") for case in cases), (
        "no no-op"
    )


def test_a_wanted_zero_is_a_value() -> None:
    """0 is what numa_balancing and zone_reclaim_mode want: it must not be taken for nothing."""
    zeros = [knob for path in CASES for knob in loaded(path).get("knobs", []) if knob[2] == "0"]
    assert {"kernel.numa_balancing", "vm.zone_reclaim_mode", "vm.swappiness"} <= {knob[1] for knob in zeros}
