"""What a host handed over, kept on the controller."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from plugins.action.run_file import keep


def test_only_its_owner_reads_file_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "run" / "drift" / "epyc01.json"
    keep(path, {"schema": "hostproof.drift/1", "rows": [{"key": "vm.swappiness"}]})
    assert json.loads(path.read_text(encoding="utf-8"))["rows"] == [{"key": "vm.swappiness"}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_second_run_into_the_same_folder_replaces_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "epyc01.json"
    keep(path, {"rows": ["x" * 1000]})
    keep(path, {"rows": []})
    assert json.loads(path.read_text(encoding="utf-8")) == {"rows": []}
    assert [found.name for found in tmp_path.iterdir()] == ["epyc01.json"]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "drift").write_text("in the way", encoding="utf-8")
    with pytest.raises(OSError, match="drift"):
        keep(tmp_path / "drift" / "epyc01.json", {})
