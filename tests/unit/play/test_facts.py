"""`./inv facts` and `./inv plan --root`: where the facts come from, what is printed, what is refused."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import facts, inventory, passport, plan_root, recordings, wishes
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.facts import Asked
from hostproof.shared.facts import gather, gpu, recording
from hostproof.shared.facts.tree import Tree
from tests.unit.facts.synthetic import Machine, build

RECORDED = Path(__file__).parents[1] / "facts/recorded"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path / "host", Machine())


def page(checkout: Checkout, asked: Asked, *, terminal: bool = False) -> tuple[Ending, str]:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    ended = facts.show(checkout, console, asked)
    assert isinstance(console.file, io.StringIO)
    return ended, console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_the_page_of_a_recorded_host(checkout: Checkout, root: Path, terminal: bool) -> None:
    ended, text = page(checkout, Asked(root=str(root)), terminal=terminal)
    assert ended == Ending(ExitStatus.YES, "")
    for part in (
        "AMD EPYC 9175F 16-Core Processor",
        "1 socket, 16 CCDs, 16 cores, 16 threads",
        "512 MiB in 16 domains",
        "12 of 12 slots, 64 GiB DDR5, 6400 MT/s of 6400",
        "12, at most 614.4 GB/s",
        "2.5 GT/s x16 of 32 GT/s x16 (without load)",
        "BAR1 128 GiB",
        "acpi-cpufreq, governor schedutil",
    ):
        assert part in text


def test_what_is_worth_a_look_is_marked(tmp_path: Path) -> None:
    poor = gather.gather(build(tmp_path / "poor", Machine(nodes=16, dimms=6, mts=4800, tuned="powersave")))
    marked = {line.label for line in passport.lines(poor) if line.worth_a_look}
    assert marked == {"NPS", "DIMMs", "also tunes"}
    good = gather.gather(build(tmp_path / "good", Machine()))
    assert [line for line in passport.lines(good) if line.worth_a_look] == []


def test_a_card_without_resizable_bar_is_marked(root: Path) -> None:
    resource = root / "sys/bus/pci/devices/0000:41:00.0/resource"
    resource.write_text("0x0 0x0 0x0\n0x0000010000000000 0x000001000fffffff 0x0\n", encoding="utf-8")
    (line,) = [one for one in passport.lines(gather.gather(root)) if one.label.startswith("gpu")]
    assert "BAR1 256 MiB, of 128 GiB possible: resizable BAR is not used" in line.text
    assert line.worth_a_look


def test_what_was_not_read_is_on_the_page(checkout: Checkout) -> None:
    _, text = page(checkout, Asked(root=str(RECORDED / "epyc-7451-2s-nps4.tar.xz")))
    assert "4 (8 nodes on 2 sockets)" in text
    assert "CPUs 6-11,54-59, memory unknown" in text
    assert "/proc/cmdline" in text
    assert "more; --json has them all" in text


def test_json_is_alone_on_stdout(checkout: Checkout, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended, drawn = page(checkout, Asked(root=str(root), as_json=True))
    assert (ended, drawn) == (Ending(ExitStatus.YES, ""), "")
    raw = json.loads(capsys.readouterr().out)
    assert (raw["schema"], raw["cpu"]["cores"]) == ("hostproof.facts/1", 16)
    assert raw["numa"]["nodes"][0]["cpus"] == "0-15"


def test_this_machine_without_words(checkout: Checkout) -> None:
    ended, text = page(checkout, Asked())
    assert ended.status is ExitStatus.YES
    assert text.startswith("this machine: ")


def test_an_archive_is_made_and_read_again(checkout: Checkout, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "host.tar.gz"
    ended, first = page(checkout, Asked(root=str(root), record=str(file)))
    assert ended.sentence == f"recorded in {file}."
    _, again = page(checkout, Asked(root=str(file)))
    assert again.partition("\n")[2] == first.partition("\n")[2]


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (Asked(hosts=["a"], root="/x"), "--root reads a recorded tree and --host a host"),
        (Asked(hosts=["a", "b"], record="x.tar"), "one archive holds one host"),
        (Asked(root="/nowhere"), "there is no such folder or archive"),
        (Asked(record="host.zip"), "host.zip is no name of an archive that can be written"),
        (Asked(record="/nowhere/host.tar"), "there is no such folder"),
    ],
)
def test_what_cannot_be_is_refused(checkout: Checkout, asked: Asked, what: str) -> None:
    with pytest.raises(HostproofError, match=what):
        page(checkout, asked)


def test_several_hosts_are_an_object_by_host(root: Path) -> None:
    one = gather.gather(root)
    assert set(json.loads(facts.as_json({"a": one, "b": one}))) == {"a", "b"}


def test_what_a_host_handed_over(tmp_path: Path, root: Path) -> None:
    found, made = recording.record(root)
    path = tmp_path / "h.json"
    tree = Tree(root)
    seen = gpu.look(tree, gpu.asking())
    told = {**gather.gpus_to_json(seen), "unreadable": {"/x": "closed"}, "recording": recording.of(tree)}
    kept = {"facts": gather.to_json(found), "recording": made, "gpu": told}
    path.write_text(json.dumps(kept), encoding="utf-8")
    read = facts.read_kept(path)
    assert read.facts == gather.with_gpus(found, seen, {"/x": "closed"})
    assert read.facts.gpus[0].device_id == "10de:2bb4"
    assert set(read.recording["files"]) == {*made["files"], *told["recording"]["files"]}


def test_a_file_that_is_no_archive_is_one_sentence(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "host.tar").write_text("no archive", encoding="utf-8")
    with pytest.raises(HostproofError, match="the archive cannot be read") as raised:
        page(checkout, Asked(root=str(tmp_path / "host.tar")))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"facts": {"schema": "x"}, "recording": {}}'])
def test_what_a_host_should_not_hand_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "h.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HostproofError, match="cannot be read"):
        facts.read_kept(path)
    with pytest.raises(HostproofError, match="handed over no facts"):
        facts.read_kept(tmp_path / "none.json")


def planned(checkout: Checkout, root: Path | str, names: tuple[str, ...] = ()) -> tuple[Ending, str]:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    ended = plan_root.show(checkout, console, str(root), names)
    assert isinstance(console.file, io.StringIO)
    return ended, console.file.getvalue()


def wishing(monkeypatch: pytest.MonkeyPatch, **wished: Any) -> None:
    """An inventory, and what Ansible makes of its variables (tests/integration/play/test_tuning_wishes.py has that)."""
    found = inventory.Inventory("test", {"h": {}, "i": {}}, {"both": ("h", "i")})
    monkeypatch.setattr(inventory, "read", lambda _: found)
    monkeypatch.setattr(wishes, "resolved", lambda _, host: {"h": wished}[host])


def test_a_plan_without_the_host(checkout: Checkout, root: Path) -> None:
    ended, text = planned(checkout, root)
    assert ended.status is ExitStatus.NO
    assert ended.sentence == "3 changes pending on the recorded host. A reboot is needed."
    for line in (
        "hugepages: sysfs /sys/kernel/mm/transparent_hugepage/enabled: madvise, as wanted",
        "numa: sysctl vm.swappiness: 60 → 10",
        "cpu_power: sysfs /sys/devices/system/cpu/cpufreq/policy*/scaling_governor: schedutil → performance",
        "kernel_cmdline: cmdline iommu: (absent) → pt, from the next boot on",
    ):
        assert line in text
    assert "Risk: a faulty device may write anywhere in memory" in text


def test_a_plan_with_a_host_s_wishes(checkout: Checkout, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave = dict.fromkeys(
        ("tuning_thp", "tuning_zone_reclaim_mode", "tuning_iommu", "tuning_governor"), "leave"
    )
    servers = [{"name": "llama-server", "memory_bytes": 28_400_000_000}]
    wishing(monkeypatch, **leave, tuning_swappiness=60, tuning_servers=servers)
    ended, text = planned(checkout, root, ("h",))
    assert ended == Ending(ExitStatus.YES, "0 changes pending: the recorded host is as wanted.")
    assert (
        "llama-server: 14 threads, CPUs 2-15, load mode none, GLIBC_TUNABLES=glibc.malloc.hugetlb=1." in text
    )


def test_a_plan_that_is_refused(checkout: Checkout, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wishing(monkeypatch, tuning_swapiness=1, tuning_thp="{{ x }}")
    ended, _ = planned(checkout, root, ("h",))
    assert ended.status is ExitStatus.COULD_NOT
    assert "Did you mean tuning_swappiness?" in ended.sentence
    assert "a template that was not resolved" in ended.sentence


def test_a_plan_has_one_host_s_wishes(
    checkout: Checkout, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishing(monkeypatch)
    with pytest.raises(HostproofError, match="a recorded tree is one host"):
        planned(checkout, root, ("both",))


def test_what_a_recording_lacks_is_no_value(checkout: Checkout) -> None:
    ended, text = planned(checkout, RECORDED / "epyc-7451-2s-nps4.tar.xz")
    assert ended.status is ExitStatus.NO
    assert "numa: sysctl kernel.numa_balancing: not recorded → 0" in text
    assert "scaling_governor: performance, as wanted" in text


def test_nothing_of_the_tree_is_touched(checkout: Checkout, root: Path) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = state()
    planned(checkout, root)
    page(checkout, Asked(root=str(root)))
    assert state() == before


def test_archives_are_written_as_their_name_says(root: Path, tmp_path: Path) -> None:
    made = recording.record(root)[1]
    for suffix, mode in ((".tar", "r:"), (".tar.gz", "r:gz"), (".tar.xz", "r:xz"), (".tar.bz2", "r:bz2")):
        recordings.write(made, tmp_path / f"x{suffix}")
        with tarfile.open(tmp_path / f"x{suffix}", mode) as archive:
            assert "proc/cpuinfo" in archive.getnames()
