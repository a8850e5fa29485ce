"""Virtual lab hosts, as far as nothing has to be started for it."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.play import checks
from lab import hosts, packages
from lab.containers import Containers
from lab.kinds import Wish
from lab.machine import Machine
from lab.podman import Root
from lab.records import VM, Record, Store
from lab.vm import accel, console, guest, image, machine, processes, qemu
from lab.vm.accel import Choice
from lab.vm.hosts import Machines

RUN = qemu.Run(
    "hostproof-lab-x-vm01", Path("/l/vm01"), Path("/l/vm01/disk.qcow2"), guest.Shape(), "tcg", port=2222
)


def pairs(argv: list[str], option: str) -> list[str]:
    return [argv[place + 1] for place, word in enumerate(argv) if word == option]


def test_every_node_has_a_cpu_and_its_part_of_the_memory() -> None:
    argv = qemu.argv(RUN)
    assert pairs(argv, "-numa") == [f"node,nodeid={n},cpus={n},memdev=node{n}" for n in range(4)]
    assert pairs(argv, "-object") == [f"memory-backend-ram,id=node{n},size=1024M" for n in range(4)]
    assert pairs(argv, "-m") == ["4096M"]
    assert pairs(argv, "-smp") == ["4,sockets=1,dies=4,cores=1,threads=1"]


def test_one_node_is_none_to_speak_of() -> None:
    argv = qemu.argv(replace(RUN, shape=guest.shape(1)))
    assert pairs(argv, "-numa") == pairs(argv, "-object") == []
    assert pairs(argv, "-smp") == ["2,sockets=1,dies=2,cores=1,threads=1"]


def test_memory_that_nodes_do_not_divide_is_what_they_add_up_to() -> None:
    argv = qemu.argv(replace(RUN, shape=guest.shape(3)))
    assert pairs(argv, "-m") == ["4095M"], "QEMU refuses nodes that are not the whole"


def test_the_way_in_is_on_loopback_and_there_is_none_out() -> None:
    assert pairs(qemu.argv(RUN), "-netdev") == ["user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"]


def test_no_port_is_no_network_and_no_keys() -> None:
    argv = qemu.argv(replace(RUN, port=0))
    assert pairs(argv, "-netdev") == pairs(argv, "-fw_cfg") == []


def test_keys_are_handed_in_by_file_and_never_in_the_process_list() -> None:
    told = pairs(qemu.argv(RUN), "-fw_cfg")
    names = ["hostname", "authorized_keys", "host_key"]
    assert told == [f"name=opt/io.systemd.credentials/hostproof.{n},file=/l/vm01/{n}" for n in names]


def test_a_comma_in_a_path_is_no_end_of_an_option() -> None:
    argv = qemu.argv(replace(RUN, folder=Path("/a,b"), disk=Path("/a,b/disk")))
    assert any("file=/a,,b/disk,format=" in word for word in argv)
    assert any(word.endswith("path=/a,,b/console.log,append=on") for word in argv)


def test_a_probe_keeps_nothing_of_what_it_writes() -> None:
    assert "-snapshot" not in qemu.argv(RUN)
    assert "-snapshot" in qemu.argv(replace(RUN, keep_disk=False))


def test_emulation_has_one_thread_for_all_cpus() -> None:
    assert pairs(qemu.argv(RUN), "-accel") == ["tcg,thread=single"]
    assert pairs(qemu.argv(replace(RUN, accelerator="kvm")), "-accel") == ["kvm"]


@pytest.mark.parametrize("nodes", [0, -1, 17])
def test_nodes_that_cannot_be_made_are_refused(nodes: int) -> None:
    with pytest.raises(HostproofError, match="Give a number from 1 to 16"):
        guest.shape(nodes)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["/usr/bin/qemu-system-x86_64", "-name", "a", "-m", "1"], "a"),
        (["qemu-system-x86_64", "-name"], ""),
        (["qemu-system-x86_64"], ""),
        (["vi", "-name", "a"], ""),
        ([], ""),
    ],
)
def test_a_machine_is_known_by_its_own_words(words: list[str], name: str) -> None:
    assert qemu.machine_name(words) == name


def test_another_recipe_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTPROOF_CACHE", str(tmp_path))
    before = image.path()
    assert before == image.path()
    assert before.parent == tmp_path / "lab-vm"
    for file in guest.FILES.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(guest, "FILES", tmp_path)
    assert image.path() == before, "where the files lie does not count"
    (tmp_path / "grub").write_text("GRUB_TIMEOUT=3\n")
    assert image.path() != before


def test_another_caches_machines_are_other_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTPROOF_CACHE", str(tmp_path / "a"))
    one = image.machine_name("probe")
    monkeypatch.setenv("HOSTPROOF_CACHE", str(tmp_path / "b"))
    assert one != image.machine_name("probe")


def test_the_guest_reaches_no_archive_so_it_has_what_the_roles_install() -> None:
    wanted = {
        "grub2-common",
        "linux-image-cloud-amd64",
        "numactl",
        "openssh-server",
        "podman",
        "python3",
        "sudo",
    }
    assert wanted <= set(guest.packages())


def test_the_partition_begins_where_the_file_system_was_made_and_fills_the_disk() -> None:
    sectors = guest.boot_sectors(b"B" * 512, b"C" * 1000)
    assert sectors[:440] == b"B" * 440
    assert sectors[440:444] == guest.DISK_SIGNATURE
    active, kind, first, length = (sectors[446], sectors[450], *struct.unpack_from("<II", sectors, 454))
    assert (active, kind) == (0x80, 0x83)
    assert f"offset={first * 512}," in guest.MKE2FS[-1]
    assert (first + length) * 512 == guest.DISK_MIB * 1024 * 1024
    assert sectors[510:512] == b"\x55\xaa"
    assert sectors[512:] == b"C" * 1000
    assert guest.mke2fs_argv("/t", "/d")[-1] == f"{length // 2}k"


def test_a_core_that_would_run_into_the_partition_is_refused() -> None:
    with pytest.raises(HostproofError, match="does not fit"):
        guest.boot_sectors(b"B" * 512, b"C" * 2047 * 512 + b"C")


def choose(
    asked: str = "", *, usable: bool = True, remembered: Choice | None = None, up: bool = True
) -> tuple[str, bool, int]:
    """Accelerator, whether it is kept, and how often it was tried."""
    tries: list[int] = []

    def probe() -> bool:
        tries.append(1)
        return up

    choice, fresh = accel.choose(asked, usable=usable, remembered=remembered, probe=probe)
    assert choice.why
    return choice.accelerator, fresh, len(tries)


def test_kvm_counts_when_a_guest_came_up_and_that_is_kept() -> None:
    assert choose(up=True) == ("kvm", True, 1)
    assert choose(up=False) == ("tcg", True, 1)


def test_what_was_found_out_is_not_tried_again() -> None:
    assert choose(remembered=Choice("tcg", "hung")) == ("tcg", False, 0)
    assert choose(remembered=Choice("kvm", "came up"), up=False) == ("kvm", False, 0)


def test_no_device_is_no_kvm_whatever_is_remembered_and_is_not_kept() -> None:
    assert choose(usable=False, remembered=Choice("kvm", "came up")) == ("tcg", False, 0)


@pytest.mark.parametrize("asked", ["kvm", "tcg"])
def test_a_person_may_decide(asked: str) -> None:
    assert choose(asked, usable=False) == (asked, False, 0)


def test_an_unknown_accelerator_is_a_sentence() -> None:
    with pytest.raises(HostproofError) as caught:
        choose("xen")
    assert (
        str(caught.value)
        == "unknown accelerator 'xen' (HOSTPROOF_LAB_ACCEL). Use kvm or tcg, or leave it out."
    )


def test_another_kernel_processor_or_qemu_is_another_machine() -> None:
    keys = {
        accel.machine_key(*words)
        for words in [("a", "b", "c"), ("x", "b", "c"), ("a", "x", "c"), ("a", "b", "x"), ("ab", "", "c")]
    }
    assert len(keys) == 5


def test_a_note_comes_back_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    assert accel.remembered(note) is None
    accel.remember(note, Choice("tcg", "it hung"))
    assert accel.remembered(note) == Choice("tcg", f"it hung ({note})")
    for text in ("", "[]", "{}", '{"accelerator": "xen", "why": ""}', '{"accelerator": "kvm"}'):
        note.write_text(text)
        assert accel.remembered(note) is None, text


def test_the_end_of_a_console_is_readable(tmp_path: Path) -> None:
    said = tmp_path / "console.log"
    assert console.tail(said) == "(its console is empty)"
    said.write_bytes(b"one\r\n\r\n[\x1b[0;32m  OK  \x1b[0m] two\x1b[K\r\n" + b"\x00three\r\n")
    assert console.tail(said) == "one\n[  OK  ] two\nthree"
    said.write_text("\n".join(f"line {number}" for number in range(99)))
    assert console.tail(said).splitlines()[0] == "line 84"


@pytest.mark.parametrize(
    ("last", "runs", "late", "what"),
    [
        ("Starting ssh.service", True, 0, ""),
        ("Starting ssh.service", True, 300, "does not answer on ssh after 300 s"),
        ("Power down.", False, 0, "switched itself off"),
        ("[ 3.4] Kernel panic - not syncing: Fatal exception", True, 0, "has a kernel that panicked"),
    ],
)
def test_why_a_machine_will_not_come_up(last: str, runs: bool, late: float, what: str) -> None:
    assert machine.trouble(last, runs=runs, late=late) == what


def test_a_port_without_a_greeting_is_no_ssh() -> None:
    assert not console.greets(9, 0.5)


def test_only_the_machine_of_that_name_is_ended() -> None:
    """`exec -a` gives a process the first word of a QEMU's; `-name` and the name follow the script's words."""
    mine, other = (f"hostproof-test-{os.getpid()}-{letter}" for letter in "ab")
    script = 'exec -a qemu-system-x86_64 sh -c "read line" -name "$1"'
    started = [
        subprocess.Popen(["bash", "-c", script, "x", name], stdin=subprocess.PIPE) for name in (mine, other)
    ]
    try:
        deadline = time.monotonic() + 10
        while not {mine, other} <= set(processes.running()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert processes.running()[mine] == started[0].pid
        assert processes.end(mine) is True
        assert started[0].wait(10) == -signal.SIGTERM
        assert other in processes.running()
        assert processes.end(mine) is False
    finally:
        for one in started:
            one.kill()
            one.communicate()


def test_a_number_that_is_another_process_by_now_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            monkeypatch.setattr(processes, "running", lambda: {"gone": bystander.pid})
            assert processes.end("gone") is False
            assert bystander.poll() is None
        finally:
            bystander.send_signal(signal.SIGKILL)


MACHINES = Machines(Root(Machine(root=True, cgroups="v2", unified="/c", limits=None)), "0123abcd", print)


def test_hosts_are_found_by_their_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    running = {
        "hostproof-lab-0123abcd-vm01": 1,
        "hostproof-lab-ffffffff-vm02": 2,
        "hostproof-lab-image-0123abcd": 3,
    }
    monkeypatch.setattr(processes, "running", lambda: running)
    assert MACHINES.known() == ["vm01"]
    assert MACHINES.state("vm01") == "running"
    assert MACHINES.state("vm02") == ""


def test_a_virtual_host_has_one_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "ensure", lambda wanted, *, install: None)
    monkeypatch.setenv("HOSTPROOF_LAB_BASE", "ubuntu-24.04")
    assert MACHINES.ready(Wish(VM)).base == guest.BASE, "the variable is for containers"
    with pytest.raises(HostproofError, match="Leave --base out"):
        MACHINES.ready(Wish(VM, "debian-13"))


def test_missing_programs_are_named_with_their_packages() -> None:
    assert packages.missing_packages(packages.VIRTUAL, lambda _: None) == [
        "qemu-system-x86",
        "qemu-utils",
        "e2fsprogs",
        "mmdebstrap",
        "debian-archive-keyring",
        "openssh-client",
    ]
    assert set(checks.VM) <= set(packages.VIRTUAL)


def test_a_host_with_other_nodes_is_not_the_one_that_is_wished(tmp_path: Path) -> None:
    for name in ("disk.qcow2", "key", *qemu.HANDED_IN, "image"):
        (tmp_path / name).touch()
    record = Record("vm01", "c", str(tmp_path / "image"), guest.BASE, "3.13", 2222, str(tmp_path), "", VM, 2)
    with pytest.raises(HostproofError, match="with 2 NUMA nodes, not 4"):
        MACHINES.gone_on_with(record, Wish(VM, nodes=4))


def test_a_host_without_its_disk_or_image_is_made_anew(tmp_path: Path) -> None:
    record = Record("vm01", "c", str(tmp_path / "image"), guest.BASE, "3.13", 2222, str(tmp_path), "", VM, 4)
    assert MACHINES.gone_on_with(record, Wish(VM)) is False


def test_a_name_that_is_another_kind_of_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Containers, "ready", lambda _, wish: wish)
    folder = Store(tmp_path).host("vm01")
    Store(tmp_path).write(Record("vm01", "c", "i", guest.BASE, "3.13", 2222, str(folder), "", VM, 4))
    with pytest.raises(HostproofError) as caught:
        hosts.up("vm01", say=lambda _: None, checkout=tmp_path)
    assert str(caught.value) == (
        f"vm01 is there, a host of the kind vm ({folder}). Run lab.down --name vm01 first, or ask for --kind vm."
    )
