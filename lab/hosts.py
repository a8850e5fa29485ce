"""up, down, status, ssh: what the tasks, the command line and molecule call."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab import container, image, inventory, machine
from lab.container import Names
from lab.containers import Containers
from lab.gpu import install as gpus
from lab.kinds import KINDS, NODES, Kind, Wish
from lab.podman import Root
from lab.records import CONTAINER, VM, Record, Store
from lab.vm.hosts import Machines

Say = Callable[[str], None]
ROOT: Final = Path(__file__).resolve().parents[1]
FIRST: Final = "lab01"


@dataclass(frozen=True)
class Row:
    """One host as `status` tells it. `state` is its kind's word, or why there is none."""

    name: str
    kind: str
    state: str
    port: int | None
    base: str
    inventory: str


@dataclass(frozen=True)
class Lab:
    """One checkout's hosts on this machine."""

    root: Root
    store: Store
    say: Say

    def names(self, host: str) -> Names:
        return Names(host, container.checkout_id(self.store.root))

    @property
    def kinds(self) -> dict[str, Kind]:
        checkout = container.checkout_id(self.store.root)
        return {
            CONTAINER: Containers(self.root, checkout, self.say),
            VM: Machines(self.root, checkout, self.say),
        }

    def kind_of(self, host: str) -> str:
        """What its record says; of a half made host what there is of it; "" where there is nothing but a folder."""
        if record := self.store.read(host):
            return record.kind
        return next((name for name, kind in self.kinds.items() if kind.state(host)), "")


def counted(text: str, where: str = "--count") -> int:
    """The number that a person typed."""
    try:
        return int(text)
    except ValueError:
        raise HostproofError(f"{text!r} is no number", where=where, mend="Give one, such as 4.") from None


def up(
    name: str = FIRST,
    count: int = 1,
    *,
    say: Say = print,
    kind: str = CONTAINER,
    base: str = image.AUTO,
    nodes: int = NODES,
    gpu: str = "",
    inventory_file: Path | None = None,
    install: bool = False,
    checkout: Path = ROOT,
) -> list[Record]:
    """Hosts that answer a log-in: new ones, or those that are there. `install` allows apt-get.

    A host that is half made is made anew; one that was stopped is started again. `nodes` counts for `vm` alone; `gpu` is a
    profile of lab/gpu.
    """
    hosts = container.host_names(name, count)
    if kind not in KINDS:
        raise HostproofError(
            f"unknown kind of host {kind!r}", where="--kind", mend=f"Known: {', '.join(KINDS)}."
        )
    lab = open_lab(say, checkout)
    profile = gpus.ready(gpu, kind, install=install)
    wish = Wish(kind, base, nodes, install)
    ready = lab.kinds[kind].ready(wish)
    target = (inventory_file or checkout / "inventory" / "lab.yml").absolute()
    with lab.store.alone(say):
        if not inventory.is_ours(target):
            inventory.write(target, [])  # refuses, before anything is made
        todo = [host for host in hosts if not _is_up(lab, host, wish)]
        made = {host: _create(lab, host, ready) for host in todo}
        for host in hosts:
            record = made.get(host) or _adopted(lab, host)
            lab.kinds[kind].settle(record)
            if profile:
                record = gpus.put(record, gpu, profile, say)
            _enlist(lab, record, str(target))
            say(f"{host}: up, ssh on 127.0.0.1 port {record.port}, in {target}")
        return [_adopted(lab, host) for host in hosts]


def down(
    names: Sequence[str] = (),
    *,
    images: bool = False,
    if_there: bool = False,
    say: Say = print,
    checkout: Path = ROOT,
) -> list[str]:
    """Takes hosts away, all of this checkout's without names, and returns which. Keeps the image.

    A name that nothing is left of is refused, or passed over with `if_there`.
    """
    lab = open_lab(say, checkout)
    with lab.store.alone(say):
        known = _known(lab)
        for name in names:
            if not if_there:
                _check_known(name, known)
        gone = [name for name in names if name in known] if names else known
        for host in gone:
            _take_away(lab, host)
            say(f"{host}: gone")
    if images:
        for kind in lab.kinds.values():
            kind.remove_images()
    return gone


