"""The servers that are declared for a host (`tuning_servers`), as several areas need them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .base import Draft, Option, Wishes, nearest, parse, shown

SERVERS = Option(
    "tuning_servers",
    "list",
    [],
    "the servers that run here, each with name, memory_bytes (weights and caches), and where it differs engine, device, "
    "threads, load_mode, numa, node, hugepages, user, environment, args",
)
ENGINES = ("llama.cpp", "ik_llama.cpp", "vllm")
DEVICES = ("cpu", "gpu")
LOAD_MODES = ("", "auto", "none", "mmap", "mlock", "mmap+mlock", "dio")
"""llama.cpp's --load-mode, build 11434."""
POLICIES = ("auto", "interleave", "bind", "distribute", "isolate", "numactl", "none")
"""`distribute`, `isolate` and `numactl` are llama.cpp's own --numa."""
LLAMA_NUMA = ("distribute", "isolate", "numactl")
HUGEPAGES = ("auto", "none", "thp", "hugetlb")
GONE_FLAGS = ("--no-mmap", "--mlock")
"""Removed from llama.cpp for --load-mode; ik_llama.cpp still has them."""
LINE = Option("", "str", "", "")
FIELDS = {
    "name": LINE,
    "memory_bytes": Option("", "int", 0, ""),
    "engine": Option("", "str", "llama.cpp", "", ENGINES),
    "device": Option("", "str", "cpu", "", DEVICES),
    "threads": Option("", "int", 0, ""),
    "load_mode": Option("", "str", "", "", LOAD_MODES),
    "numa": Option("", "str", "auto", "", POLICIES),
    "node": LINE,
    "hugepages": Option("", "str", "auto", "", HUGEPAGES),
    "user": LINE,
    "environment": Option("", "dict", {}, "name: value lines"),
    "args": Option("", "list", [], "one word a line"),
}


@dataclass(frozen=True)
class Server:
    name: str
    memory_bytes: int = 0
    engine: str = "llama.cpp"
    device: str = "cpu"
    threads: int = 0
    """0: as many as cores are left to it."""
    load_mode: str = ""
    numa: str = "auto"
    node: str = ""
    """For `numa: bind`; empty: worked out."""
    hugepages: str = "auto"
    user: str = ""
    """Whose limits count; empty or root: the system's."""
    environment: Mapping[str, str] = field(default_factory=dict)
    args: Sequence[str] = ()

    @property
    def where(self) -> str:
        return f"tuning_servers, {self.name}"

    @property
    def pages(self) -> str:
        """`thp` for llama.cpp on the CPU unless something else is said: measured, revertible, this one service only."""
        if self.hugepages != "auto":
            return self.hugepages
        return "thp" if self.engine == "llama.cpp" and self.device == "cpu" else "none"

    @property
    def locks(self) -> bool:
        return "mlock" in self.load_mode or "--mlock" in self.args


def read(draft: Draft, wishes: Wishes) -> list[Server]:
    """The declared servers; what is wrong with one is refused and the server left out."""
    entries = parse(draft, [SERVERS], wishes)[SERVERS.name]
    made = [_server(draft, number, entry) for number, entry in enumerate(entries)]
    servers = [server for server in made if server]
    for server in servers:
        if [other.name for other in servers].count(server.name) > 1:
            draft.refuse(f"two servers are called {server.name}", SERVERS.name, "Give each its own name.")
            break
    return servers


def _server(draft: Draft, number: int, entry: object) -> Server | None:
    where = f"{SERVERS.name}[{number}]"
    if not isinstance(entry, Mapping):
        draft.refuse(f"entry {number} is {shown(entry)}, no mapping", where, f"Its form: {SERVERS.help}.")
        return None
    before = len(draft.findings)
    for key in entry:
        if key not in FIELDS:
            mend = f"{nearest(str(key), FIELDS)}Known: {', '.join(FIELDS)}."
            draft.refuse(f"unknown key {key!r}", where, mend)
    fields: dict[str, Any] = {
        key: value
        for key, option in FIELDS.items()
        if key in entry
        for value in parse(draft, [_named(option, f"{where}.{key}")], {f"{where}.{key}": entry[key]}).values()
    }
    if not re.fullmatch(r"[\w.@-]{1,64}", fields.get("name", "")):
        draft.refuse(
            f"entry {number} has no usable name", where, "Give it a name of letters, digits, - and _."
        )
    return None if len(draft.findings) > before else Server(**fields)


def _named(option: Option, name: str) -> Option:
    return Option(name, option.type, option.default, option.help, option.choices)


def check(draft: Draft, servers: Sequence[Server]) -> None:
    """What no host can make good."""
    cpu = draft.facts.cpu
    for server in servers:
        if server.device == "cpu" and server.threads and server.threads >= (cpu.cores or cpu.threads or 1):
            draft.refuse(
                f"{server.threads} threads on {cpu.cores} cores leave none to the system: one busy neighbour then halves "
                "generation (measured: 26.6 → 11.0 tokens/s)",
                server.where,
                f"At most {max(1, cpu.cores - 1)}; leave `threads` out for {max(1, cpu.cores - 2)}.",
            )
        if str(server.environment.get("OMP_NUM_THREADS", "")) == "1":
            draft.refuse(
                "OMP_NUM_THREADS=1 keeps OpenMP to one thread whatever --threads says (119 → 49 tokens/s of prompt, published)",
                server.where,
                "Take it out of the environment.",
            )
        if server.engine == "llama.cpp":
            for flag in GONE_FLAGS:
                if flag in server.args:
                    draft.refuse(
                        f"llama.cpp has no {flag} any more",
                        server.where,
                        "Use load_mode: none, mmap, mlock, mmap+mlock or dio.",
                    )
