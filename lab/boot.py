"""Takes one host from an image to an answered login, and away again. Acts on this machine; decides little."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from hostproof.errors import HostproofError
from lab import container, inventory
from lab.container import Names
from lab.podman import Root
from lab.records import KEY, KNOWN_HOSTS, Record, replace_file

Say = Callable[[str], None]
BOOT_SECONDS: Final = 120
LOGIN_SECONDS: Final = 30
POLL_SECONDS: Final = 0.3
PORT_TRIES: Final = 5
STOP_SECONDS: Final = 5
PORT_TAKEN: Final = ("address already in use", "port is already allocated")
MACHINE_CONF: Final = "/etc/containers/containers.conf.d/20-hostproof-lab-machine.conf"
HOST_KEYS: Final = "cat /etc/ssh/ssh_host_*_key.pub"


def free_port(taken: Iterable[int]) -> int:
    """One that the kernel gives, and that no stopped host will want back."""
    taken = set(taken)
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def create(root: Root, names: Names, image: str, taken: Iterable[int]) -> int:
    """Starts a new container; returns the port that leads to its sshd."""
    root.run(container.volume_argv(names), mend=_mend(names))
    taken = set(taken)
    for _ in range(PORT_TRIES):
        port = free_port(taken)
        said = root.attempt(container.create_argv(root.machine, names, image, port), seconds=120)
        if said.status == 0:
            return port
        # Between the look and the start somebody else took the port.
        if not any(words in said.err.lower() for words in PORT_TAKEN):
            break
        taken.add(port)
        root.attempt(["podman", "rm", "--force", names.container])
    raise HostproofError(
        f"podman could not start {names.host}:\n{said.tail()}\n",
        where=f"container {names.container}",
        mend=_mend(names),
    )


def start_again(root: Root, names: Names) -> None:
    """A host that was stopped, or went down with the machine."""
    root.run(["podman", "start", names.container], seconds=120, mend=_mend(names))


def settle(root: Root, names: Names, folder: Path, port: int, say: Say) -> None:
    """Waits for systemd, hands in the key and writes down whose host this is."""
    wait_for_systemd(root, names, say)
    inside = ["podman", "exec", "--interactive", names.container]
    if settings := container.inner_podman(root.machine):
        _put(root, names, [*inside, "install", "-D", "-m", "0644", "/dev/stdin", MACHINE_CONF], settings)
    public = make_key(folder)
    target = "/home/lab/.ssh/authorized_keys"
    _put(
        root,
        names,
        [*inside, "install", "-o", "lab", "-g", "lab", "-m", "0600", "/dev/stdin", target],
        public,
    )
    # Read from inside, so that the first connection is already a checked one.
    keys = root.run(["podman", "exec", names.container, "sh", "-c", HOST_KEYS], mend=_mend(names))
    replace_file(folder / KNOWN_HOSTS, known_hosts(keys, port))


def _put(root: Root, names: Names, argv: list[str], content: str) -> None:
    root.run(argv, stdin=content, mend=_mend(names))


def known_hosts(keys: str, port: int) -> str:
    """`ssh-ed25519 AAAA… comment` lines → lines of a known_hosts file."""
    rows = [line.split() for line in keys.splitlines() if line.strip()]
    return "".join(f"[127.0.0.1]:{port} {row[0]} {row[1]}\n" for row in rows)


def make_key(folder: Path, name: str = KEY) -> str:
    """The public half; the pair is made once and kept for the host's life."""
    key = folder / name
    public = folder / f"{name}.pub"
    if not (key.exists() and public.exists()):
        key.unlink(missing_ok=True)
        public.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab@{folder.name}", "-f", str(key)],
            check=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
    return public.read_text(encoding="utf-8")


def wait_for_systemd(root: Root, names: Names, say: Say) -> None:
    ask = ["podman", "exec", names.container, "systemctl", "is-system-running"]
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        state = root.attempt(ask).out.strip()
        if state == "running":
            return
        if state == "degraded":
            # Usable all the same; the log-in decides.
            say(f"{names.host}: units that failed at boot: {', '.join(failed_units(root, names))}")
            return
        if not is_running(root, names):
            break
        time.sleep(POLL_SECONDS)
    logs = root.attempt(["podman", "logs", "--tail", "15", names.container]).tail()
    raise HostproofError(
        f"systemd in {names.host} did not come up:\n{logs}\n",
        where=f"container {names.container}",
        mend=_mend(names),
    )


def failed_units(root: Root, names: Names) -> list[str]:
    ask = ["systemctl", "list-units", "--failed", "--plain", "--no-legend"]
    said = root.attempt(["podman", "exec", names.container, *ask])
    return [line.split()[0] for line in said.out.splitlines() if line.strip()]


def log_in(record: Record, *, seconds: float = LOGIN_SECONDS, each: int = 5) -> None:
    """The proof that Ansible will find a host: a log-in with checked keys, and root by sudo.

    `each` try has that many seconds for the connection.
    """
    argv = inventory.ssh_argv(record, ["sudo", "-n", "true"])
    argv[1:1] = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={each}"]
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=30 + each, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    raise HostproofError(
        f"{record.name} is up, but a log-in fails: {done.stderr.strip()}",
        where=f"127.0.0.1 port {record.port}",
        mend=f"Run lab.down --name {record.name}, then lab.up again.",
    )


def found(root: Root, labels: Iterable[str]) -> list[dict[str, Any]]:
    """Containers with all of these labels, whatever their state."""
    return with_all(root.listed("ps", "--all", "--format", "json"), labels)


def found_volumes(root: Root, labels: Iterable[str]) -> list[dict[str, Any]]:
    return with_all(root.listed("volume", "ls", "--format", "json"), labels)


def with_all(rows: Iterable[dict[str, Any]], labels: Iterable[str]) -> list[dict[str, Any]]:
    """Chosen here: of several label filters podman 4's `volume ls` takes any as enough, and `rm` would follow it."""
    wanted = dict(label.split("=", 1) for label in labels)
    return [row for row in rows if wanted.items() <= (row.get("Labels") or {}).items()]


def is_running(root: Root, names: Names) -> bool:
    return any(row["State"] == "running" for row in found(root, names.labels))


def remove(root: Root, names: Names) -> None:
    """Container and volume of one host, as far as they are there."""
    for row in found(root, names.labels):
        stop = ["podman", "rm", "--force", "--volumes", f"--time={STOP_SECONDS}", str(row["Id"])]
        root.run(stop, seconds=120, mend=_mend(names))
    for row in found_volumes(root, names.labels):
        root.run(["podman", "volume", "rm", "--force", str(row["Name"])], seconds=120, mend=_mend(names))


def _mend(names: Names) -> str:
    return (
        f"See `podman ps --all` and `podman logs {names.container}`; lab.down --name {names.host} clears up."
    )
