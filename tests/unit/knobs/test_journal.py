"""Each promise of the journal (docs/journal.md), one test or more."""

from __future__ import annotations

import errno
import json
import stat
import threading
from collections import Counter
from pathlib import Path

import pytest

from hostproof.shared import drifting, engine, journal, journal_file, undoing
from hostproof.shared.journal_file import FOLDER, LOCK, PATH
from hostproof.shared.knob import KnobError
from tests.unit.knobs import fake_host, wanted
from tests.unit.knobs.fake_host import BOOTS, FakeHost, everything, make, put, value

SWAPPINESS = "/proc/sys/vm/swappiness"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return make(tmp_path)


def lines(host: FakeHost) -> list[dict[str, object]]:
    return [json.loads(line) for line in host.read(PATH).splitlines()]


# One writer


def test_a_second_run_says_who_holds_the_journal_since_when_and_stops(host: FakeHost, tmp_path: Path) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-0")
    before = everything(host)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with journal_file.opened(FakeHost(tmp_path), "run-1"):
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(10)
    try:
        with pytest.raises(KnobError, match=r"run run-1, process \d+, since 2026-11-25T00:00:\d\d"):
            engine.apply(host, [wanted.BALANCING], "run-2")
        with pytest.raises(KnobError, match="run-1"):
            undoing.undo(host, "run-2")
        assert everything(host) == before
    finally:
        leave.set()
        holder.join()
    assert engine.apply(host, [wanted.BALANCING], "run-3").changed


def test_plan_and_drift_take_no_lock_and_leave_no_trace(host: FakeHost) -> None:
    before = everything(host)
    engine.check(host, wanted.EVERYTHING)
    drifting.drift(host, wanted.EVERYTHING)
    undoing.check(host)
    assert everything(host) == before
    assert not host.exists("/var")
    assert host.deeds == [] and host.commands == []


# Records


