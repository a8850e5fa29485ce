"""The states of a knob, plans without a trace, and what is reported of a write that went otherwise."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hostproof.shared import drifting, engine, undoing
from hostproof.shared.families import FAMILIES, SYSCTL, TMPFILES
from hostproof.shared.host import CommandError, Host
from hostproof.shared.knob import Knob, KnobError, Outcome
from tests.unit.knobs import fake_host, wanted
from tests.unit.knobs.fake_host import CPUFREQ, NODE, POOL_2M, FakeHost, everything, make, put, value

SWAPPINESS = "/proc/sys/vm/swappiness"
NODE_0 = f"{NODE}/node0/{POOL_2M}"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return make(tmp_path)


def one(host: FakeHost, knob: Knob, **options: object) -> Outcome:
    (outcome,) = engine.apply(host, [knob], "run", **options).outcomes  # type: ignore[arg-type]
    return outcome


def test_plan_says_what_apply_then_does_and_leaves_no_trace(host: FakeHost) -> None:
    before = everything(host)
    planned = engine.check(host, wanted.EVERYTHING)
    assert everything(host) == before
    done = engine.apply(host, wanted.EVERYTHING, "run")
    assert planned.changed and done.changed
    assert planned.diffs == done.diffs
    assert [o.changed for o in planned.outcomes] == [o.changed for o in done.outcomes]
    assert {o.state for o in planned.outcomes} == {"pending", "needs-reboot"}
    assert {o.state for o in done.outcomes} == {"changed", "needs-reboot"}


def test_the_second_run_is_ok_and_writes_nothing_at_all(host: FakeHost) -> None:
    engine.apply(host, wanted.EVERYTHING, "run-1")
    deeds, before = len(host.deeds), everything(host)
    report = engine.apply(host, wanted.EVERYTHING, "run-2")
    assert not report.changed and report.diffs == ()
    assert {o.state for o in report.outcomes} == {"ok", "needs-reboot"}
    assert (len(host.deeds), everything(host)) == (deeds, before)


def test_after_the_boot_everything_is_ok_and_drift_is_empty(host: FakeHost) -> None:
    engine.apply(host, wanted.EVERYTHING, "run-1")
    fake_host.reboot(host)
    put(host, "/sys/module/nvidia/parameters/NVreg_EnableGpuFirmware", "Y\n")
    rows, _ = drifting.drift(host, wanted.EVERYTHING)
    assert {row.key: row.state for row in rows if row.state != "ok"} == {}
    assert not engine.apply(host, wanted.EVERYTHING, "run-2").changed


def test_a_boot_that_did_not_help_is_refused_and_no_second_one_is_asked_for(host: FakeHost) -> None:
    assert one(host, wanted.IOMMU).state == "needs-reboot"
    fake_host.reboot(host)
    put(host, "/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro single\n")
    outcome = engine.check(host, [wanted.IOMMU]).outcomes[0]
    assert (outcome.state, outcome.changed) == ("refused", False)
    assert outcome.detail.endswith("this boot has (absent): which entry did it boot?")
    another = wanted.knob("cmdline", "iommu", "off", "kernel_cmdline")
    assert one(host, another).state == "needs-reboot", "a new wish was not booted yet"


def test_a_wanted_zero_that_is_zero_is_not_written(host: FakeHost) -> None:
    zone = wanted.knob("sysctl", "vm.zone_reclaim_mode", "0")
    put(host, "/etc/sysctl.d/10-zone.conf", "vm.zone_reclaim_mode = 0\n")
    report = engine.apply(host, [zone], "run")
    assert not report.changed and report.outcomes[0].state == "ok" and host.deeds == []


def test_a_value_that_another_file_persists_already_is_left_to_it(host: FakeHost) -> None:
    put(host, "/etc/sysctl.d/10-other.conf", "vm.swappiness = 10\n")
    assert one(host, wanted.SWAPPINESS).state == "changed"
    assert not host.exists("/etc/sysctl.d/99-hostproof.conf")
    undoing.undo(host, "back")
    assert value(host, SWAPPINESS) == "60"


# short


def test_a_short_pool_is_tried_again_after_compaction_and_reported_with_both_numbers(host: FakeHost) -> None:
    host.pages_free[NODE_0] = 9514
    outcome = one(host, wanted.knob("pool", "node0/2048kB", "100000", "hugepages"))
    assert (outcome.state, outcome.detail) == ("short", f"asked 100000, got 9514: {NODE_0}")
    tries = [deed.split()[0] for deed in host.deeds if deed.startswith(("set", "sleep"))]
    assert tries == ["set", "set", "sleep", "set"], (
        "write, compact, wait, write; no more where nothing was gained"
    )


def test_a_pool_that_grows_with_each_try_gets_three(host: FakeHost) -> None:
    host.pages_free[NODE_0] = 100

    def more(number: int, moment: str) -> None:
        if host.deeds[-1].startswith("set /proc/sys/vm/compact_memory") and moment == "after":
            host.pages_free[NODE_0] += 100

    host.watch = more
    outcome = one(host, wanted.knob("pool", "node0/2048kB", "512", "hugepages"))
    assert outcome.detail.startswith("asked 512, got 300")
    assert host.deeds.count(f"set {NODE_0}") == 3


def test_a_pool_known_to_be_short_is_no_change_and_drift_says_short(host: FakeHost) -> None:
    knob = wanted.knob("pool", "node0/2048kB", "100000", "hugepages")
    host.pages_free[NODE_0] = 9514
    one(host, knob)
    assert not engine.check(host, [knob]).changed
    assert not engine.apply(host, [knob], "again").changed
    assert drifting.drift(host, [knob])[0][0].state == "short"
    undoing.undo(host, "back")
    assert value(host, NODE_0) == "0"


# unsupported, refused


def test_what_the_kernel_lacks_is_unsupported_and_not_persisted(host: FakeHost) -> None:
    outcome = one(host, wanted.knob("sysctl", "vm.no_such", "1"))
    assert (outcome.state, outcome.changed) == ("unsupported", False)
    assert outcome.detail == "ENOENT (No such file or directory): /proc/sys/vm/no_such"
    assert host.deeds == [] and not host.exists("/var")


def test_a_glob_without_files_is_unsupported(host: FakeHost) -> None:
    outcome = one(host, wanted.knob("sysfs", "/sys/devices/system/cpu/cpufreq/boost*", "1"))
    assert outcome.state == "unsupported" and "boost*" in outcome.detail


def test_a_node_that_does_not_exist_is_unsupported(host: FakeHost) -> None:
    outcome = one(host, wanted.knob("pool", "node7/2048kB", "1"))
    assert (
        outcome.state == "unsupported"
        and "node7 does not exist; this host has node0, node1" in outcome.detail
    )


def test_a_read_only_proc_sys_is_unsupported_with_the_path_in_plan_and_apply(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "writable", lambda path: not path.startswith("/proc/sys"))
    assert engine.check(host, [wanted.SWAPPINESS]).outcomes[0].state == "unsupported"
    outcome = one(host, wanted.SWAPPINESS)
    assert outcome.state == "unsupported" and f"{SWAPPINESS} cannot be written here" in outcome.detail
    assert value(host, SWAPPINESS) == "60"
    assert outcome.seen["persisted"].text == "10", "the next boot of a real host may well write it"


@pytest.mark.parametrize("mark", ["/run/systemd/container", "/run/.containerenv", "/.dockerenv"])
def test_in_a_container_the_kernel_is_left_alone_however_writable_it_is(host: FakeHost, mark: str) -> None:
    put(host, mark, "")
    before = {k: v for k, v in everything(host).items() if k.startswith(("/proc", "/sys"))}
    report = engine.apply(host, wanted.EVERYTHING, "run")
    assert {o.state for o in report.outcomes if o.knob.kind in ("sysctl", "sysfs", "pool")} == {"unsupported"}
    assert "belongs to the kernel around this container" in report.outcomes[0].detail
    assert {k: v for k, v in everything(host).items() if k.startswith(("/proc", "/sys"))} == before
    assert not [deed for deed in host.deeds if deed.startswith("set")]
    files = [family.path for family in FAMILIES if host.exists(family.path)]
    assert not {SYSCTL.path, TMPFILES.path} & set(files), "the container's own boot would write them"
    with pytest.raises(OSError, match="around this container"):
        Host(host.root).set(SWAPPINESS, "10")
    assert not engine.apply(host, wanted.EVERYTHING, "again").changed
    undoing.undo(host, "back")
    assert fake_host.ours(host) == []


@pytest.mark.parametrize(
    ("number", "name", "state"),
    [
        (errno.EINVAL, "EINVAL", "refused"),
        (errno.EBUSY, "EBUSY", "refused"),
        (errno.EPERM, "EPERM", "refused"),
        (errno.EACCES, "EACCES", "refused"),
        (errno.EROFS, "EROFS", "unsupported"),
        (errno.ENODEV, "ENODEV", "unsupported"),
    ],
)
def test_what_the_kernel_says_is_reported_with_the_path(
    host: FakeHost, number: int, name: str, state: str
) -> None:
    host.refuses[SWAPPINESS] = number
    outcome = one(host, wanted.SWAPPINESS)
    assert (
        outcome.state == state
        and outcome.detail.startswith(f"{name} (")
        and outcome.detail.endswith(SWAPPINESS)
    )


def test_what_was_refused_is_not_persisted_and_the_others_are_set(host: FakeHost) -> None:
    host.refuses[SWAPPINESS] = errno.EINVAL
    report = engine.apply(host, [wanted.SWAPPINESS, wanted.BALANCING], "run")
    assert [o.state for o in report.outcomes] == ["refused", "changed"]
    assert "swappiness" not in host.read("/etc/sysctl.d/99-hostproof.conf")
    undoing.undo(host, "back")
    assert fake_host.ours(host) == []


def test_a_file_that_cannot_be_written_is_refused_with_its_path(host: FakeHost) -> None:
    def full(number: int, moment: str) -> None:
        if moment == "before" and host.deeds[-1].startswith("write /etc/sysctl.d"):
            raise OSError(errno.ENOSPC, "No space left on device")

    host.watch = full
    report = engine.apply(host, [wanted.SWAPPINESS, wanted.ENABLED], "run")
    assert [o.state for o in report.outcomes] == ["refused", "changed"]
    assert report.outcomes[0].detail == "ENOSPC (No space left on device): /etc/sysctl.d/99-hostproof.conf"
    host.watch = lambda number, moment: None
    assert one(host, wanted.SWAPPINESS).state == "changed"


def test_a_program_that_fails_is_refused_and_tried_again_by_the_next_run(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(argv: object, *_: object, **__: object) -> str:
        raise fake_host.CommandError("update-grub ended with 1: no device")

    with monkeypatch.context() as patch:
        patch.setattr(host, "command", broken)
        outcome = one(host, wanted.IOMMU)
    assert (outcome.state, outcome.detail.split(";")[0]) == ("refused", "update-grub ended with 1: no device")
    assert one(host, wanted.IOMMU).state == "needs-reboot"
    assert "iommu=pt" in host.read("/boot/grub/grub.cfg")


def test_a_host_without_grub_is_unsupported_and_gets_no_drop_in(host: FakeHost) -> None:
    host.at("/boot/grub/grub.cfg").unlink()
    outcome = one(host, wanted.IOMMU)
    assert outcome.state == "unsupported" and "/boot/grub/grub.cfg is missing" in outcome.detail
    assert fake_host.ours(host) == [] and host.commands == []


def test_a_menu_that_lost_our_word_is_made_again(host: FakeHost) -> None:
    one(host, wanted.IOMMU)
    menu = host.read("/boot/grub/grub.cfg")
    put(host, "/boot/grub/grub.cfg", menu.replace(" iommu=pt", ""))
    assert engine.check(host, [wanted.IOMMU]).changed
    assert drifting.drift(host, [wanted.IOMMU])[0][0].persisted == "(absent)"
    report = engine.apply(host, [wanted.IOMMU], "again")
    assert report.changed and report.outcomes[0].changed
    assert host.read("/boot/grub/grub.cfg") == menu


def test_a_value_that_the_kernel_rounds_is_told(host: FakeHost) -> None:
    def rounds(number: int, moment: str) -> None:
        if host.deeds[-1] == f"set {SWAPPINESS}" and moment == "after":
            put(host, SWAPPINESS, "8\n")

    host.watch = rounds
    assert one(host, wanted.SWAPPINESS).detail == f"asked 10, got 8: {SWAPPINESS}"


def test_a_made_up_tree_runs_its_own_programs_and_never_the_machine_s(tmp_path: Path) -> None:
    tree = Host(tmp_path)
    with pytest.raises(CommandError, match="update-grub is not installed"):
        tree.run(["update-grub"])
    put(
        tree, "/usr/sbin/update-grub", "#!/bin/sh\necho of the tree; [ $# = 0 ] || { echo no >&2; exit 3; }\n"
    )
    with pytest.raises(CommandError, match="could not be started: Permission denied"):
        tree.run(["update-grub"])
    tree.at("/usr/sbin/update-grub").chmod(0o755)
    assert tree.run(["update-grub"]) == "of the tree\n"
    with pytest.raises(CommandError, match="update-grub ended with 3: no"):
        tree.run(["update-grub", "-x"])


def test_a_limit_says_who_will_have_it(host: FakeHost) -> None:
    assert one(host, wanted.LLAMA_MEMLOCK).detail == "takes effect with a new login of the user"
    assert one(host, wanted.LLAMA_MEMLOCK).detail == ""


# Hotplug


def test_a_policy_that_vanishes_is_no_error_and_comes_back_with_undo(host: FakeHost) -> None:
    engine.apply(host, [wanted.GOVERNOR], "run-1")
    gone = f"{CPUFREQ}/policy10/scaling_governor"
    host.at(gone).unlink()
    assert engine.apply(host, [wanted.GOVERNOR], "run-2").outcomes[0].state == "ok"
    assert drifting.drift(host, [wanted.GOVERNOR])[0][0].state == "ok"
    (outcome,) = undoing.undo(host, "back").outcomes
    assert outcome.state == "unsupported" and gone in outcome.detail
    assert value(host, f"{CPUFREQ}/policy0/scaling_governor") == "powersave"
    put(host, gone, "performance\n")
    assert undoing.undo(host, "back-again").outcomes[0].state == "changed"
    assert value(host, gone) == "powersave"


def test_a_policy_that_appears_is_set_too_and_has_its_own_first(host: FakeHost) -> None:
    engine.apply(host, [wanted.GOVERNOR], "run-1")
    new = f"{CPUFREQ}/policy11/scaling_governor"
    put(host, new, "schedutil\n")
    row = drifting.drift(host, [wanted.GOVERNOR])[0][0]
    assert (row.state, row.live) == ("pending", "performance ×4, schedutil ×1")
    engine.apply(host, [wanted.GOVERNOR], "run-2")
    undoing.undo(host, "back")
    assert (value(host, new), value(host, f"{CPUFREQ}/policy0/scaling_governor")) == (
        "schedutil",
        "powersave",
    )


# Evidence, contradictions


def test_a_setting_that_nobody_uses_is_said_so_with_the_proof(host: FakeHost) -> None:
    one(host, wanted.NODE_0)
    proof = {"pool:node0/2048kB": "llama-server has 2 MB of 790 MB in hugepages"}
    outcome = one(host, wanted.NODE_0, evidence=proof)
    assert (outcome.state, outcome.detail) == ("ignored-by-workload", proof["pool:node0/2048kB"])


def test_a_contradiction_is_found_before_anything_is_written(host: FakeHost) -> None:
    before = everything(host)
    both = wanted.knob("sysfs", f"{CPUFREQ}/policy0/scaling_governor", "powersave")
    with pytest.raises(
        KnobError, match=r"two knobs want different values of one file.*policy0/scaling_governor"
    ):
        engine.apply(host, [wanted.SWAPPINESS, wanted.GOVERNOR, both], "run")
    ratio = wanted.knob("sysctl", "vm.dirty_ratio", "10")
    with pytest.raises(KnobError, match="exclude each other"):
        engine.apply(host, [wanted.DIRTY, ratio], "run")
    assert everything(host) == before and not host.exists("/var")


def test_another_file_that_wins_is_foreign_and_does_not_make_every_run_a_change(host: FakeHost) -> None:
    put(host, "/etc/sysctl.d/99-zz.conf", "vm.swappiness = 33\n")
    outcome = one(host, wanted.SWAPPINESS)
    assert outcome.state == "foreign"
    assert (
        outcome.detail == "/etc/sysctl.d/99-zz.conf is read after /etc/sysctl.d/99-hostproof.conf and sets 33"
    )
    assert not engine.apply(host, [wanted.SWAPPINESS], "again").changed


def test_a_part_of_the_knobs_leaves_the_lines_of_the_others_and_their_order(host: FakeHost) -> None:
    engine.apply(host, [wanted.EPP, wanted.GOVERNOR, wanted.ENABLED], "run-1")
    text = host.read("/etc/tmpfiles.d/hostproof.conf")
    assert not engine.apply(host, [wanted.GOVERNOR], "run-2").changed
    engine.apply(host, [wanted.knob("sysfs", fake_host.THP, "never", "hugepages")], "run-3")
    assert host.read("/etc/tmpfiles.d/hostproof.conf") == text.replace("- always", "- never")
