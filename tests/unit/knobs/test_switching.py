"""Settings switched to and fro: the journal stays true, and the host comes back to what was found, whatever ends it."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostproof.shared import drifting, engine, journal, journal_file, putting_back, switching, undoing
from hostproof.shared.host import Host
from hostproof.shared.knob import Knob, KnobError
from hostproof.shared.switching import Comparison, Note
from tests.unit.knobs import fake_host
from tests.unit.knobs.fake_host import (
    CPUFREQ,
    NODE,
    POOL_2M,
    THP,
    FakeHost,
    KilledError,
    everything,
    make,
    put,
    value,
)
from tests.unit.knobs.wanted import (
    BALANCING,
    DIRTY,
    ENABLED,
    EPP,
    GOVERNOR,
    IOMMU,
    NODE_0,
    NODE_1,
    SWAPPINESS,
    SYSTEM_MEMLOCK,
    knob,
)

LIVE = (SWAPPINESS, BALANCING, ENABLED, NODE_0, NODE_1, EPP, GOVERNOR)
SWAP = "/proc/sys/vm/swappiness"
GOVERNORS = f"{CPUFREQ}/policy0/scaling_governor"
PREFERENCE = f"{CPUFREQ}/policy0/energy_performance_preference"


def begin(host: Host, knobs: tuple[Knob, ...] = LIVE) -> Note:
    found = switching.look(host, knobs)
    note = Note("ab-1", host.boot_id(), found.places)
    switching.begin(host, note)
    return note


def end(host: Host) -> None:
    note = switching.read_note(host)
    assert note is not None
    switching.restore(host, note)
    switching.forget(host)


def kernel(host: FakeHost) -> dict[str, str]:
    return {path: value(host, path) for path in fake_host.VALUES if host.exists(path)}


def why(comparison: Comparison, name: str) -> str:
    return next(left.why for left in comparison.left if left.name == name)


def test_a_is_what_stood_first_and_b_what_is_wanted_also_on_a_tuned_host(tmp_path: Path) -> None:
    host = make(tmp_path)
    engine.apply(host, LIVE, "provision-1")
    note = begin(host)
    switching.switch(host, note, "a")
    assert (value(host, SWAP), value(host, GOVERNORS), value(host, PREFERENCE)) == (
        "60",
        "powersave",
        "balance_performance",
    )
    assert value(host, THP) == "always [madvise] never" and value(host, f"{NODE}/node0/{POOL_2M}") == "0"
    switching.switch(host, note, "b")
    assert (value(host, SWAP), value(host, GOVERNORS), value(host, PREFERENCE)) == (
        "10",
        "performance",
        "performance",
    )
    assert value(host, THP) == "[always] madvise never" and value(host, f"{NODE}/node0/{POOL_2M}") == "512"


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("arms", ["a", "b", "ab", "bab", "abba"])
def test_afterwards_the_host_and_what_the_journal_knows_are_as_before(
    tmp_path: Path, arms: str, tuned: bool
) -> None:
    host = make(tmp_path)
    if tuned:
        engine.apply(host, LIVE, "provision-1")
    before, known = everything(host), standing(host)
    note = begin(host)
    for arm in arms:
        readings = switching.switch(host, note, arm)  # type: ignore[arg-type]
        assert all(reading.as_wanted for reading in readings)
    end(host)
    assert {k: v for k, v in everything(host).items() if not k.startswith("/run")} == before
    assert standing(host) == known


def standing(host: Host) -> dict[str, tuple[str, str]]:
    """Subject → what stood there first and what was asked of it last."""
    entries = journal.ledger(journal_file.read(host).records)
    return {
        str(s): (str(e.first.seen if e.first and s.sort != "file" else ""), e.asked)
        for s, e in entries.items()
    }


def test_nothing_that_is_persisted_is_touched(tmp_path: Path) -> None:
    host = make(tmp_path)
    engine.apply(host, LIVE, "provision-1")
    files = {path: host.read(path) for path in fake_host.ours(host)}
    note = begin(host)
    switching.switch(host, note, "a")
    assert {path: host.read(path) for path in fake_host.ours(host)} == files
    fake_host.reboot(host)
    assert value(host, SWAP) == "10"
    assert switching.read_note(host) is None, "what an earlier boot found is not put back into this one"


def test_a_provision_after_it_has_nothing_to_do_and_an_undo_takes_everything_back(tmp_path: Path) -> None:
    host = make(tmp_path)
    start = everything(host)
    engine.apply(host, LIVE, "provision-1")
    note = begin(host)
    for arm in ("a", "b", "a"):
        switching.switch(host, note, arm)  # type: ignore[arg-type]
    end(host)
    assert not engine.check(host, LIVE).changed
    rows, _ = drifting.drift(host, LIVE)
    assert {row.state for row in rows} == {"ok"}
    undoing.undo(host, "undo-1")
    assert {k: v for k, v in everything(host).items() if not k.startswith("/run")} == start


@pytest.fixture
def memory() -> Iterator[Path]:
    """Where syncing costs nothing."""
    place = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hostproof-test-", dir=place) as folder:
        yield Path(folder)


@pytest.mark.parametrize("tuned", [False, True])
def test_killed_at_any_deed_the_next_one_puts_everything_back(memory: Path, tuned: bool) -> None:
    def life(host: FakeHost) -> None:
        note = begin(host)
        for arm in ("b", "a", "b"):
            switching.switch(host, note, arm)  # type: ignore[arg-type]
        end(host)

    total = len(prepared(memory / "count", tuned, life).deeds)
    # Not every one: the deeds of a write repeat, and 7 shares no factor with how many they are.
    for number in range(1, total + 1, 7):
        root = memory / f"n{number}"
        host = prepared(root, tuned, lambda _: None)
        before = kernel(host)
        dying = FakeHost(root)
        dying.watch = killer(number)
        with pytest.raises(KilledError):
            life(dying)
        after = FakeHost(root)
        putting_back.put_back(after)
        assert kernel(after) == before, f"killed at deed {number}: {dying.deeds[-1]}"
        assert switching.read_note(after) is None
        undoing.undo(after, "undo-1")
        assert value(after, SWAP) == "60" and not fake_host.ours(after), f"killed at deed {number}"


def prepared(root: Path, tuned: bool, then: Callable[[FakeHost], None]) -> FakeHost:
    root.mkdir(parents=True)
    host = make(root)
    if tuned:
        engine.apply(host, (SWAPPINESS, ENABLED, NODE_0), "provision-1")
    fresh = FakeHost(root)
    then(fresh)
    return fresh


def killer(number: int) -> Callable[[int, str], None]:
    def watch(deed: int, moment: str) -> None:
        if deed == number and moment == "before":
            raise KilledError

    return watch


def test_knobs_that_cannot_be_switched_are_named_with_why(tmp_path: Path) -> None:
    host = make(tmp_path)
    same = knob("sysctl", "vm.zone_reclaim_mode", "0")
    absent = knob("sysctl", "vm.no_such_thing", "1")
    found = switching.look(host, (IOMMU, SYSTEM_MEMLOCK, same, absent, DIRTY, SWAPPINESS))
    assert [place.path for place in found.places] == [SWAP]
    assert why(found, IOMMU.name) == "acts only after a reboot"
    assert why(found, SYSTEM_MEMLOCK.name) == "acts only after a restart of the services that are to have it"
    assert why(found, same.name) == "0 is what stood there first: there is nothing to compare"
    assert why(found, absent.name).startswith("unsupported")
    assert why(found, DIRTY.name) == "the kernel changes /proc/sys/vm/dirty_ratio along with it"


def test_what_somebody_else_changed_is_left_alone_with_all_of_its_group(tmp_path: Path) -> None:
    host = make(tmp_path)
    engine.apply(host, LIVE, "provision-1")
    put(host, GOVERNORS, "ondemand\n")
    put(host, SWAP, "33\n")
    found = switching.look(host, LIVE)
    assert why(found, SWAPPINESS.name) == f"somebody else changed it to 33: {SWAP}"
    assert why(found, EPP.name) == "coupled with a value that somebody else changed"
    assert {place.key for place in found.places}.isdisjoint({SWAPPINESS.key, EPP.key, GOVERNOR.key})


def test_a_pool_that_falls_short_is_in_the_readings_and_comes_back_as_it_was(tmp_path: Path) -> None:
    host = make(tmp_path)
    path = f"{NODE}/node0/{POOL_2M}"
    host.pages_free[path] = 100
    engine.apply(host, (NODE_0,), "provision-1")
    note = begin(host, (NODE_0,))
    assert note.places[0].found == "100" and note.places[0].asked == "512"
    switching.switch(host, note, "a")
    (reading,) = switching.switch(host, note, "b")
    assert (reading.wanted, reading.got, reading.as_wanted) == ("512", "100", False)
    end(host)
    assert not engine.check(host, (NODE_0,)).changed, "a short pool is known to be short, as before"


def test_a_value_that_the_kernel_refuses_ends_the_comparison_and_everything_can_be_put_back(
    tmp_path: Path,
) -> None:
    host = make(tmp_path)
    note = begin(host, (SWAPPINESS, BALANCING))
    host.refuses["/proc/sys/kernel/numa_balancing"] = 22
    with pytest.raises(KnobError, match="EINVAL"):
        switching.switch(host, note, "b")
    host.refuses.clear()
    end(host)
    assert value(host, SWAP) == "60" and standing(host) == {}


def test_a_value_that_does_not_come_back_keeps_the_note(tmp_path: Path) -> None:
    host = make(tmp_path)
    note = begin(host, (NODE_0,))
    engine_pages = f"{NODE}/node0/{POOL_2M}"
    switching.switch(host, note, "b")
    grown = dataclasses.replace(note, places=(dataclasses.replace(note.places[0], found="9000"),))
    switching.begin(host, grown)
    host.pages_free[engine_pages] = 600
    with pytest.raises(KnobError, match="1 of 1 settings are not as they were found"):
        putting_back.put_back(host)
    assert switching.read_note(host) is not None


def test_in_a_container_nothing_is_switched(tmp_path: Path) -> None:
    host = make(tmp_path)
    put(host, "/run/systemd/container", "podman\n")
    found = switching.look(host, LIVE)
    assert found.places == () and len(found.left) == len(LIVE)


def test_a_note_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    host = make(tmp_path)
    put(host, switching.PATH, "{}")
    with pytest.raises(KnobError, match="cannot be read"):
        switching.read_note(host)


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["numa"], {SWAPPINESS, BALANCING}),
        (["vm.swappiness"], {SWAPPINESS}),
        (["sysctl:vm.swappiness", "hugepages"], {SWAPPINESS, ENABLED, NODE_0, NODE_1}),
        (["governor"], {dataclasses.replace(GOVERNOR, reason="governor")}),
        (["service_pages"], set()),
    ],
)
def test_words_choose_areas_families_and_keys(words: list[str], chosen: set[Knob]) -> None:
    knobs = [dataclasses.replace(k, reason="governor") if k is GOVERNOR else k for k in LIVE]
    assert set(switching.choose(knobs, words, ["service_pages"])) == chosen


def test_a_word_that_names_nothing_here_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        KnobError, match=r"no knob of this host is called 'boost'.*numa.*service_pages.*vm\.swappiness"
    ):
        switching.choose([SWAPPINESS], ["boost"], ["service_pages"])