def test_a_record_has_schema_number_boot_run_time_and_sum(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    found = lines(host)
    assert [line["seq"] for line in found] == list(range(1, len(found) + 1))
    assert {line["schema"] for line in found} == {"hostproof.journal/1"}
    assert {line["boot"] for line in found} == {BOOTS[0]}
    assert {line["run"] for line in found} == {"run-1"}
    assert all(str(line["time"]).endswith("Z") and len(str(line["sum"])) == 16 for line in found)
    assert Counter(str(line["step"]) for line in found) == {"first": 3, "intent": 3, "done": 3}


def test_first_holds_the_value_and_of_a_file_its_bytes_mode_owner_or_absence(host: FakeHost) -> None:
    put(host, "/etc/sysctl.d/99-hostproof.conf", "# by hand\n")
    host.at("/etc/sysctl.d/99-hostproof.conf").chmod(0o640)
    engine.apply(host, [wanted.SWAPPINESS, wanted.ENABLED], "run-1", force=True)
    firsts = {line["place"]: line["value"] for line in lines(host) if line["step"] == "first"}
    about = host.at("/etc/sysctl.d/99-hostproof.conf").stat()
    assert firsts[SWAPPINESS] == {"text": "60"}
    assert firsts["/etc/sysctl.d/99-hostproof.conf"] == {
        "text": "# by hand\n",
        "mode": "0640",
        "uid": about.st_uid,
        "gid": about.st_gid,
    }
    assert firsts["/etc/tmpfiles.d/hostproof.conf"] == {"absent": True, "made_folders": ["/etc/tmpfiles.d"]}


def test_the_journal_is_for_root_alone_also_when_it_was_opened_up(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    assert stat.S_IMODE(host.at(PATH).stat().st_mode) == 0o600
    assert stat.S_IMODE(host.at(LOCK).stat().st_mode) == 0o600
    assert stat.S_IMODE(host.at(FOLDER).stat().st_mode) == 0o711
    host.at(PATH).chmod(0o644)
    engine.apply(host, [wanted.BALANCING], "run-2")
    assert stat.S_IMODE(host.at(PATH).stat().st_mode) == 0o600


def test_file_folder_and_every_intent_are_on_the_disk_before_the_write_that_they_announce(
    host: FakeHost,
) -> None:
    engine.apply(host, wanted.EVERYTHING, "run-1")
    deeds = host.deeds
    writes = [n for n, deed in enumerate(deeds) if deed.split()[0] in ("set", "rename", "run")]
    assert (
        deeds.index(f"create {PATH}")
        < deeds.index(f"fsync {FOLDER}", deeds.index(f"create {PATH}"))
        < writes[0]
    )
    for n, deed in enumerate(deeds):
        if deed == f"append {PATH}":
            assert deeds[n + 1] == f"fsync {PATH}", "no record is left to the disk's leisure"
    steps = [line["step"] for line in lines(host)]
    assert steps.index("intent") > max(n for n, step in enumerate(steps) if step == "first")


def test_every_live_write_has_its_own_intent_before_it(host: FakeHost) -> None:
    announced: list[str] = []

    def watch(number: int, moment: str) -> None:
        what, _, target = host.deeds[number - 1].partition(" ")
        if what == "set" and moment == "before" and not target.endswith("compact_memory"):
            last = [line for line in lines(host) if line["place"] == target][-1]
            assert last["step"] == "intent", target
            announced.append(target)

    host.watch = watch
    engine.apply(host, wanted.EVERYTHING, "run-1")
    assert len(announced) == 14


def test_an_intent_without_done_is_closed_by_the_next_run_with_what_it_observes(
    host: FakeHost, tmp_path: Path
) -> None:
    def die(number: int, moment: str) -> None:
        if host.deeds[number - 1] == f"set {SWAPPINESS}" and moment == "after":
            raise fake_host.KilledError

    host.watch = die
    with pytest.raises(fake_host.KilledError):
        engine.apply(host, [wanted.SWAPPINESS], "run-1")
    put(host, SWAPPINESS, "33\n")
    again = FakeHost(tmp_path)
    report = engine.apply(again, [wanted.SWAPPINESS], "run-2")
    closing = next(line for line in lines(again) if line["step"] == "done" and line["place"] == SWAPPINESS)
    assert (closing["run"], closing["value"]) == ("run-2", {"text": "33"})
    assert value(again, SWAPPINESS) == "10"
    assert "cut off" in engine.check(host, []).notes[0] if report.notes else True


def test_a_journal_that_cannot_be_written_stops_the_run_before_the_next_deed(
    host: FakeHost, tmp_path: Path
) -> None:
    def full(number: int, moment: str) -> None:
        if moment == "before" and host.deeds.count(f"append {PATH}") == 9:
            raise OSError(errno.ENOSPC, "No space left on device")

    before = everything(host)
    host.watch = full
    with pytest.raises(KnobError, match=r"the journal cannot be written \(No space left on device\)"):
        engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING, wanted.ENABLED], "run-1")
    assert not [deed for deed in host.deeds if deed.startswith(("set", "rename"))]
    again = FakeHost(tmp_path)
    engine.apply(again, [wanted.SWAPPINESS], "run-2")
    undoing.undo(again, "run-3")
    assert everything(host) == before


def test_a_folder_that_cannot_be_made_is_a_sentence(host: FakeHost) -> None:
    def read_only(number: int, moment: str) -> None:
        if moment == "before" and host.deeds[-1].startswith("mkdir"):
            raise OSError(errno.EROFS, "Read-only file system")

    host.watch = read_only
    with pytest.raises(KnobError, match=r"the journal cannot be written \(Read-only file system\)"):
        engine.apply(host, [wanted.SWAPPINESS], "run-1")
    put(host, "/var/lib", "no folder")
    with pytest.raises(KnobError, match=r"the journal cannot be read: Not a directory.*Look what lies there"):
        engine.check(host, [wanted.SWAPPINESS])


# first


