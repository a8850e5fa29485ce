"""Lab hosts for real: systemd containers, reached over ssh. Each test's hosts belong to a checkout of its own.

Several machines' worth of state is looked at: podman's, the cgroup tree's, the checkout's files.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from lab import boot, container, hosts, inventory
from lab.container import Names
from lab.records import Record, Store

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[3]
SECONDS = 120


@dataclass
class Place:
    """A checkout with nothing in it, whose hosts are nobody else's."""

    root: Path
    said: list[str] = field(default_factory=list)

    def up(self, name: str, count: int = 1, **more: object) -> list[Record]:
        return hosts.up(name, count, say=self.said.append, checkout=self.root, **more)  # type: ignore[arg-type]

    def down(self, *names: str) -> list[str]:
        return hosts.down(names, say=self.said.append, checkout=self.root)

    def states(self) -> dict[str, str]:
        return {row.name: row.state for row in hosts.status(checkout=self.root)}

    @property
    def lab(self) -> hosts.Lab:
        return hosts.open_lab(print, self.root)

    @property
    def inventory(self) -> Path:
        return self.root / "inventory" / "lab.yml"

    def names(self, host: str) -> Names:
        return self.lab.names(host)

    def containers(self) -> list[dict[str, object]]:
        return boot.found(self.lab.root, self.names("x").labels[1:])

    def container_id(self, host: str) -> str:
        return str(boot.found(self.lab.root, self.names(host).labels)[0]["Id"])

    def volumes(self) -> list[dict[str, object]]:
        return boot.found_volumes(self.lab.root, self.names("x").labels[1:])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("a checkout"))
    yield made
    made.down()


@pytest.fixture(scope="module")
def host(place: Place) -> Record:
    """One that the tests share and leave as it is."""
    return place.up("shared")[0]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Place]:
    """A checkout for one test, gone with what it left."""
    made = Place(tmp_path / "alone")
    made.root.mkdir()
    yield made
    made.down()


def ask(record: Record, *command: str) -> subprocess.CompletedProcess[str]:
    argv = inventory.ssh_argv(record, command)
    argv[1:1] = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


