"""What is to be done about the module in memory. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MODULES = ("nvidia-uvm", "nvidia-drm", "nvidia-modeset", "nvidia")
"""In the order in which they can go."""


@dataclass(frozen=True)
class Loaded:
    loaded: str
    """Version in memory; empty: none."""
    flavour: str
    on_disk: str
    """Version for the running kernel; empty: none."""
    disk_flavour: str
    nouveau: bool
    kernel: str
    secure_boot: bool = False


@dataclass(frozen=True)
class Deed:
    what: Literal["nothing", "load", "reload", "unload", "boot"]
    why: str
    target: str = ""
    """Version that is to be in memory then."""

    @property
    def unload(self) -> bool:
        return self.what in ("reload", "unload")

    @property
    def load(self) -> bool:
        return self.what in ("load", "reload")


def row(state: Loaded) -> dict[str, object]:
    """As a line of drift: wanted is what is on disk."""
    deed = decide(state, may_reload=False)
    same = deed.what == "nothing"
    return {
        **{"area": "nvidia_driver", "kind": "module", "key": "nvidia", "wanted": state.on_disk},
        **{"live": state.loaded, "persisted": state.on_disk, "booted": "", "first": {}, "owner": ""},
        **{"state": "ok" if same else "needs-reboot", "detail": "" if same else deed.why},
    }


def decide(state: Loaded, *, may_reload: bool) -> Deed:
    same = state.loaded == state.on_disk and (
        not state.loaded or not state.disk_flavour or state.flavour in ("", state.disk_flavour)
    )
    if same:
        return Deed("nothing", f"{state.loaded or 'no module'} in memory, as on disk", state.loaded)
    if not state.loaded:
        if state.nouveau:
            return Deed("boot", "nouveau has the card in this boot")
        return Deed("load", f"{state.on_disk} is on disk and was not loaded", state.on_disk)
    there = f"{state.loaded} ({state.flavour or 'unknown kind'}) is in memory"
    disk = f"{state.on_disk} ({state.disk_flavour or 'unknown kind'})" if state.on_disk else "none"
    if not may_reload:
        return Deed("boot", f"{there}, {disk} on disk")
    if state.on_disk:
        return Deed("reload", f"{there}, {disk} on disk", state.on_disk)
    return Deed("unload", f"{there}, and nothing on disk any more")