def test_first_is_kept_over_a_second_provision_another_value_and_a_reboot(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    engine.apply(host, [wanted.knob("sysctl", "vm.swappiness", "20")], "run-2")
    fake_host.reboot(host)
    assert value(host, SWAPPINESS) == "20"
    engine.apply(host, [wanted.knob("sysctl", "vm.swappiness", "30")], "run-3")
    firsts = [line for line in lines(host) if line["step"] == "first" and line["place"] == SWAPPINESS]
    assert [line["value"] for line in firsts] == [{"text": "60"}]
    undoing.undo(host, "run-4")
    assert value(host, SWAPPINESS) == "60"


def test_a_new_life_has_a_new_first(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    undoing.undo(host, "run-2")
    put(host, SWAPPINESS, "45\n")
    engine.apply(host, [wanted.SWAPPINESS], "run-3")
    undoing.undo(host, "run-4")
    assert value(host, SWAPPINESS) == "45"


# Damage


def test_a_torn_last_line_is_dropped_and_said(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    count = len(lines(host))
    with host.at(PATH).open("ab") as file:
        file.write(b'{"schema": "hostproof.jour')
    report = engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING], "run-2")
    assert report.notes == (f"line {count + 1}, the last one, was cut off by a crash and is left out",)
    assert [line["seq"] for line in lines(host)] == list(range(1, len(lines(host)) + 1))


def test_a_last_line_whose_text_never_reached_the_disk_is_torn_too(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    with host.at(PATH).open("ab") as file:
        file.write(b"\0" * 80 + b"\n")
    assert journal_file.read(host).torn and not journal_file.read(host).damages


def damage(host: FakeHost, number: int, old: bytes, new: bytes) -> None:
    content = host.at(PATH).read_bytes().splitlines(keepends=True)
    assert old in content[number - 1]
    content[number - 1] = content[number - 1].replace(old, new)
    host.at(PATH).write_bytes(b"".join(content))


@pytest.mark.parametrize(
    ("number", "old", "new", "says"),
    [
        (1, b'"60"', b'"61"', "line 1: its check sum is wrong"),
        (2, b"{", b"", "line 2: it is no record"),
        (3, b"journal/1", b"journal/2", "line 3: its schema is 'hostproof.journal/2'"),
    ],
)
def test_damage_stops_apply_and_undo_with_what_can_be_restored(
    host: FakeHost, number: int, old: bytes, new: bytes, says: str
) -> None:
    engine.apply(host, [wanted.SWAPPINESS, wanted.ENABLED], "run-1")
    damage(host, number, old, new)
    before = everything(host)
    for deed in (
        lambda: engine.apply(host, [wanted.BALANCING], "run-2"),
        lambda: undoing.undo(host, "run-2"),
        lambda: engine.check(host, [wanted.BALANCING]),
    ):
        with pytest.raises(KnobError) as caught:
            deed()
        assert says in str(caught.value)
        assert "5 of its entries can still be restored" in str(caught.value)
        assert "--salvage" in str(caught.value)
    assert everything(host) == before


def test_a_line_that_was_taken_out_is_damage(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    content = host.at(PATH).read_bytes().splitlines(keepends=True)
    host.at(PATH).write_bytes(b"".join(content[:3] + content[4:]))
    assert [str(d) for d in journal_file.read(host).damages] == ["line 4: record 4 should stand here, not 5"]


def test_salvage_restores_what_is_sound_names_the_rest_and_keeps_the_damaged_journal(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS, wanted.ENABLED], "run-1")
    damage(host, 1, b'"60"', b'"61"')
    broken = host.at(PATH).read_bytes()
    report = undoing.undo(host, "run-2", salvage=True)
    assert value(host, fake_host.THP) == "always [madvise] never"
    assert value(host, SWAPPINESS) == "10", "nothing is guessed"
    assert f"cannot be restored, since what stood there first is lost: live {SWAPPINESS}" in report.notes
    aside = [name for name in host.listing(FOLDER) if "damaged" in name]
    assert [host.at(f"{FOLDER}/{name}").read_bytes() for name in aside] == [broken]
    assert stat.S_IMODE(host.at(f"{FOLDER}/{aside[0]}").stat().st_mode) == 0o600
    assert fake_host.ours(host) == []
    assert not journal_file.read(host).damages
    assert undoing.undo(host, "run-3").outcomes == ()


def test_salvage_killed_at_every_deed_loses_nothing(tmp_path: Path) -> None:
    def damaged(root: Path) -> FakeHost:
        made = make(root)
        engine.apply(made, [wanted.SWAPPINESS, wanted.ENABLED], "run-1")
        damage(made, 1, b'"60"', b'"61"')
        return FakeHost(root)

    count = damaged(tmp_path / "count")
    undoing.undo(count, "run-2", salvage=True)
    for last in range(1, len(count.deeds)):
        host = damaged(tmp_path / str(last))

        def die(number: int, moment: str, last: int = last) -> None:
            if (number, moment) == (last, "after"):
                raise fake_host.KilledError

        host.watch = die
        with pytest.raises(fake_host.KilledError):
            undoing.undo(host, "run-2", salvage=True)
        again = FakeHost(tmp_path / str(last))
        undoing.undo(again, "run-3", salvage=True)
        assert value(again, fake_host.THP) == "always [madvise] never", last
        assert fake_host.ours(again) == [], last


# Foreign values


def test_a_foreign_value_is_left_and_said_and_force_overrides(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING], "run-1")
    put(host, SWAPPINESS, "33\n")
    states = {o.knob.key: (o.state, o.detail) for o in undoing.undo(host, "run-2").outcomes}
    assert states["vm.swappiness"][0] == "foreign"
    assert "from 10 to 33" in states["vm.swappiness"][1] and SWAPPINESS in states["vm.swappiness"][1]
    assert states["kernel.numa_balancing"][0] == "changed"
    assert value(host, SWAPPINESS) == "33"
    undoing.undo(host, "run-3", force=True)
    assert value(host, SWAPPINESS) == "60"
    assert undoing.undo(host, "run-4").outcomes == ()


def test_drift_shows_a_foreign_value_and_who_owns_the_file_that_won(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING], "run-1")
    put(host, SWAPPINESS, "33\n")
    put(host, "/etc/sysctl.d/99-other.conf", "kernel/numa_balancing=1\n")
    rows = {row.key: row for row in drifting.drift(host, [wanted.SWAPPINESS, wanted.BALANCING])[0]}
    assert (rows["vm.swappiness"].state, rows["vm.swappiness"].live) == ("foreign", "33")
    other = rows["kernel.numa_balancing"]
    assert (other.state, other.persisted, other.owner) == ("foreign", "1", "/etc/sysctl.d/99-other.conf")
    assert "is read after /etc/sysctl.d/99-hostproof.conf" in other.detail


