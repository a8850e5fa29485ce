"""Lab hosts that are virtual machines: a kernel, a boot loader and NUMA nodes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab import boot, packages
from lab import image as container_image
from lab.container import Names
from lab.kinds import Wish
from lab.podman import Root
from lab.records import KEY, VM, Record
from lab.vm import guest, image, machine, processes, qemu

Say = Callable[[str], None]
DISK: Final = "disk.qcow2"


@dataclass(frozen=True)
class Machines:
    """A lab.kinds.Kind. Running one needs no root; building the image does."""

    root: Root
    checkout: str
    say: Say

    def names(self, host: str) -> Names:
        return Names(host, self.checkout)

    def ready(self, wish: Wish) -> Wish:
        if wish.base not in (container_image.AUTO, guest.BASE):
            mend = f"Leave --base out, or say {guest.BASE}."
            raise HostproofError(f"no virtual host is made from {wish.base!r}", where="--base", mend=mend)
        guest.shape(wish.nodes)
        packages.ensure(packages.VIRTUAL, install=wish.install)
        return replace(wish, base=guest.BASE)

    def known(self) -> list[str]:
        stem = self.names("").container
        return [name.removeprefix(stem) for name in processes.running() if name.startswith(stem)]

    def state(self, host: str) -> str:
        return "running" if self.names(host).container in processes.running() else ""

    def gone_on_with(self, record: Record, wish: Wish) -> bool:
        here = all((Path(record.folder) / name).exists() for name in (DISK, KEY, *qemu.HANDED_IN))
        if not here or not Path(record.image).exists():
            return False
        if record.nodes != wish.nodes:
            raise HostproofError(
                f"{record.name} is there, with {record.nodes} NUMA nodes, not {wish.nodes}",
                where=record.folder,
                mend=f"Run lab.down --name {record.name} first.",
            )
        if not self.state(record.name):
            self.say(f"{record.name}: was switched off, starting it again")
            machine.start(self._run(record))
        elif Path(record.image) != image.path():
            self.say(f"{record.name}: made from an older recipe; lab.down and lab.up renew it")
        return True

    def create(self, host: str, folder: Path, wish: Wish, taken: Iterable[int]) -> Record:
        base = image.build(self.root, self.say)
        folder.mkdir(mode=0o700, parents=True)
        machine.make_overlay(base, folder / DISK)
        taken = set(taken)
        for _ in range(boot.PORT_TRIES):
            port = boot.free_port(taken)
            machine.hand_in(folder, host, port)
            name = self.names(host).container
            record = Record(
                host, name, str(base), guest.BASE, guest.PYTHON, port, str(folder), "", VM, wish.nodes
            )
            try:
                machine.start(self._run(record))
            except machine.QemuRefusedError as error:
                # Between the look and the start somebody else took the port.
                if machine.PORT_TAKEN not in str(error).lower():
                    raise
                taken.add(port)
            else:
                return record
        raise HostproofError(
            "no free port was found", where="127.0.0.1", mend="See `ss --listening --tcp`, then run it again."
        )

    def settle(self, record: Record) -> None:
        machine.wait_for_ssh(record.container, record.port, Path(record.folder) / qemu.CONSOLE)
        boot.log_in(record, seconds=machine.BOOT_SECONDS, each=machine.CONNECT_SECONDS)

    def remove(self, host: str) -> None:
        processes.end(self.names(host).container)

    def remove_images(self) -> None:
        image.remove_all(self.root)

    def _run(self, record: Record) -> qemu.Run:
        folder = Path(record.folder)
        accelerator = image.accelerator(Path(record.image), self.say)
        return qemu.Run(
            record.container, folder, folder / DISK, guest.shape(record.nodes), accelerator, record.port
        )
