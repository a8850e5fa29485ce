"""The role tuning wishes exactly what the areas know, in their words and with their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hostproof.shared.areas import every
from hostproof.shared.areas.servers import FIELDS
from hostproof.shared.knob import AREAS

ROLE = Path(__file__).parents[3] / "roles/tuning"
OWN = {"tuning_state", "tuning_force"}
"""What it is to do, and no wish about the host."""
OPTIONS = {option.name: option for option in every.options()}


def loaded(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


SPECS: dict[str, dict[str, Any]] = loaded("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
DEFAULTS: dict[str, Any] = loaded("defaults/main.yml")


def test_the_role_has_every_wish_and_nothing_else() -> None:
    assert set(SPECS) - OWN == set(OPTIONS)
    assert set(OWN) <= set(every.OF_THE_ROLE), "the areas would refuse them as misspelt"


def test_types_choices_and_words_are_those_of_the_areas() -> None:
    for name, option in OPTIONS.items():
        spec = SPECS[name]
        assert spec["type"] == option.type, name
        assert tuple(spec.get("choices", ())) == option.choices, name
        assert spec["description"].rstrip(".").casefold() == option.help.casefold(), name


def test_defaults_are_those_of_the_areas() -> None:
    for name, option in OPTIONS.items():
        if name != "tuning_servers":
            assert DEFAULTS[name] == option.default, name
    # These come from the servers' own roles.
    assert DEFAULTS["tuning_servers"] == "{{ __tuning_servers }}"


def test_servers_are_declared_in_words_that_the_areas_know() -> None:
    candidates = loaded("vars/main.yml")["__tuning_candidates"]
    assert [one["server"]["name"] for one in candidates] == ["llama_server", "vllm_server"]
    for one in candidates:
        assert set(one["server"]) <= set(FIELDS)


def test_each_area_has_a_task_with_its_tag() -> None:
    tasks = loaded("tasks/main.yml")
    chosen = {task["name"].split()[-1]: task["tags"] for task in tasks if task["name"].startswith("Choose")}
    assert chosen == {area: ["tuning", area] for area in AREAS}
    for task in tasks:
        if task["name"].startswith("Choose"):
            area = task["name"].split()[-1]
            assert f"'{area}'" in task["ansible.builtin.set_fact"]["__tuning_chosen"], area
        else:
            # --skip-tags of one area must not skip the work on the others.
            assert task["tags"] == ["always"], task["name"]
