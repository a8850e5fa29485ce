"""The driver's packages on a host as one value: which, in which version, which of them held. Pure.

One line a package: `nvidia-utils-580-server 580.95.05-0ubuntu0.24.04.2 hold`. A kernel's metapackage has no version here:
only whether it is held is the driver's affair. `none` is the empty set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..facts.dpkg import Package

NONE = "none"
HOLD = "hold"
KERNEL = "-"
"""In place of the version that does not matter."""
DRIVER = re.compile(
    r"(?:lib)?nvidia-(?!container|cuda-|docker|settings\b)[a-z0-9.+-]+|libcuda1|cuda-drivers[a-z0-9.+-]*"
    r"|linux-(?:modules|objects|signatures)-nvidia-[a-z0-9.+-]+|xserver-xorg-video-nvidia[a-z0-9.+-]*"
)
"""The driver itself; not NVIDIA's container toolkit, nor CUDA's own libraries."""
META = re.compile(
    r"linux-(?:image-|headers-)?(?:generic|virtual|lowlatency|aws|azure|gcp|oracle|kvm)(?:-[a-z0-9.-]+)?"
)
"""Metapackages that pull the newest kernel in."""
NO_STATE = ("config-files", "not-installed")


@dataclass(frozen=True)
class One:
    """A package as it is or shall be."""

    version: str
    held: bool = False
    state: str = ""
    """dpkg's word where it is not whole: `half-configured`; never wanted."""

    def line(self, name: str) -> str:
        return " ".join(filter(None, [name, self.version, HOLD if self.held else "", self.state]))


PackageSet = Mapping[str, One]


def is_driver(name: str) -> bool:
    return DRIVER.fullmatch(name) is not None


def is_kernel(name: str) -> bool:
    return META.fullmatch(name) is not None


def of_status(packages: Mapping[str, Package]) -> dict[str, One]:
    """What dpkg's list says of the driver, and which kernels' metapackages are held."""
    found = {}
    for name, one in packages.items():
        held = one.selection == HOLD
        if is_driver(name) and one.state not in NO_STATE:
            found[name] = One(one.version, held, "" if one.state == "installed" else one.state)
        elif is_kernel(name) and held and one.state == "installed":
            found[name] = One(KERNEL, held=True)
    return found


def render(packages: PackageSet) -> str:
    return "\n".join(packages[name].line(name) for name in sorted(packages)) or NONE


def parse(text: str) -> dict[str, One]:
    """Raises ValueError for a line that is none."""
    found = {}
    for line in text.strip().splitlines():
        words = line.split()
        if words == [NONE]:
            continue
        if len(words) < 2 or not (is_driver(words[0]) or is_kernel(words[0])):
            raise ValueError(f"no package and version of the driver: {line!r}")
        rest = [word for word in words[2:] if word != HOLD]
        found[words[0]] = One(words[1], HOLD in words[2:], " ".join(rest))
    return found


def frozen(packages: PackageSet, metapackages: Iterable[str]) -> dict[str, One]:
    """All of it held, with the kernels' metapackages: pinned user space alone boots the next kernel without a module."""
    kernels = {name: One(KERNEL, held=True) for name in metapackages}
    return {**{name: replace(one, held=True) for name, one in packages.items() if is_driver(name)}, **kernels}


def versions(packages: PackageSet) -> dict[str, str]:
    return {name: one.version for name, one in packages.items() if one.version != KERNEL}


@dataclass(frozen=True)
class Step:
    """What leads from one set to another."""

    install: Mapping[str, str]
    """Name → version."""
    purge: tuple[str, ...]
    hold: tuple[str, ...]
    unhold: tuple[str, ...]

    @property
    def moves(self) -> bool:
        return bool(self.install or self.purge)


def step(now: PackageSet, wanted: PackageSet) -> Step:
    have, want = versions(now), versions(wanted)
    whole = {name for name, one in now.items() if not one.state}
    held = {name for name, one in now.items() if one.held}
    to_hold = {name for name, one in wanted.items() if one.held}
    return Step(
        {name: v for name, v in sorted(want.items()) if have.get(name) != v or name not in whole},
        tuple(sorted(have.keys() - want.keys())),
        tuple(sorted(to_hold)),
        tuple(sorted(held - to_hold - (have.keys() - want.keys()))),
    )


def without_holds(status: str) -> str:
    """dpkg's list as it would be if nothing of the driver and no kernel's metapackage were held."""
    return "\n\n".join(map(_free, status.split("\n\n")))


def _free(stanza: str) -> str:
    name = re.match(r"Package: (\S+)", stanza.lstrip("\n"))
    if name and (is_driver(name[1]) or is_kernel(name[1])):
        return stanza.replace("\nStatus: hold ok ", "\nStatus: install ok ", 1)
    return stanza