def answer(record: Record, *command: str) -> str:
    done = ask(record, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_a_real_host(host: Record) -> None:
    assert answer(host, "cat /proc/1/comm") == "systemd"
    assert answer(host, "systemctl is-system-running") == "running"
    assert answer(host, "hostname") == "shared"
    assert answer(host, "id -un") == "lab"
    assert answer(host, "sudo -n id -un") == "root"
    assert answer(host, "systemctl is-active ssh.service") == "active"
    assert answer(host, "ls /usr/lib/systemd/system-generators/podman-system-generator")


def test_up_again_changes_nothing(place: Place, host: Record) -> None:
    before = place.container_id("shared"), answer(host, "cat /proc/1/stat"), place.inventory.read_text()
    started = time.monotonic()
    assert place.up("shared") == [host]
    assert time.monotonic() - started < 15
    after = place.container_id("shared"), answer(host, "cat /proc/1/stat"), place.inventory.read_text()
    assert after[0] == before[0]
    assert after[1].split()[21] == before[1].split()[21], "systemd started once"
    assert after[2] == before[2]


@pytest.mark.parametrize(("words", "status"), [(["exit 7"], 7), (["true"], 0), (["sh", "-c", "exit 9"], 9)])
def test_ssh_passes_a_commands_status_on(place: Place, host: Record, words: list[str], status: int) -> None:
    assert hosts.ssh(host.name, words, checkout=place.root) == status


def test_several_words_stay_several(host: Record) -> None:
    assert answer(host, "printf", "%s|", "a b", "c'd", "$HOME") == "a b|c'd|$HOME|"


def test_another_hosts_key_is_not_taken(host: Record, tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    shutil.copytree(host.folder, strange)
    known = strange / "known_hosts"
    key = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True, timeout=30
    )
    assert key.returncode == 0
    other = (tmp_path / "other.pub").read_text().split()[:2]
    known.write_text(f"[127.0.0.1]:{host.port} {' '.join(other)}\n")
    done = ask(Record(**{**vars(host), "folder": str(strange)}), "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_ansible_reaches_it_by_the_inventory_alone(place: Place, host: Record) -> None:
    ansible = Path(sys.prefix) / "bin" / "ansible"
    argv = [
        str(ansible),
        "-i",
        str(place.inventory),
        host.name,
        "-b",
        "-m",
        "ansible.builtin.command",
        "-a",
        "id -un",
    ]
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    env["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(place.root / "cp")
    env["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no"
    done = subprocess.run(
        argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "root"


QUADLET = r"""
set -eu
cd /
tar -ch usr/bin/sleep $(ldd usr/bin/sleep | grep -o '/lib[^ ]*' | sed 's|^/||') | podman import -q - localhost/sleeper:1
mkdir -p /etc/containers/systemd
cat >/etc/containers/systemd/sleeper.container <<END
[Container]
Image=localhost/sleeper:1
Exec=/usr/bin/sleep 1000
END
systemctl daemon-reload
systemctl start sleeper.service
systemctl is-active sleeper.service
"""


def test_its_own_podman_runs_a_quadlet(host: Record) -> None:
    """With an image of one program, made there: no registry is needed."""
    done = ask(host, "sudo", "sh", "-c", QUADLET)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "active"
    # ssh still works: the inner podman's network does not shadow the one that the host sits in.
    assert answer(host, "sudo podman ps --format '{{.Image}}'") == "localhost/sleeper:1"


def test_status_shows_where_it_is(place: Place, host: Record) -> None:
    row = next(row for row in hosts.status(checkout=place.root) if row.name == "shared")
    assert (row.state, row.port, row.inventory) == ("running", host.port, str(place.inventory))


def test_ssh_to_a_host_that_is_not_there_names_those_that_are(place: Place, host: Record) -> None:
    with pytest.raises(HostproofError) as caught:
        hosts.ssh("nobody", checkout=place.root)
    assert str(caught.value) == f"no lab host is called 'nobody' (--name). There are: {host.name}."


def test_taking_away_a_host_that_is_not_there_is_refused(place: Place, host: Record) -> None:
    with pytest.raises(HostproofError, match="no lab host is called 'nobody'"):
        place.down("nobody")
    assert hosts.down(["nobody"], if_there=True, say=print, checkout=place.root) == []
    assert place.states()["shared"] == "running"


def test_another_base_for_a_host_that_is_there_is_refused(place: Place, host: Record) -> None:
    other = next(name for name in ("debian-13", "ubuntu-24.04") if name != host.base)
    with pytest.raises(HostproofError) as caught:
        place.up("shared", base=other)
    assert caught.value.what == f"shared is there, made from {host.base}, not from {other}"
    assert caught.value.mend == "Run lab.down --name shared first."


def test_somebody_elses_inventory_file_is_refused_before_anything_is_made(alone: Place) -> None:
    file = alone.root / "mine.yml"
    file.write_text("all: {hosts: {web01: }}\n")
    with pytest.raises(HostproofError, match="was not written by the lab"):
        alone.up("aaa", inventory_file=file)
    assert file.read_text() == "all: {hosts: {web01: }}\n"
    assert (alone.containers(), alone.volumes(), alone.states()) == ([], [], {})


@pytest.mark.parametrize(("name", "count"), [("Web01", 1), ("lab", 1), ("aaa", 0)])
def test_a_name_or_count_that_is_none_makes_nothing(alone: Place, name: str, count: int) -> None:
    with pytest.raises(HostproofError):
        alone.up(name, count)
    assert list(alone.root.iterdir()) == []


def test_two_hosts_side_by_side_and_each_goes_alone(alone: Place) -> None:
    first, second = alone.up("twin1", 2)
    assert [first.name, second.name] == ["twin1", "twin2"]
    assert first.port != second.port
    ids = {answer(one, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub") for one in (first, second)}
    assert len(ids) == 2, "each has an identity of its own"
    assert "twin1:" in alone.inventory.read_text()
    left = alone.container_id("twin1")

    assert alone.down("twin2") == ["twin2"]
    assert alone.states() == {"twin1": "running"}
    assert answer(first, "hostname") == "twin1"
    assert "twin2:" not in alone.inventory.read_text()

    assert alone.down() == ["twin1"]
    assert (alone.containers(), alone.volumes(), alone.states()) == ([], [], {})
    assert not alone.inventory.exists()
    assert [path.name for path in (alone.root / ".lab").iterdir()] == [".lock"]
    assert cgroups_of(left) == []


def cgroups_of(container_id: str) -> list[str]:
    """podman is asked for nothing here; a cgroup goes once its last process is gone, which takes a moment."""
    for _ in range(20):
        found = [str(path) for path in Path("/sys/fs/cgroup").rglob(f"*{container_id}*")]
        if not found:
            break
        time.sleep(0.25)
    return found


def test_a_stopped_host_is_started_again_as_it_was(alone: Place) -> None:
    record = alone.up("sleeper")[0]
    answer(record, "sudo podman volume create kept && sudo touch /var/tmp/kept")
    identity = answer(record, "cat /etc/machine-id")
    alone.lab.root.run(["podman", "stop", alone.names("sleeper").container], mend="", seconds=60)
    assert alone.states() == {"sleeper": "exited"}
    again = alone.up("sleeper")[0]
    assert again == record
    assert "sleeper: was stopped, starting it again" in alone.said
    assert answer(again, "cat /etc/machine-id") == identity
    assert answer(again, "ls /var/tmp/kept && sudo podman volume ls --quiet").splitlines() == [
        "/var/tmp/kept",
        "kept",
    ]


KILLED_WHEN = """
import os, signal, sys
from pathlib import Path
from lab import hosts
from lab.records import Store

def at_once(*_):
    os.kill(os.getpid(), signal.{signal})

{where}
hosts.up("struck", say=print, checkout=Path(sys.argv[1]))
"""
MOMENTS = {
    "before the container": "from lab import boot; boot.create = at_once",
    "while it boots": "from lab import boot; boot.settle = at_once",
    "before its record": "Store.write = at_once",
    "before its inventory": "from lab import inventory; inventory.write = at_once",
}


def struck(place: Place, where: str, number: str) -> int:
    program = KILLED_WHEN.format(where=where, signal=number)
    return subprocess.run(
        [sys.executable, "-c", program, str(place.root)],
        cwd=ROOT,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    ).returncode


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_up_can_be_run_again(alone: Place, moment: str) -> None:
    assert struck(alone, MOMENTS[moment], "SIGKILL") == -signal.SIGKILL
    assert "struck" in alone.states(), "it is not forgotten"
    record = alone.up("struck")[0]
    assert answer(record, "hostname") == "struck"
    assert alone.states() == {"struck": "running"}
    assert len(alone.containers()) == len(alone.volumes()) == 1
    assert "struck:" in alone.inventory.read_text()


def test_what_an_interrupted_up_left_can_be_taken_away(alone: Place) -> None:
    assert struck(alone, MOMENTS["while it boots"], "SIGINT") != 0
    assert alone.states()["struck"].startswith("half made")
    with pytest.raises(HostproofError) as caught:
        hosts.ssh("struck", checkout=alone.root)
    assert str(caught.value) == f"struck is half made ({alone.root}/.lab/struck). Run lab.up again."
    assert alone.down() == ["struck"]
    assert (alone.containers(), alone.volumes(), alone.states()) == ([], [], {})


def test_what_a_killed_down_left_can_be_taken_away(alone: Place) -> None:
    alone.up("struck")
    program = KILLED_WHEN.replace(
        'hosts.up("struck", say=print, ', 'hosts.down(["struck"], say=print, '
    ).format(where="from lab import boot; boot.remove = at_once", signal="SIGKILL")
    done = subprocess.run(
        [sys.executable, "-c", program, str(alone.root)],
        cwd=ROOT,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert not alone.inventory.exists(), "nobody is sent to a host that goes"
    assert alone.states() == {"struck": "half made (running)"}
    assert alone.down() == ["struck"]
    assert alone.states() == {}


def test_the_same_name_in_two_checkouts_is_two_hosts(alone: Place, place: Place, host: Record) -> None:
    alone.up("shared")
    assert container.checkout_id(alone.root) != container.checkout_id(place.root)
    alone.down()
    assert place.states()["shared"] == "running"
    assert answer(host, "hostname") == "shared"
    assert Store(place.root).read("shared") == host
