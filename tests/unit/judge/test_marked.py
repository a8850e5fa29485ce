"""Every key and value of a YAML file knows its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.judge import marked

TEXT = """\
name: seed
cells:
  - name: decode
    cache: cold
  - name: prefix
    cache: tepid
"""


@pytest.fixture
def document(tmp_path: Path) -> marked.Entry:
    path = tmp_path / "w.yml"
    path.write_text(TEXT)
    return marked.read(path)


def test_plain_data_is_what_yaml_says(document: marked.Entry) -> None:
    cells = [{"name": "decode", "cache": "cold"}, {"name": "prefix", "cache": "tepid"}]
    assert marked.plain(document) == {"name": "seed", "cells": cells}


@pytest.mark.parametrize(
    ("path", "line"),
    [("", 1), ("name", 1), ("cells[0].cache", 4), ("cells[1].cache", 6), ("cells[1].checkpoints", 5)],
)
def test_a_path_is_found_or_what_is_nearest_around_it(document: marked.Entry, path: str, line: int) -> None:
    assert marked.find(document, path).line == line


def test_a_key_that_is_there_twice_deep_down(tmp_path: Path) -> None:
    path = tmp_path / "w.yml"
    path.write_text(TEXT.replace("cache: tepid", "name: again"))
    with pytest.raises(
        HostproofError, match=r"the key 'name' is there twice \(.*w\.yml:6, key cells\[1\]\.name"
    ):
        marked.plain(marked.read(path))


def test_data_that_only_a_program_could_read(tmp_path: Path) -> None:
    path = tmp_path / "w.yml"
    path.write_text("a: 1\nb: !!python/name:os.system x\n")
    with pytest.raises(HostproofError, match=r"is no plain data: .*w\.yml:2"):
        marked.plain(marked.read(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostproofError, match="cannot be read: No such file"):
        marked.read(tmp_path / "none.yml")
