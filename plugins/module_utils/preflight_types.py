"""What preflight is asked, what it sees and what it says; docs/preflight.md describes each finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IDS = (
    "sudo",
    "busy",
    "system",
    "architecture",
    "init",
    "cgroups",
    "podman",
    "cpu",
    "memory",
    "model",
    "disk",
    "port",
    "clock",
    "owners",
    "skip",
)


@dataclass(frozen=True)
class Server:
    """A server that is wanted on the host."""

    name: str
    model: str
    port: int
    unit: str
    threads: int = 0
    install_bytes: int = 0
    """What its image or release takes on disk."""
    install_path: str = "/"
    installed: str = ""
    """A path that exists once the image or release is there."""


@dataclass(frozen=True)
class Wishes:
    servers: tuple[Server, ...]
    catalogue: Mapping[str, Any]
    model_root: str
    systems: Mapping[str, tuple[str, ...]]
    """Distribution → versions that hostproof supports."""
    owners: tuple[str, ...]
    """Units that would write the same settings."""
    skip: Mapping[str, str] = field(default_factory=dict)
    """Finding → why it does not count here."""
    memory_reserve_bytes: int = 0
    disk_reserve_bytes: int = 0
    clock_limit_seconds: float = 60
    reads_only: bool = False
    """In check mode: nothing will be changed."""

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(server.model for server in self.servers if server.model))


@dataclass(frozen=True)
class Listener:
    """A TCP port that something listens on. `units` are the units that its process runs in."""

    port: int
    pid: int | None
    program: str
    units: tuple[str, ...]


@dataclass(frozen=True)
class Space:
    """The file system that a path is on, or will be on."""

    path: str
    device: int
    free: int


@dataclass(frozen=True)
class Facts:
    system: str
    system_title: str
    version: str
    architecture: str
    init: str
    cgroup2: bool
    cpu_model: str
    cores: int
    cpus: int
    memory: int
    root: bool
    listeners: tuple[Listener, ...]
    spaces: Mapping[str, Space]
    """By the path asked for."""
    sizes: Mapping[str, int]
    """Path → bytes that lie there already."""
    clock_offset: float | None
    """Seconds the host is ahead of the controller."""
    clock_synchronised: bool | None
    active_units: tuple[str, ...]
    podman_version: str
    """Empty if it is not installed."""
    lock_holder: str
    """Empty unless another living run has the lock."""


@dataclass(frozen=True)
class Finding:
    id: str
    severity: str
    """`fail` or `warn`."""
    what: str
    where: str
    fix: str

    def __str__(self) -> str:
        return f"{self.id}: {self.what} ({self.where}). {self.fix}"
