from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.facts.synthetic import Machine, build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The seed's host, made up."""
    return build(tmp_path / "host", Machine())
