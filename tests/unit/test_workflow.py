"""The public workflow runs every stage of `./inv test`, with pinned actions and no more rights than reading."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostproof.play import testing
from lab import image

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
USES = re.compile(r"^\s*(?:- )?uses:\s*(.*)$", re.MULTILINE)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
STAGES = re.compile(r"\./inv test\b.*--stage ([\w,]+)")


def workflow(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


CI = workflow(ROOT / ".github" / "workflows" / "ci.yml")


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def stages(job: dict[str, Any]) -> list[str]:
    return [
        name for command in commands(job) for found in STAGES.findall(command) for name in found.split(",")
    ]


def test_there_is_a_workflow() -> None:
    assert [path.name for path in FILES] == ["ci.yml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_with_its_version(path: Path) -> None:
    used = USES.findall(path.read_text(encoding="utf-8"))
    assert used
    assert [words for words in used if not PINNED.fullmatch(words)] == []


def test_one_action_has_one_pin() -> None:
    pins = {words for path in FILES for words in USES.findall(path.read_text(encoding="utf-8"))}
    assert len({words.partition("@")[0] for words in pins}) == len(pins)


def test_every_stage_is_run_and_no_other() -> None:
    run = [name for job in CI["jobs"].values() for name in stages(job)]
    assert sorted(run) == sorted(testing.NAMES)


def test_nothing_is_run_that_a_desk_does_not_have() -> None:
    assert {command.split()[0] for job in CI["jobs"].values() for command in commands(job)} == {"./inv"}


def test_unit_tests_run_on_every_python_of_the_project() -> None:
    matrix = next(job["strategy"]["matrix"] for job in CI["jobs"].values() if "unit" in stages(job))
    assert matrix["python"] == ["3.11", "3.12", "3.13"], "quoted: 3.10 would become 3.1"


def test_molecule_runs_on_both_distributions() -> None:
    job = next(job for job in CI["jobs"].values() if "molecule" in stages(job))
    assert job["strategy"]["matrix"]["base"] == ["ubuntu-24.04", "debian-13"]
    assert set(job["strategy"]["matrix"]["base"]) <= set(image.BASES)
    assert job["env"][image.BASE_VARIABLE] == "${{ matrix.base }}"


def test_it_may_only_read() -> None:
    assert CI["permissions"] == {"contents": "read"}
    for job in CI["jobs"].values():
        assert "permissions" not in job
        checkout = next(step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@"))
        assert checkout["with"]["persist-credentials"] is False


def test_every_job_has_a_time_limit_and_a_fixed_runner() -> None:
    for job in CI["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 60
        assert job["runs-on"] == "ubuntu-24.04"
    assert CI["concurrency"]["group"].startswith("ci-")


def test_no_outside_text_gets_into_a_shell() -> None:
    assert [command for job in CI["jobs"].values() for command in commands(job) if "${{" in command] == []
