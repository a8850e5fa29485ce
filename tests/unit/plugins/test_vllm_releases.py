"""Releases side by side: which is whole, which serves, which may go."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hostproof.shared import vllm_releases
from hostproof.shared.vllm_releases import BusyError, Links, Stamp


def stamp(made: str = "2026-11-25T00:00:00+00:00") -> Stamp:
    return Stamp(version="0.33.0", lock="a" * 64, python="/usr/bin/python3", made=made)


def release(root: Path, name: str, made: str = "2026-11-25T00:00:00+00:00") -> Path:
    folder = vllm_releases.folder(root, name)
    folder.mkdir(parents=True)
    vllm_releases.write_stamp(folder, stamp(made))
    return folder


def test_a_stamp_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert vllm_releases.read_stamp(release(tmp_path, "1")) == stamp()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"schema": "other/1"}', '{"schema": "hostproof.vllm-release/1", "version": "1"}'],
)
def test_a_release_without_a_sound_stamp_is_not_whole(tmp_path: Path, text: str) -> None:
    folder = release(tmp_path, "1")
    (folder / vllm_releases.STAMP).write_text(text, encoding="utf-8")
    assert vllm_releases.read_stamp(folder) is None


def test_what_was_cut_short_is_not_whole(tmp_path: Path) -> None:
    (vllm_releases.folder(tmp_path, "half") / "bin").mkdir(parents=True)
    assert vllm_releases.stamps(tmp_path) == {"half": None}
    assert vllm_releases.read_stamp(tmp_path / "none") is None
    assert vllm_releases.stamps(tmp_path / "none") == {}


def test_switching_keeps_the_one_before() -> None:
    first = vllm_releases.switched(Links("", ""), "1")
    assert first == Links("1", "")
    assert vllm_releases.switched(first, "2") == Links("2", "1")
    assert vllm_releases.switched(Links("2", "1"), "1") == Links("1", "2")


def test_switching_to_what_serves_changes_nothing() -> None:
    assert vllm_releases.switched(Links("2", "1"), "2") == Links("2", "1")


def test_links_are_written_as_they_are_read(tmp_path: Path) -> None:
    release(tmp_path, "1")
    release(tmp_path, "2")
    vllm_releases.write_links(tmp_path, Links("1", ""))
    assert vllm_releases.read_links(tmp_path) == Links("1", "")
    vllm_releases.write_links(tmp_path, Links("2", "1"))
    assert vllm_releases.read_links(tmp_path) == Links("2", "1")
    assert (tmp_path / "current" / vllm_releases.STAMP).is_file()


def test_a_switch_that_was_cut_short_is_made_good(tmp_path: Path) -> None:
    release(tmp_path, "1")
    (tmp_path / ".current.new").symlink_to("releases/0")
    vllm_releases.write_links(tmp_path, Links("1", ""))
    assert vllm_releases.read_links(tmp_path) == Links("1", "")
    assert not (tmp_path / ".current.new").is_symlink()


FOUND = {str(n): stamp(f"2026-11-0{n}T00:00:00+00:00") for n in range(1, 6)}


def test_older_releases_go() -> None:
    assert vllm_releases.to_prune(FOUND, Links("5", "4"), 2) == ["1", "2", "3"]
    assert vllm_releases.to_prune(FOUND, Links("5", "4"), 3) == ["1", "2"]


def test_after_rolling_back_the_links_stay_whatever_their_age() -> None:
    assert vllm_releases.to_prune(FOUND, Links("1", "2"), 2) == ["3", "4", "5"]


@pytest.mark.parametrize("keep", [-1, 0, 1])
def test_never_less_than_two_are_kept(keep: int) -> None:
    assert vllm_releases.to_prune(FOUND, Links("5", "4"), keep) == ["1", "2", "3"]


def test_without_a_previous_one_the_newest_stays_beside_it() -> None:
    assert vllm_releases.to_prune(FOUND, Links("1", ""), 2) == ["2", "3", "4"]


def test_what_is_not_whole_goes() -> None:
    assert vllm_releases.to_prune({**FOUND, "half": None}, Links("5", "4"), 9) == ["half"]


def test_two_installs_are_kept_apart(tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with vllm_releases.alone(tmp_path, 1):
            inside.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(10)
    try:
        with pytest.raises(BusyError, match=r"goes on \(process \d+ since"), vllm_releases.alone(tmp_path, 0):
            pass
    finally:
        leave.set()
        holder.join()
    with vllm_releases.alone(tmp_path, 0):
        pass


def test_a_failed_build_keeps_what_was_downloaded(tmp_path: Path) -> None:
    for name in (vllm_releases.INCOMING, vllm_releases.CACHE):
        (tmp_path / name).mkdir()
    vllm_releases.tidy(tmp_path, keep_cache=True)
    assert [path.name for path in tmp_path.iterdir()] == [vllm_releases.CACHE]
    vllm_releases.tidy(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_pushed_into_is_closed_to_others(tmp_path: Path) -> None:
    incoming = vllm_releases.prepare_incoming(tmp_path / "vllm", tmp_path.stat().st_uid)
    assert incoming.stat().st_mode & 0o777 == 0o700
