from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hostproof.shared import preflight_look, runlock
from hostproof.shared.preflight_types import Server, Wishes
from hostproof.shared.runlock import Holder, Session
from tests.unit.plugins.fake_proc import BOOT, boot_id, process

CPU = "processor\t: {0}\nmodel name\t: AMD EPYC 9175F\nphysical id\t: 0\ncore id\t\t: {1}\n\n"
TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5555 1\n"
    "   1: 0100007F:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 6666 1\n"
    "   2: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 7777 1\n"
)
WISHES = Wishes(
    servers=(Server("llama_server", "small", 8081, "llama-server.service", installed="/etc/there.json"),),
    catalogue={},
    model_root="/var/models",
    systems={},
    owners=("tuned.service", "tlp.service"),
)
ME = Holder("run-2", "me", "now", BOOT, Session(20, 2))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("etc", "proc/net", "sys/fs/cgroup", "var/models/small"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nVERSION_ID="24.04"\n')
    (tmp_path / "etc/there.json").touch()
    (tmp_path / "proc/cpuinfo").write_text("".join(CPU.format(n, n % 2) for n in range(4)))
    (tmp_path / "proc/meminfo").write_text("MemTotal:       790000000 kB\nMemFree: 1 kB\n")
    (tmp_path / "proc/net/tcp").write_text(TCP)
    process(tmp_path / "proc", 1, 0, "systemd")
    process(tmp_path / "proc", 77, 1, "conmon")
    (tmp_path / "proc/77/fd").mkdir()
    (tmp_path / "proc/77/fd/3").symlink_to("socket:[5555]")
    (tmp_path / "proc/77/fd/4").symlink_to("/dev/null")
    (tmp_path / "proc/77/cgroup").write_text("0::/system.slice/llama-server.service/libpod-payload-1\n")
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "var/models/small/model.gguf").write_bytes(b"x" * 1000)
    boot_id(tmp_path / "proc")
    return tmp_path


def say(command: list[str]) -> str | None:
    return {"timedatectl": "yes\n", "systemctl": "active\ninactive\n", "podman": "podman version 4.9.3\n"}[
        command[0]
    ]


def test_a_host_is_read(root: Path) -> None:
    facts = preflight_look.look(WISHES, ME, root, say)
    assert (facts.system, facts.version, facts.system_title) == ("ubuntu", "24.04", "Ubuntu 24.04")
    assert (facts.init, facts.cgroup2) == ("systemd", True)
    assert (facts.cpu_model, facts.cores, facts.cpus) == ("AMD EPYC 9175F", 2, 4)
    assert facts.memory == 790_000_000 * 1024
    assert facts.active_units == ("tuned.service",)
    assert facts.podman_version == "4.9.3"
    assert facts.clock_synchronised is True
    assert facts.sizes == {"/var/models/small": 1000, "/etc/there.json": 0}
    assert facts.spaces["/var/models"].free > 0
    assert facts.lock_holder == ""


def test_an_unfinished_download_counts_as_far_as_it_got(root: Path) -> None:
    for folder, size in ((".partial", 200), (".incoming", 30)):
        (root / "var/models" / folder / "small").mkdir(parents=True)
        (root / "var/models" / folder / "small/other.gguf").write_bytes(b"x" * size)
    assert preflight_look.look(WISHES, ME, root, say).sizes["/var/models/small"] == 1230


def test_only_listeners_on_the_wanted_ports_are_found_with_their_unit(root: Path) -> None:
    (listener,) = preflight_look.look(WISHES, ME, root, say).listeners
    assert (listener.port, listener.pid, listener.program) == (8081, 77, "conmon")
    assert listener.units == ("llama-server.service",)


def test_an_empty_host_is_read_without_an_error(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    facts = preflight_look.look(WISHES, ME, tmp_path, lambda _: None)
    assert (facts.system, facts.memory, facts.cpus, facts.init) == ("", 0, 0, "")
    assert (facts.active_units, facts.podman_version, facts.clock_synchronised) == ((), "", None)


def test_another_living_run_is_seen(root: Path) -> None:
    lock = root / "run/hostproof/run.lock"
    lock.parent.mkdir(parents=True)
    process(root / "proc", 30, 1, "sshd", started=3)
    lock.write_text(runlock.render(Holder("run-1", "you", "12:00", BOOT, Session(30, 3))))
    assert preflight_look.look(WISHES, ME, root, say).lock_holder == "run run-1 of you, since 12:00"
    lock.write_text(runlock.render(Holder("run-1", "you", "12:00", BOOT, Session(30, 4))))
    assert preflight_look.look(WISHES, ME, root, say).lock_holder == ""
    lock.write_text("nonsense")
    assert preflight_look.look(WISHES, ME, root, say).lock_holder.startswith(
        "unknown, since it is no run lock"
    )


def test_a_real_listener_of_this_machine_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = list(preflight_look.listeners(Path("/proc"), {port}))
    assert [(one.port, one.pid) for one in found] == [(port, os.getpid())]


def test_a_program_that_is_not_there_is_not_an_error() -> None:
    assert preflight_look.run(["no-such-program-here"]) is None
