"""Killed at any deed, by whatever: undo still restores everything, live and persisted, byte for byte."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostproof.shared import engine, undoing
from hostproof.shared.journal_file import PATH
from hostproof.shared.knob import Knob
from tests.unit.knobs import fake_host, wanted
from tests.unit.knobs.fake_host import FakeHost, KilledError, everything, make

COUPLED = (wanted.DIRTY, wanted.NODE_0, wanted.EPP, wanted.GOVERNOR, wanted.IOMMU)
"""Every sort of deed: pairs, pools, groups, files whose folders are missing, a program that runs afterwards."""

Deed = Callable[[FakeHost], object]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of small files are made and removed here."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base, prefix="hostproof-test-") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing by a disk that lags behind; that the waits are there is another test."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def apply(knobs: Sequence[Knob] = COUPLED) -> Deed:
    return lambda host: engine.apply(host, knobs, "run-apply")


def undo(host: FakeHost) -> object:
    return undoing.undo(host, "run-undo")


def killed(host: FakeHost, deed: Deed, number: int) -> bool:
    """Does it and dies after that many deeds, which is also just before the next; whether it came that far."""

    def watch(now: int, when: str) -> None:
        if (now, when) == ((number, "after") if number else (1, "before")):
            raise KilledError

    host.watch = watch
    try:
        deed(host)
    except KilledError:
        return True
    return False


def deeds_of(root: Path, *deeds: Deed) -> int:
    """How many deeds the last of these takes."""
    host = small(root)
    for deed in deeds[:-1]:
        deed(host)
    before = len(host.deeds)
    deeds[-1](host)
    return len(host.deeds) - before


def small(root: Path) -> FakeHost:
    """One CPU and only what COUPLED needs, so that there are few deeds and few files."""
    return make(
        root,
        (
            "policy1",
            "policy2",
            "node1",
            "swap",
            "zone",
            "numa_b",
            "ipv4",
            "transp",
            "nvidia",
            "systemd",
            "magic",
        ),
    )


def fresh(folder: Path) -> Path:
    """The same place, empty again: thousands of files would be slow to clear away later."""
    root = folder / "host"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    return root


def differing(host: FakeHost, start: dict[str, tuple[object, ...]]) -> dict[str, object]:
    now = everything(host)
    return {k: (start.get(k), now.get(k)) for k in start.keys() | now.keys() if start.get(k) != now.get(k)}


def test_apply_killed_at_every_deed_is_undone(memory: Path) -> None:
    total = deeds_of(memory / "count", apply())
    assert total > 60, "every write, wait for the disk and command is a deed of its own"
    for number in range(total + 1):
        root = fresh(memory)
        host = small(root)
        start = everything(host)
        assert killed(host, apply(), number)
        again = FakeHost(root)
        undo(again)
        assert differing(again, start) == {}, f"killed after deed {number}: {host.deeds[-1]}"


def test_apply_killed_at_every_deed_goes_on_and_then_comes_back(memory: Path) -> None:
    total = deeds_of(memory / "count", apply())
    whole = small(memory / "whole")
    apply()(whole)
    good = everything(whole)
    for number in range(1, total + 1):
        root = fresh(memory)
        host = small(root)
        start = everything(host)
        assert killed(host, apply(), number)
        again = FakeHost(root)
        engine.apply(again, COUPLED, "run-again")
        assert differing(again, good) == {}, f"killed after deed {number}: {host.deeds[-1]}"
        assert not engine.apply(again, COUPLED, "run-third").changed
        undo(again)
        assert differing(again, start) == {}, f"killed after deed {number}: {host.deeds[-1]}"


def test_undo_killed_at_every_deed_is_finished_by_the_next(memory: Path) -> None:
    total = deeds_of(memory / "count", apply(), undo)
    for number in range(total + 1):
        root = fresh(memory)
        host = small(root)
        start = everything(host)
        apply()(host)
        assert killed(FakeHost(root), undo, number)
        again = FakeHost(root)
        undo(again)
        assert differing(again, start) == {}, f"undo killed after deed {number}"
        assert not undoing.undo(again, "run-more").changed


def test_apply_killed_at_every_deed_then_another_boot_then_undone(memory: Path) -> None:
    total = deeds_of(memory / "count", apply())
    for number in range(1, total + 1, 2):
        root = fresh(memory)
        host = small(root)
        boot = {k: v for k, v in everything(host).items() if not k.endswith(("boot_id", "/cmdline"))}
        killed(host, apply(), number)
        fake_host.reboot(FakeHost(root))
        again = FakeHost(root)
        undo(again)
        left = {k: v for k, v in differing(again, boot).items() if not k.endswith(("boot_id", "/cmdline"))}
        assert left == {}, f"killed after deed {number}: {host.deeds[-1]}"


def test_undo_killed_at_every_deed_is_finished_after_a_boot(memory: Path) -> None:
    """The boot applies what is still in a drop-in, also where the live value was back already."""
    total = deeds_of(memory / "count", apply(), undo)
    for number in range(total + 1):
        root = fresh(memory)
        host = small(root)
        boot = {k: v for k, v in everything(host).items() if not k.endswith(("boot_id", "/cmdline"))}
        apply()(host)
        assert killed(FakeHost(root), undo, number)
        fake_host.reboot(FakeHost(root))
        again = FakeHost(root)
        undo(again)
        left = {k: v for k, v in differing(again, boot).items() if not k.endswith(("boot_id", "/cmdline"))}
        assert left == {}, f"killed after deed {number}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.sampled_from(wanted.EVERYTHING), unique=True, min_size=1),
    deaths=st.lists(
        st.tuples(
            st.sampled_from(("apply", "undo")),
            st.integers(0, 220),
            st.integers(0, 400),
        ),
        max_size=4,
    ),
    boot=st.booleans(),
)
def test_any_row_of_deaths_and_torn_lines_is_undone(
    memory: Path,
    chosen: list[Knob],
    deaths: list[tuple[str, int, int]],
    boot: bool,
) -> None:
    root = fresh(memory / "deaths")
    host = make(root)
    start = everything(host)
    for which, number, cut in deaths:
        dying = FakeHost(root)
        died = killed(dying, apply(chosen) if which == "apply" else undo, number)
        # Dead before its first deed, it has appended nothing: the last line is an earlier run's, and on the disk for good.
        if died and number and dying.deeds[-1] == f"append {PATH}":
            tear(host, cut)
    if boot:
        fake_host.reboot(host)
    undo(FakeHost(root))
    ignored = ("boot_id", "/cmdline") if boot else ("\0",)
    assert {k: v for k, v in differing(host, start).items() if not k.endswith(ignored)} == {}


def tear(host: FakeHost, cut: int) -> None:
    """The last line reached the disk in part."""
    content = host.at(PATH).read_bytes()
    last = len(content) - (content[:-1].rfind(b"\n") + 1)
    host.at(PATH).write_bytes(content[: len(content) - min(cut, last)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.sampled_from(wanted.EVERYTHING), unique=True),
    wished=st.sets(st.sampled_from(wanted.EVERYTHING)),
)
def test_apply_twice_is_unchanged_and_a_part_of_it_too(
    memory: Path, chosen: list[Knob], wished: set[Knob]
) -> None:
    host = make(fresh(memory / "twice"))
    engine.apply(host, chosen, "run-1")
    after, deeds = everything(host), len(host.deeds)
    some = [knob for knob in chosen if knob in wished]
    for knobs in (chosen, some):
        assert not engine.check(host, knobs).changed
        assert not engine.apply(host, knobs, "run-2").changed
    assert (everything(host), len(host.deeds)) == (after, deeds), "nothing was written at all"
