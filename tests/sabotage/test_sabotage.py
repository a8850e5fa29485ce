"""Every sabotage is caught by what the catalogue names, and an honest server by nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sabotage import catalogue, page, world
from tests.sabotage.catalogue import Sabotage

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("sabotage", catalogue.ALL, ids=lambda each: each.name)
def test_it_is_caught_by_what_the_catalogue_names(sabotage: Sabotage, tmp_path: Path) -> None:
    said = sabotage.said(tmp_path)
    assert any(each.startswith(sabotage.caught_by) for each in said), said
    if not sabotage.harmless:
        assert "proven" not in said


def test_an_honest_server_is_proven_and_nothing_is_said_of_it(tmp_path: Path) -> None:
    assert world.said_of(tmp_path, {}) == {"proven"}


def test_names_are_different() -> None:
    names = [each.name for each in catalogue.ALL]
    assert len(names) == len(set(names))


def test_the_page_is_made_from_the_catalogue() -> None:
    assert (ROOT / "docs" / "sabotage.md").read_text(encoding="utf-8") == page.text()