def status(*, checkout: Path = ROOT) -> list[Row]:
    """Every host of this checkout, half made ones too."""
    lab = open_lab(print, checkout)
    return [_row(lab, host) for host in _known(lab)]


def ssh(name: str, command: Sequence[str] = (), *, checkout: Path = ROOT) -> int:
    """A shell on the host, or one command; the terminal is the caller's. Returns ssh's exit status."""
    store = Store(checkout)
    record = store.read(name)
    if record is None:
        _check_known(name, store.names())
        raise HostproofError(f"{name} is half made", where=str(store.host(name)), mend="Run lab.up again.")
    return subprocess.run(inventory.ssh_argv(record, command), check=False).returncode


def open_lab(say: Say, checkout: Path) -> Lab:
    return Lab(Root(machine.look()), Store(checkout), say)


def _is_up(lab: Lab, host: str, wish: Wish) -> bool:
    """Whether there is a whole host to go on with; it is started where it stands still."""
    record = lab.store.read(host)
    if record is None:
        return False
    if record.kind != wish.kind:
        raise HostproofError(
            f"{host} is there, a host of the kind {record.kind}",
            where=record.folder,
            mend=f"Run lab.down --name {host} first, or ask for --kind {record.kind}.",
        )
    return lab.kinds[wish.kind].gone_on_with(record, wish)


def _create(lab: Lab, host: str, wish: Wish) -> Record:
    """A host that begins to boot. What a crashed run left of it goes first."""
    _take_away(lab, host)
    taken = [record.port for record in lab.store.records()]
    record = lab.kinds[wish.kind].create(host, lab.store.host(host), wish, taken)
    lab.say(f"{host}: booting")
    return record


def _adopted(lab: Lab, host: str) -> Record:
    record = lab.store.read(host)
    if record is None:
        where = str(lab.store.host(host))
        raise HostproofError(f"the record of {host} went away", where=where, mend="Run lab.up again.")
    return record


def _enlist(lab: Lab, record: Record, target: str) -> None:
    """The record last: from here on the host is whole."""
    before = lab.store.read(record.name)
    whole = Record(**{**vars(record), "inventory": target})
    lab.store.write(whole)
    for path in {target, before.inventory if before else target}:
        _write_inventory(lab, path)


def _write_inventory(lab: Lab, path: str) -> None:
    here = [record for record in lab.store.records() if record.inventory == path]
    inventory.write(Path(path), here)


def _take_away(lab: Lab, host: str) -> None:
    """The record goes first: what is left of an interrupted removal is a half made host."""
    record = lab.store.read(host)
    folder = lab.store.host(host)
    if record:
        (folder / "state.json").unlink(missing_ok=True)
        _write_inventory(lab, record.inventory)
    for kind in lab.kinds.values():
        kind.remove(host)
    if folder.exists():
        shutil.rmtree(folder)


def _known(lab: Lab) -> list[str]:
    """By folder, container, volume or process, so that nothing is forgotten that a crash left."""
    return sorted({*lab.store.names(), *(host for kind in lab.kinds.values() for host in kind.known())})


def _check_known(name: str, known: Sequence[str]) -> None:
    if name not in known:
        mend = f"There are: {', '.join(known)}." if known else "There is none; lab.up makes one."
        raise HostproofError(f"no lab host is called {name!r}", where="--name", mend=mend)


def _row(lab: Lab, host: str) -> Row:
    record = lab.store.read(host)
    kind = lab.kind_of(host)
    nothing = "switched off" if kind == VM else "no container"
    state = (lab.kinds[kind].state(host) if kind else "") or nothing
    if record is None:
        return Row(host, kind, f"half made ({state})", None, "", "")
    return Row(host, kind, state, record.port, record.base, record.inventory)
