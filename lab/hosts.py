"""up, down, status, ssh: what the tasks, the command line and molecule call."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab import boot, container, image, inventory, machine, packages
from lab.container import HOST_LABEL, Names
from lab.podman import Root
from lab.records import KEY, Record, Store

Say = Callable[[str], None]
ROOT: Final = Path(__file__).resolve().parents[1]
FIRST: Final = "lab01"


@dataclass(frozen=True)
class Row:
    """One host as `status` tells it. `state` is podman's word, or why there is none."""

    name: str
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


def counted(text: str) -> int:
    """The number of hosts that a person typed."""
    try:
        return int(text)
    except ValueError:
        raise HostproofError(f"{text!r} is no number", where="--count", mend="Give one, such as 4.") from None


def up(
    name: str = FIRST,
    count: int = 1,
    *,
    say: Say = print,
    base: str = image.AUTO,
    inventory_file: Path | None = None,
    install: bool = False,
    checkout: Path = ROOT,
) -> list[Record]:
    """Hosts that answer a log-in: new ones, or those that are there. `install` allows apt-get.

    A host that is half made is made anew; one that was stopped is started again.
    """
    hosts = container.host_names(name, count)
    base = image.wanted(base)
    lab = open_lab(say, checkout)
    packages.ensure(packages.RUNNING[:1], install=install)  # without podman not even the cache can be seen
    chosen = image.choose(
        base, cached=lambda one: image.is_cached(lab.root, one), answers=image.registry_answers
    )
    packages.ensure(packages.tools(lab.root.machine, chosen), install=install)
    target = (inventory_file or checkout / "inventory" / "lab.yml").absolute()
    with lab.store.alone(say):
        if not inventory.is_ours(target):
            inventory.write(target, [])  # refuses, before anything is made
        todo = [host for host in hosts if not _is_up(lab, host, base)]
        made = {host: _create(lab, host, chosen) for host in todo}
        for host in hosts:
            record = made.get(host) or _adopted(lab, host)
            boot.settle(lab.root, lab.names(host), lab.store.host(host), record.port, say)
            boot.log_in(record)
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
    if not packages.missing_packages(packages.RUNNING[:1]):
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
            image.remove_all(lab.root)
        return gone
    return []


def status(*, checkout: Path = ROOT) -> list[Row]:
    """Every host of this checkout, half made ones too."""
    lab = open_lab(print, checkout)
    if packages.missing_packages(packages.RUNNING[:1]):
        return []
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


def _is_up(lab: Lab, host: str, base: str) -> bool:
    """Whether there is a whole host to go on with; it is started where it stands still."""
    record = lab.store.read(host)
    rows = boot.found(lab.root, lab.names(host).labels)
    if record is None or not rows or not (lab.store.host(host) / KEY).exists():
        return False
    if base not in (image.AUTO, record.base):
        raise HostproofError(
            f"{host} is there, made from {record.base}, not from {base}",
            where=f"container {record.container}",
            mend=f"Run lab.down --name {host} first.",
        )
    if rows[0]["State"] != "running":
        lab.say(f"{host}: was stopped, starting it again")
        boot.start_again(lab.root, lab.names(host))
    elif record.image != image.tag(image.BASES[record.base]):
        lab.say(f"{host}: made from an older recipe; lab.down and lab.up renew it")
    return True


def _create(lab: Lab, host: str, base: image.Base) -> Record:
    """A container that begins to boot. What a crashed run left of it goes first."""
    names = lab.names(host)
    _take_away(lab, host)
    name = image.build(lab.root, base, lab.say)
    folder = lab.store.host(host)
    folder.mkdir(mode=0o700, parents=True)
    taken = [record.port for record in lab.store.records()]
    port = boot.create(lab.root, names, name, taken)
    lab.say(f"{host}: booting")
    return Record(host, names.container, name, base.name, base.python, port, str(folder), "")


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
    boot.remove(lab.root, lab.names(host))
    if folder.exists():
        shutil.rmtree(folder)


def _known(lab: Lab) -> list[str]:
    """By folder, container or volume, so that nothing is forgotten that a crash left."""
    checkout = lab.names(FIRST).labels[1:]
    rows = [*boot.found(lab.root, checkout), *boot.found_volumes(lab.root, checkout)]
    return sorted({*lab.store.names(), *(row["Labels"][HOST_LABEL] for row in rows)})


def _check_known(name: str, known: Sequence[str]) -> None:
    if name not in known:
        mend = f"There are: {', '.join(known)}." if known else "There is none; lab.up makes one."
        raise HostproofError(f"no lab host is called {name!r}", where="--name", mend=mend)


def _row(lab: Lab, host: str) -> Row:
    record = lab.store.read(host)
    rows = boot.found(lab.root, lab.names(host).labels)
    state = str(rows[0]["State"]) if rows else "no container"
    if record is None:
        return Row(host, f"half made ({state})", None, "", "")
    return Row(host, state, record.port, record.base, record.inventory)
