"""CDI specifications of NVIDIA's GPUs: what a file says, which podman can read it, and whether it is the loaded driver's. Pure.

Lines are looked for, in both layouts that nvidia-ctk writes (YAML with and without indented lists, JSON): a host need not have a YAML
parser, and only podman itself decides whether a specification is good (the module cdi_try).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .proof_types import Finding

KIND: Final = "nvidia.com/gpu"
FOLDERS: Final = ("/etc/cdi", "/var/run/cdi")
"""podman's own, in this order: what is in the second wins, but only once it has been written after a boot."""
SPEC: Final = "/var/run/cdi/nvidia.yaml"
GIDS_SINCE: Final = (0, 7)
"""additionalGids came with CDI 0.7.0."""
FLAG: Final = "no-additional-gids-for-device-nodes"
"""Toolkits since 1.19 write them wherever a device node belongs to a group, as /dev/dri does; this takes it back (toolkit e559d52f)."""
NODES: Final = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
"""What CUDA opens beside the card's own node; a spec that was made before they existed lacks them (toolkit #1982)."""

CEILINGS: Final = (((5, 5), (1, 0, 0)), ((5, 2), (0, 8, 0)), ((5, 1), (0, 7, 0)), ((0, 0), (0, 6, 0)))
"""podman from this version on → newest specification that it reads (its vendored CDI; shared facts)."""

_VERSION = re.compile(r"""^\s*"?cdiVersion"?: *["']?([0-9.]+)""", re.MULTILINE)
_KIND = re.compile(r"""^\s*"?kind"?: *["']?([\w./-]+)""", re.MULTILINE)
_NAME = re.compile(r"""^\s*(?:- +)?"?name"?: *["']?([\w.:-]+)["']?,?\s*$""", re.MULTILINE)
_NODE = re.compile(r"""^\s*(?:- +)?"?(?:path|hostPath)"?: *["']?(/dev/[^\s"',]+)""", re.MULTILINE)
_HOST_PATH = re.compile(r"""^\s*(?:- +)?"?hostPath"?: *["']?(/[^\s"',]+)""", re.MULTILINE)
_GIDS = re.compile(r'^\s*"?additionalGids"?:', re.MULTILINE)
_DRIVER = re.compile(r"--host-driver-version=([0-9.]+)")
_LIBRARY = re.compile(r"lib(?:cuda|nvidia-ml)\.so\.([0-9]+\.[0-9.]+)")


@dataclass(frozen=True)
class Spec:
    version: str
    kind: str
    names: frozenset[str]
    nodes: frozenset[str]
    host_paths: frozenset[str]
    gids: bool
    drivers: frozenset[str]
    """Versions of the driver that it was made for, by its hook and by its libraries."""


@dataclass(frozen=True)
class Host:
    """What a specification is held against."""

    driver: str
    """As loaded; empty: none."""
    podman: str
    """Its version; empty: not installed yet, so nothing is said of what it reads."""
    uuids: Sequence[str] = ()


def read(text: str) -> Spec:
    version, kind = _VERSION.search(text), _KIND.search(text)
    return Spec(
        version=version[1] if version else "",
        kind=kind[1] if kind else "",
        names=frozenset(_NAME.findall(text)),
        nodes=frozenset(_NODE.findall(text)),
        host_paths=frozenset(_HOST_PATH.findall(text)),
        gids=bool(_GIDS.search(text)),
        drivers=frozenset(_DRIVER.findall(text)) | frozenset(_LIBRARY.findall(text)),
    )


def numbers(version: str) -> tuple[int, ...]:
    """`4.9.3+ds1-1ubuntu0.2` → (4, 9, 3); empty for what is no version."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def ceiling(podman: str) -> tuple[int, ...]:
    """The newest specification that this podman reads; an unknown podman is taken for an old one."""
    own = numbers(podman)[:2] or (0, 0)
    return next(spec for since, spec in CEILINGS if own >= since)


def ours(specs: Mapping[str, Spec]) -> dict[str, Spec]:
    return {path: spec for path, spec in specs.items() if spec.kind == KIND}


def complaints(
    specs: Mapping[str, Spec], host: Host, there: Collection[str], path: str = SPEC
) -> Iterator[Finding]:
    """What is wrong with `path`, all of which making it anew may mend. `there`: which of its paths exist on the host."""
    spec = specs.get(path)
    if spec is None or spec.kind != KIND:
        what = (
            "There is no" if spec is None else f"{path} describes {spec.kind or 'nothing'}, and there is no"
        )
        yield Finding(
            f"{what} specification of {KIND} ({path}).", "nvidia-cdi-refresh.service writes it; see its log."
        )
        return
    stale = sorted(version for version in spec.drivers if host.driver and version != host.driver)
    if stale:
        yield Finding(
            f"{path} was made for driver {', '.join(stale)}, and {host.driver} is loaded.",
            "Restart nvidia-cdi-refresh.service.",
        )
    elif not spec.drivers:
        yield Finding(f"{path} names no driver.", "Restart nvidia-cdi-refresh.service.")
    yield from _readable(spec, host, path)
    lacking = sorted({"all", *host.uuids} - spec.names)
    if lacking:
        yield Finding(f"{path} lacks {', '.join(lacking)}.", "Restart nvidia-cdi-refresh.service.")
    unnamed = [node for node in NODES if node not in spec.nodes]
    if unnamed or not any(re.fullmatch(r"/dev/nvidia\d+", node) for node in spec.nodes):
        told = ", ".join(unnamed) or "/dev/nvidia0 and its like"
        yield Finding(
            f"{path} lacks {told}.",
            "It was made before these device nodes existed: have the driver loaded (nvidia-smi -L; modprobe nvidia-uvm), then "
            "restart nvidia-cdi-refresh.service.",
        )
    gone = sorted((spec.nodes | spec.host_paths) - set(there))
    if gone:
        more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
        yield Finding(
            f"{path} names {', '.join(gone[:3])}{more}, which the host does not have.",
            "Restart nvidia-cdi-refresh.service.",
        )


def _readable(spec: Spec, host: Host, path: str) -> Iterator[Finding]:
    if not host.podman:
        return
    most = ceiling(host.podman)
    if numbers(spec.version) > most or (spec.gids and most < GIDS_SINCE):
        gids = " with additionalGids" if spec.gids else ""
        yield Finding(
            f"{path} is of CDI {spec.version}{gids}, and podman {host.podman} reads up to {'.'.join(map(str, most))}.",
            f"Have the toolkit leave them out (NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS={FLAG}), or take toolkit 1.18.2.",
        )


def others(specs: Mapping[str, Spec], path: str = SPEC) -> list[str]:
    """Further files for the same kind: after a boot the one in /etc/cdi is what containers get, however old it is."""
    return sorted(each for each in ours(specs) if each != path)