# Another boot


def test_after_a_reboot_undo_restores_what_is_persisted_and_the_live_value_where_it_is_ours(
    host: FakeHost,
) -> None:
    engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING], "run-1")
    fake_host.reboot(host)
    put(host, "/proc/sys/kernel/numa_balancing", "1\n")
    report = undoing.undo(host, "run-2")
    assert {o.knob.key: o.state for o in report.outcomes} == {
        "vm.swappiness": "changed",
        "kernel.numa_balancing": "changed",
    }
    assert value(host, SWAPPINESS) == "60"
    assert value(host, "/proc/sys/kernel/numa_balancing") == "1", "not ours: the value of that boot is gone"
    assert fake_host.ours(host) == []


def test_what_only_a_reboot_takes_back_says_so(host: FakeHost) -> None:
    engine.apply(host, [wanted.IOMMU], "run-1")
    fake_host.reboot(host)
    assert engine.check(host, [wanted.IOMMU]).outcomes[0].state == "ok"
    (outcome,) = undoing.undo(host, "run-2").outcomes
    assert (outcome.state, outcome.detail) == ("needs-reboot", "this boot still has pt")
    assert "iommu" not in host.read("/boot/grub/grub.cfg")


# Coupled groups


def test_a_group_is_applied_in_its_order_and_restored_in_reverse(host: FakeHost) -> None:
    engine.apply(host, [wanted.EPP, wanted.GOVERNOR], "run-1")
    cut = len(host.deeds)
    undoing.undo(host, "run-2")
    there = [deed.rpartition("/")[2] for deed in host.deeds[:cut] if deed.startswith("set")]
    back = [deed.rpartition("/")[2] for deed in host.deeds[cut:] if deed.startswith("set")]
    assert there == ["energy_performance_preference"] * 4 + ["scaling_governor"] * 4
    assert back == list(reversed(there))


