"""Lab hosts that are containers: the fast ones, which share this machine's kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hostproof.errors import HostproofError
from lab import boot, image, packages
from lab.container import HOST_LABEL, Names
from lab.kinds import Wish
from lab.podman import Root
from lab.records import CONTAINER, KEY, Record

Say = Callable[[str], None]


@dataclass(frozen=True)
class Containers:
    """A lab.kinds.Kind. Without podman there are none."""

    root: Root
    checkout: str
    say: Say

    def names(self, host: str) -> Names:
        return Names(host, self.checkout)

    def ready(self, wish: Wish) -> Wish:
        base = image.wanted(wish.base)
        # Without podman not even the cache can be seen.
        packages.ensure(packages.RUNNING[:1], install=wish.install)
        chosen = image.choose(
            base, cached=lambda one: image.is_cached(self.root, one), answers=image.registry_answers
        )
        packages.ensure(packages.tools(self.root.machine, chosen), install=wish.install)
        return replace(wish, base=chosen.name)

    def known(self) -> list[str]:
        if not _podman():
            return []
        checkout = self.names("any").labels[1:]
        rows = [*boot.found(self.root, checkout), *boot.found_volumes(self.root, checkout)]
        return [row["Labels"][HOST_LABEL] for row in rows]

    def state(self, host: str) -> str:
        rows = boot.found(self.root, self.names(host).labels) if _podman() else []
        return str(rows[0]["State"]) if rows else ""

    def gone_on_with(self, record: Record, wish: Wish) -> bool:
        state = self.state(record.name)
        if not state or not (Path(record.folder) / KEY).exists():
            return False
        asked = image.wanted(wish.base)
        if asked not in (image.AUTO, record.base):
            raise HostproofError(
                f"{record.name} is there, made from {record.base}, not from {asked}",
                where=f"container {record.container}",
                mend=f"Run lab.down --name {record.name} first.",
            )
        if state != "running":
            self.say(f"{record.name}: was stopped, starting it again")
            boot.start_again(self.root, self.names(record.name))
        elif record.image != image.tag(image.BASES[record.base]):
            self.say(f"{record.name}: made from an older recipe; lab.down and lab.up renew it")
        return True

    def create(self, host: str, folder: Path, wish: Wish, taken: Iterable[int]) -> Record:
        base = image.BASES[wish.base]
        names = self.names(host)
        name = image.build(self.root, base, self.say)
        folder.mkdir(mode=0o700, parents=True)
        port = boot.create(self.root, names, name, taken)
        return Record(host, names.container, name, base.name, base.python, port, str(folder), "", CONTAINER)

    def settle(self, record: Record) -> None:
        boot.settle(self.root, self.names(record.name), Path(record.folder), record.port, self.say)
        boot.log_in(record)

    def remove(self, host: str) -> None:
        if _podman():
            boot.remove(self.root, self.names(host))

    def remove_images(self) -> None:
        if _podman():
            image.remove_all(self.root)


def _podman() -> bool:
    return not packages.missing_packages(packages.RUNNING[:1])
