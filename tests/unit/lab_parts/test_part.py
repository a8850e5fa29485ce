"""How a part gets into the cache: once, whole, and again when it is not."""

import shutil
import threading
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from lab.parts import paths
from lab.parts.part import MANIFEST, Part, check_space, manifest, obtain


class Maker:
    """Writes one file and counts how often it was asked."""

    def __init__(self, text: str = "good") -> None:
        self.text = text
        self.calls = 0

    def __call__(self, work: Path, say: Callable[[str], None]) -> dict[str, str]:
        self.calls += 1
        (work / "file").write_text(self.text)
        return {"version": "1"}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTPROOF_CACHE", str(tmp_path / "cache"))


def part(make: Callable[..., dict[str, str]], recipe: str = "one", **pins: str) -> Part:
    return Part(
        folder=paths.cache() / "thing",
        title="thing",
        takes="a moment",
        needs_bytes=1000,
        recipe=recipe,
        make=make,
        pinned=pins,
    )


def left_behind() -> list[str]:
    return sorted(path.name for path in paths.cache().iterdir() if path.name != ".thing.lock")


def test_a_part_is_made_once() -> None:
    make, said = Maker(), []
    obtain(part(make), say=said.append)
    again = obtain(part(make), say=said.append)
    assert make.calls == 1
    assert again.facts == {"version": "1"}
    assert (paths.cache() / "thing" / "file").read_text() == "good"
    assert "a moment" in said[0]
    assert "there and verified" in said[-1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "file").write_text("bad"),
        lambda folder: (folder / "file").unlink(),
        lambda folder: (folder / MANIFEST).unlink(),
        lambda folder: (folder / MANIFEST).write_text('{"schema": "hostproof.pa'),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / MANIFEST).write_text('{"schema": "hostproof.part/1"}'),
        shutil.rmtree,
    ],
)
def test_a_damaged_part_is_made_anew(damage: Callable[[Path], object]) -> None:
    make = Maker()
    obtain(part(make), say=print)
    damage(paths.cache() / "thing")
    obtain(part(make), say=print)
    assert make.calls == 2
    assert (paths.cache() / "thing" / "file").read_text() == "good"


def test_another_recipe_makes_the_part_anew_without_old_files() -> None:
    obtain(part(Maker()), say=print)
    (paths.cache() / "thing" / "stale").write_text("from an older recipe")
    obtain(part(Maker("newer"), recipe="two"), say=print)
    assert (paths.cache() / "thing" / "file").read_text() == "newer"
    assert not (paths.cache() / "thing" / "stale").exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt, HostproofError("no net", where="here", mend="wait")])
def test_an_interrupted_making_leaves_nothing_and_can_be_repeated(end: BaseException) -> None:
    def breaks(work: Path, say: Callable[[str], None]) -> dict[str, str]:
        (work / "file").write_text("half")
        raise end

    with pytest.raises((KeyboardInterrupt, HostproofError)):
        obtain(part(breaks), say=print)
    assert left_behind() == []
    obtain(part(Maker()), say=print)
    assert left_behind() == ["thing"]


def test_what_a_killed_run_left_is_not_taken_over() -> None:
    torn = paths.cache() / ".thing.partial"
    torn.mkdir(parents=True)
    (torn / "rubbish").write_text("half")
    obtain(part(Maker()), say=print)
    assert not (paths.cache() / "thing" / "rubbish").exists()
    assert left_behind() == ["thing"]


def test_a_file_that_differs_from_its_pin_is_an_error_and_the_old_part_stays() -> None:
    obtain(part(Maker()), say=print)
    with pytest.raises(HostproofError, match="different from what is pinned: file"):
        obtain(part(Maker("other"), recipe="two", file="0" * 64), say=print)
    assert (paths.cache() / "thing" / "file").read_text() == "good"


def test_a_file_without_a_pin_is_an_error_where_pins_are_given() -> None:
    with pytest.raises(HostproofError, match="pinned: absent, file"):
        obtain(part(Maker(), absent="0" * 64), say=print)


def test_out_gets_the_files_and_is_repaired(tmp_path: Path) -> None:
    out, make = tmp_path / "elsewhere" / "model", Maker()
    obtain(part(make), out, print)
    (out / "file").unlink()
    (out / "file").write_text("damaged")
    obtain(part(make), out, print)
    assert [path.name for path in out.iterdir()] == ["file"]
    assert (out / "file").read_text() == "good"
    assert make.calls == 1


def test_out_may_be_on_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("lab.parts.part.os.link", refuses)
    obtain(part(Maker()), tmp_path / "out", print)
    assert (tmp_path / "out" / "file").read_text() == "good"


def test_two_makers_make_it_once() -> None:
    inside, go_on, said = threading.Event(), threading.Event(), []

    def slow(work: Path, say: Callable[[str], None]) -> dict[str, str]:
        inside.set()
        assert go_on.wait(20)
        return Maker()(work, say)

    first = threading.Thread(target=obtain, args=(part(slow),), kwargs={"say": print})
    first.start()
    assert inside.wait(20)
    second = Maker()

    def listen(line: str) -> None:
        said.append(line)
        go_on.set()  # the second has said that it waits

    obtain(part(second), say=listen)
    first.join(20)
    assert second.calls == 0
    assert "waiting for another process" in said[0]


def test_a_small_disk_is_named_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("lab.parts.part.shutil.disk_usage", lambda _: usage(2000, 1001, 999))
    make = Maker()
    with pytest.raises(HostproofError, match="thing") as caught:
        obtain(part(make), say=print)
    assert "HOSTPROOF_CACHE" in caught.value.mend
    assert make.calls == 0
    with pytest.raises(HostproofError, match="thing, thing"):
        check_space([part(make), part(make)])


def test_a_manifest_of_another_recipe_is_not_trusted() -> None:
    obtain(part(Maker()), say=print)
    assert manifest(part(Maker())) is not None
    assert manifest(part(Maker(), recipe="two")) is None