def test_where_one_of_a_group_is_refused_the_group_goes_back(host: FakeHost) -> None:
    before = {k: v for k, v in everything(host).items() if k.startswith("/sys")}
    host.refuses[f"{fake_host.CPUFREQ}/policy2/scaling_governor"] = 16
    report = engine.apply(host, [wanted.EPP, wanted.GOVERNOR, wanted.SWAPPINESS], "run-1")
    states = {o.knob.key.rpartition("/")[2]: o for o in report.outcomes}
    assert states["scaling_governor"].state == "refused"
    assert states["scaling_governor"].detail == (
        f"EBUSY (Device or resource busy): {fake_host.CPUFREQ}/policy2/scaling_governor"
    )
    assert states["energy_performance_preference"].state == "refused"
    assert "coupled with" in states["energy_performance_preference"].detail
    assert states["vm.swappiness"].state == "changed"
    assert {k: v for k, v in everything(host).items() if k.startswith("/sys")} == before
    assert not host.exists("/etc/tmpfiles.d/hostproof.conf"), "what was refused is not persisted"


def test_a_group_with_a_foreign_member_is_left_whole(host: FakeHost) -> None:
    engine.apply(host, [wanted.EPP, wanted.GOVERNOR], "run-1")
    put(host, f"{fake_host.CPUFREQ}/policy0/scaling_governor", "schedutil\n")
    undoing.undo(host, "run-2")
    assert value(host, f"{fake_host.CPUFREQ}/policy1/energy_performance_preference") == "performance"
    undoing.undo(host, "run-3", force=True)
    assert value(host, f"{fake_host.CPUFREQ}/policy0/scaling_governor") == "powersave"
    assert value(host, f"{fake_host.CPUFREQ}/policy1/energy_performance_preference") == "balance_performance"


def test_only_one_of_a_coupled_pair_can_be_written_back(host: FakeHost) -> None:
    engine.apply(host, [wanted.DIRTY], "run-1")
    assert (value(host, "/proc/sys/vm/dirty_bytes"), value(host, "/proc/sys/vm/dirty_ratio")) == (
        "536870912",
        "0",
    )
    (outcome,) = undoing.undo(host, "run-2").outcomes
    assert outcome.state == "changed"
    assert (value(host, "/proc/sys/vm/dirty_bytes"), value(host, "/proc/sys/vm/dirty_ratio")) == ("0", "20")


def test_a_pool_that_shrinks_goes_before_one_that_grows(host: FakeHost) -> None:
    engine.apply(host, [wanted.NODE_0], "run-1")
    cut = len(host.deeds)
    pools = [wanted.NODE_1, wanted.knob("pool", "node0/2048kB", "0", "hugepages")]
    engine.apply(host, pools, "run-2")
    assert [deed.split("/")[5] for deed in host.deeds[cut:] if deed.startswith("set")] == ["node0", "node1"]
    cut = len(host.deeds)
    engine.apply(host, [wanted.NODE_0], "run-3")
    put(host, f"{fake_host.NODE}/node0/{fake_host.POOL_2M}", "512\n")


# Drop-in files


