"""What ansible-doc shows of each module can be read, and names the options that there are."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

MODULES = sorted((Path(__file__).parents[3] / "plugins" / "modules").glob("*.py"))


def texts(file: Path) -> dict[str, str]:
    """DOCUMENTATION, EXAMPLES, RETURN."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_it_is_yaml_and_about_this_module(file: Path) -> None:
    found = texts(file)
    about: dict[str, Any] = yaml.safe_load(found["DOCUMENTATION"])
    assert about["module"] == file.stem
    assert all("description" in option for option in about.get("options", {}).values())
    for name in ("EXAMPLES", "RETURN"):
        yaml.safe_load(found.get(name, ""))
