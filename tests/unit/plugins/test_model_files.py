from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from hostproof.shared import model_files
from hostproof.shared.model_files import INCOMING, Mark, Model, StoreError

CONTENT = b"weights" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()
MODEL = Model("m", {"a.gguf": SHA, "sub/b.json": SHA}, 2 * len(CONTENT), {})


def put(path: Path, content: bytes = CONTENT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def recorded(root: Path) -> None:
    """As after a run that hashed everything."""
    seen = model_files.look(root, MODEL)
    model_files.write_record(root / "m", {f: one.mark for f, one in seen.items() if one.mark})


def test_each_file_is_good_absent_or_corrupt(tmp_path: Path) -> None:
    put(tmp_path / "m/a.gguf")
    assert [one.kind for one in model_files.look(tmp_path, MODEL).values()] == ["good", "absent"]
    put(tmp_path / "m/sub/b.json", b"rot")
    seen = model_files.look(tmp_path, MODEL)["sub/b.json"]
    assert seen.kind == "corrupt"
    assert seen.mark is not None
    assert seen.mark.sha256 == hashlib.sha256(b"rot").hexdigest()


def test_a_file_that_was_hashed_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "m/a.gguf")
    recorded(tmp_path)
    hashed: list[Path] = []
    real = model_files.sha256_of
    monkeypatch.setattr(model_files, "sha256_of", lambda path: hashed.append(path) or real(path))
    assert model_files.look(tmp_path, MODEL)["a.gguf"].kind == "good"
    assert hashed == []
    assert model_files.look(tmp_path, MODEL, again=True)["a.gguf"].kind == "good"
    assert hashed == [tmp_path / "m/a.gguf"]


def test_a_file_that_changed_since_is_hashed_again(tmp_path: Path) -> None:
    put(tmp_path / "m/a.gguf")
    recorded(tmp_path)
    put(tmp_path / "m/a.gguf", b"Weights" + CONTENT[7:])  # the same size
    os.utime(tmp_path / "m/a.gguf", ns=(1, 1))
    assert model_files.look(tmp_path, MODEL)["a.gguf"].kind == "corrupt"


def test_rot_below_the_file_system_is_found_when_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "m/a.gguf")
    recorded(tmp_path)
    before = (tmp_path / "m/a.gguf").stat()
    put(tmp_path / "m/a.gguf", b"Weights" + CONTENT[7:])
    os.utime(tmp_path / "m/a.gguf", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert model_files.look(tmp_path, MODEL)["a.gguf"].kind == "good"
    assert model_files.look(tmp_path, MODEL, again=True)["a.gguf"].kind == "corrupt"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "other/1"}', '{"schema": "hostproof.verified/1", "files": {"a": 1}}']
)
def test_a_damaged_record_counts_as_none(tmp_path: Path, text: str) -> None:
    put(tmp_path / "m" / model_files.RECORD, text.encode())
    assert model_files.read_record(tmp_path / "m") == {}


def test_an_unchanged_record_is_not_written_again(tmp_path: Path) -> None:
    marks = {"a": Mark("x", 1, 2)}
    tmp_path.mkdir(exist_ok=True)
    model_files.write_record(tmp_path, marks)
    before = (tmp_path / model_files.RECORD).stat().st_ino
    model_files.write_record(tmp_path, dict(marks))
    assert (tmp_path / model_files.RECORD).stat().st_ino == before


def test_a_pushed_file_is_taken_in(tmp_path: Path) -> None:
    put(tmp_path / INCOMING / "m/sub/b.json")
    mark = model_files.adopt(tmp_path, MODEL, "sub/b.json")
    target = tmp_path / "m/sub/b.json"
    assert mark == Mark(SHA, len(CONTENT), target.stat().st_mtime_ns)
    assert target.stat().st_mode & 0o777 == 0o644
    assert not (tmp_path / INCOMING / "m/sub/b.json").exists()


def test_a_wrong_pushed_file_is_refused_with_both_hashes_and_removed(tmp_path: Path) -> None:
    put(tmp_path / INCOMING / "m/a.gguf", b"wrong")
    with pytest.raises(StoreError) as refused:
        model_files.adopt(tmp_path, MODEL, "a.gguf")
    assert SHA in str(refused.value)
    assert hashlib.sha256(b"wrong").hexdigest() in str(refused.value)
    assert not (tmp_path / INCOMING / "m/a.gguf").exists()
    assert not (tmp_path / "m/a.gguf").exists()


def test_a_file_that_did_not_arrive_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"a\.gguf did not arrive"):
        model_files.adopt(tmp_path, MODEL, "a.gguf")


def test_what_has_come_already_needs_no_space(tmp_path: Path) -> None:
    free = model_files.shutil.disk_usage(tmp_path).free
    huge = Model("m", MODEL.files, free * 2, {})
    with pytest.raises(StoreError, match="GB more"):
        model_files.check_space(tmp_path / "not/yet", huge)
    put(tmp_path / "m/a.gguf")
    model_files.check_space(tmp_path, Model("m", MODEL.files, len(CONTENT), {}))
    assert model_files.bytes_there(tmp_path, MODEL) == len(CONTENT)


def test_the_folder_for_pushes_is_closed_to_others_and_goes_when_it_is_empty(tmp_path: Path) -> None:
    model_files.prepare_incoming(tmp_path, MODEL, os.geteuid())
    for folder in (INCOMING, f"{INCOMING}/m", f"{INCOMING}/m/sub"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700
    (tmp_path / INCOMING / "other").mkdir()
    model_files.tidy(tmp_path, MODEL)
    assert not (tmp_path / INCOMING / "m").exists()
    assert (tmp_path / INCOMING / "other").exists()


def test_only_folders_that_the_store_filled_are_its_own(tmp_path: Path) -> None:
    put(tmp_path / "m/a.gguf")
    put(tmp_path / "foreign/a.gguf")
    recorded(tmp_path)
    assert list(model_files.stored(tmp_path)) == [tmp_path / "m"]
    assert list(model_files.stored(tmp_path / "nowhere")) == []