def test_a_drop_in_edited_by_hand_is_foreign_shown_as_a_diff_and_never_overwritten(host: FakeHost) -> None:
    path = "/etc/sysctl.d/99-hostproof.conf"
    engine.apply(host, [wanted.SWAPPINESS], "run-1")
    edited = host.read(path) + "vm.swappiness = 15\n"
    put(host, path, edited)
    report = engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING], "run-2")
    assert {o.state for o in report.outcomes} == {"foreign"}
    assert host.read(path) == edited
    assert value(host, "/proc/sys/kernel/numa_balancing") == "0", "live values are not held up by it"
    shown = [diff for diff in report.diffs if path in diff["before_header"]]
    assert "vm.swappiness = 15" in shown[0]["before"] and "foreign" in shown[0]["before_header"]
    outcomes = undoing.undo(host, "run-3").outcomes
    assert {o.state for o in outcomes} == {"foreign"} and host.read(path) == edited
    undoing.undo(host, "run-4", force=True)
    assert not host.exists(path)


def test_a_file_of_our_name_that_was_there_before_is_kept_and_given_back(host: FakeHost) -> None:
    path = "/etc/sysctl.d/99-hostproof.conf"
    put(host, path, "# somebody's\n")
    before = everything(host)
    assert engine.apply(host, [wanted.SWAPPINESS], "run-1").outcomes[0].state == "foreign"
    assert host.read(path) == "# somebody's\n"
    engine.apply(host, [wanted.SWAPPINESS], "run-2", force=True)
    assert "vm.swappiness = 10" in host.read(path)
    undoing.undo(host, "run-3")
    assert everything(host) == before


def test_a_masked_drop_in_stays_masked(host: FakeHost) -> None:
    path = "/etc/sysctl.d/99-hostproof.conf"
    host.at(path).symlink_to("/dev/null")
    assert engine.apply(host, [wanted.SWAPPINESS], "run-1").outcomes[0].state == "foreign"
    assert str(host.at(path).readlink()) == "/dev/null"
    engine.apply(host, [wanted.SWAPPINESS], "run-2", force=True)
    undoing.undo(host, "run-3")
    assert str(host.at(path).readlink()) == "/dev/null"


# Families and orphans


def test_only_one_family_is_undone_and_the_others_keep_their_lines(host: FakeHost) -> None:
    thp, swappiness = wanted.ENABLED, wanted.SWAPPINESS
    shared = wanted.knob("sysctl", "vm.zone_reclaim_mode", "1", "hugepages")
    before = everything(host)
    engine.apply(host, [swappiness, shared, thp], "run-1")
    outcomes = undoing.undo(host, "run-2", only=["hugepages"]).outcomes
    assert {o.knob.area for o in outcomes} == {"hugepages"}
    assert value(host, SWAPPINESS) == "10" and value(host, "/proc/sys/vm/zone_reclaim_mode") == "0"
    kept = [line for line in host.read("/etc/sysctl.d/99-hostproof.conf").splitlines() if line[0] != "#"]
    assert kept == ["vm.swappiness = 10"]
    assert not host.exists("/etc/tmpfiles.d/hostproof.conf")
    with pytest.raises(KnobError, match=r"unknown family 'hugepage'.*Known: cpu_power, gpu_power, hugepages"):
        undoing.undo(host, "run-3", only=["hugepage"])
    undoing.undo(host, "run-4")
    assert everything(host) == before


def test_what_left_the_inventory_keeps_its_line_is_an_orphan_and_is_undone(host: FakeHost) -> None:
    engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING], "run-1")
    report = engine.apply(host, [wanted.SWAPPINESS], "run-2")
    assert not report.changed and report.orphans == ("sysctl:kernel.numa_balancing",)
    row = drifting.drift(host, [wanted.SWAPPINESS])[0][1]
    assert (row.state, row.live, row.wanted, row.first["persisted"]) == ("orphan", "0", "", "(absent)")
    undoing.undo(host, "run-3")
    assert value(host, "/proc/sys/kernel/numa_balancing") == "2"


def test_the_ledger_never_replaces_a_first() -> None:
    subject = journal.Subject("live", SWAPPINESS)
    about = journal.About("numa", "sysctl", "vm.swappiness")
    records = [
        journal.Record("first", subject, about, {"text": text}, seq=n) for n, text in enumerate(("60", "10"))
    ]
    first = journal.ledger(records)[subject].first
    assert first is not None and first.seen.text == "60"
