"""The demo's host and its parts: what `hostproof.play.demo` asks of a lab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lab import hosts
from lab.parts import all as parts
from lab.parts import part, paths, vllm_wheelhouse
from lab.records import Record

NEEDS: Final = {
    "llama_server": ("gemma_gguf", "llama_image"),
    "vllm_server": ("vllm_wheelhouse", "gemma_safetensors"),
}
"""Server → parts that inventory/group_vars/lab names for it."""


@dataclass
class Stage:
    """One host, from `up` to `down`."""

    name: str
    say: Callable[[str], None]
    install: bool = False
    record: Record | None = None

    def up(self) -> str:
        self.record = hosts.up(self.name, say=self.say, install=self.install)[0]
        return self.record.name

    def build_parts(self, servers: Sequence[str]) -> None:
        """Makes what is missing. A host with another CPython than the locked one needs its own wheels."""
        names = [name for server in servers for name in NEEDS[server]]
        parts.build_all(self.say, names)
        if "vllm_wheelhouse" in names and self.record and self.record.python != vllm_wheelhouse.LOCKED_PYTHON:
            part.obtain(vllm_wheelhouse.part(self.record.python), say=self.say)
        self.say(f"parts are in {paths.cache()}")

    def down(self) -> None:
        """Whatever is there of it, also of one that was never finished."""
        hosts.down([self.name], if_there=True, say=self.say)
