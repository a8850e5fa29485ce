"""What `up`, `down` and `status` ask of a kind of host: containers (lab/containers.py), virtual machines (lab/vm/hosts.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from lab import image
from lab.records import CONTAINER, VM, Record

KINDS: Final = (CONTAINER, VM)
NODES: Final = 4


@dataclass(frozen=True)
class Wish:
    """What `lab.up` was asked for."""

    kind: str = CONTAINER
    base: str = image.AUTO
    nodes: int = NODES
    install: bool = False


class Kind(Protocol):
    """One way to make hosts, of one checkout, on this machine."""

    def ready(self, wish: Wish) -> Wish:
        """The wish with nothing left open; raises when this machine lacks something for it."""

    def known(self) -> list[str]:
        """Hosts that there is something of on this machine, besides their folders."""

    def state(self, host: str) -> str:
        """`running`, another word for a host that stands still, or "" where there is nothing."""

    def gone_on_with(self, record: Record, wish: Wish) -> bool:
        """Whether this host can be used as it is, started if it stands still; raises when it is not what is wished."""

    def create(self, host: str, folder: Path, wish: Wish, taken: Iterable[int]) -> Record:
        """A host that begins to boot, on a port that is not taken."""

    def settle(self, record: Record) -> None:
        """Waits until the host is up and answers a log-in with checked keys."""

    def remove(self, host: str) -> None:
        """Takes away what there is of it besides its folder."""

    def remove_images(self) -> None:
        """Those that no host needs."""
