"""A role's `meta/argument_specs.yml` is its contract: it and `defaults/main.yml` say the same, key by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[3] / "roles").iterdir() if path.is_dir())


def loaded(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def options(role: Path) -> dict[str, dict[str, Any]]:
    return loaded(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def defaults(role: Path) -> dict[str, Any]:
    return loaded(role / "defaults/main.yml")


@pytest.fixture(params=ROLES, ids=lambda role: role.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_are_roles() -> None:
    assert len(ROLES) >= 3


def test_specs_and_defaults_have_the_same_keys(role: Path) -> None:
    wanted = {name for name, option in options(role).items() if not option.get("required")}
    assert wanted == set(defaults(role))


def test_a_default_is_written_down_once(role: Path) -> None:
    """In defaults/main.yml: a second one in the specs would win in no case and be believed in some."""
    assert [name for name, option in options(role).items() if "default" in option] == []


def test_every_option_is_described_and_typed(role: Path) -> None:
    for name, option in options(role).items():
        assert option.get("description"), name
        assert option.get("type"), name
        assert "options" not in option or all(sub.get("type") for sub in option["options"].values()), name


def test_public_variables_carry_the_role_s_name(role: Path) -> None:
    assert [name for name in defaults(role) if not name.startswith(f"{role.name}_")] == []


def test_private_variables_say_so(role: Path) -> None:
    path = role / "vars/main.yml"
    if path.is_file():
        assert [name for name in loaded(path) if not name.startswith(f"__{role.name}_")] == []


def test_secrets_are_kept_out_of_logs(role: Path) -> None:
    named = (name for name in defaults(role) if name.endswith(("_token", "_password", "_api_key")))
    # A boolean only says whether there is one.
    secret = [name for name in named if options(role)[name]["type"] != "bool"]
    assert [name for name in secret if not options(role)[name].get("no_log")] == []


def test_a_role_that_leaves_something_can_take_it_back(role: Path) -> None:
    reads_only = {"preflight", "validation"}
    if role.name not in reads_only:
        assert options(role)[f"{role.name}_state"]["choices"] == ["present", "absent"]
