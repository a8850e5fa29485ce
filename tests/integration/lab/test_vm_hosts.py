"""Virtual lab hosts for real, as few boots as will do: each costs an emulated processor half a minute."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import container, hosts, inventory
from lab.records import VM, Record, Store
from lab.vm import processes

pytestmark = pytest.mark.vm
ROOT = Path(__file__).parents[3]
KILLED = """
import os, signal, sys
from pathlib import Path
from lab import hosts
from lab.vm import machine

machine.wait_for_ssh = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
hosts.up("struck", kind="vm", nodes=1, say=print, checkout=Path(sys.argv[1]))
"""


@dataclass
class Place:
    """A checkout with nothing in it, whose hosts are nobody else's."""

    root: Path
    said: list[str] = field(default_factory=list)

    def up(self, name: str, count: int = 1, nodes: int = 2) -> list[Record]:
        return hosts.up(name, count, kind=VM, nodes=nodes, say=self.said.append, checkout=self.root)

    def states(self) -> dict[str, str]:
        return {row.name: row.state for row in hosts.status(checkout=self.root) if row.kind in (VM, "")}

    def process(self, host: str) -> int:
        return processes.running()[self.machine(host)]

    def machine(self, host: str) -> str:
        return container.Names(host, container.checkout_id(self.root)).container

    def machines(self) -> list[str]:
        stem = self.machine("")
        return [name for name in processes.running() if name.startswith(stem)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "a, checkout")
    made.root.mkdir()
    yield made
    hosts.down(say=print, checkout=made.root)
    assert made.machines() == []
    assert Store(made.root).names() == []


def answer(record: Record, command: str) -> str:
    done = subprocess.run(
        inventory.ssh_argv(record, [command]),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


def test_two_side_by_side_are_two_and_keep_what_they_are(place: Place) -> None:
    first, second = place.up("vm1", 2)
    assert place.states() == {"vm1": "running", "vm2": "running"}
    look = "hostname; cat /etc/machine-id /sys/class/dmi/id/product_name; numactl --hardware | head -n 1; id -un; cat /proc/cmdline"
    one, other = (answer(record, look).splitlines() for record in (first, second))
    assert (one[0], other[0]) == ("vm1", "vm2")
    assert one[1] != other[1], "each has a machine id of its own"
    assert one[3:5] == ["available: 2 nodes (0-1)", "lab"]
    assert one[5].startswith("BOOT_IMAGE=/boot/vmlinuz"), "GRUB started it"
    keys = [Path(record.known_hosts).read_text().split()[2] for record in (first, second)]
    assert keys[0] != keys[1]

    # Switched off and on again: the same host, with its files.
    answer(first, "echo kept | sudo tee /etc/kept")
    subprocess.run(inventory.ssh_argv(first, ["sudo systemctl poweroff"]), check=False, timeout=120)
    assert processes.wait_for_end(place.machine("vm1"), 120)
    assert place.states() == {"vm1": "switched off", "vm2": "running"}
    assert place.up("vm1") == [first]
    assert answer(first, "cat /etc/kept; cat /etc/machine-id").split() == ["kept", one[1]]

    # One goes, the other does not notice.
    process = place.process("vm2")
    assert hosts.down(["vm1"], say=print, checkout=place.root) == ["vm1"]
    assert place.states() == {"vm2": "running"}
    assert place.process("vm2") == process
    assert answer(second, "hostname") == "vm2"
    assert "vm1" not in Path(second.inventory).read_text()


def test_a_killed_up_is_not_forgotten_and_can_be_run_again(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(place.root)],
        cwd=ROOT,
        capture_output=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == -signal.SIGKILL
    assert place.states() == {"struck": "half made (running)"}
    left = place.process("struck")
    record = place.up("struck", nodes=1)[0]
    assert place.process("struck") != left
    assert len(place.machines()) == 1
    assert answer(record, "hostname") == "struck"
