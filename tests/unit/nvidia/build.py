"""Hosts, and what apt says there: recorded from apt 3.0 on a lab host, with Ubuntu's kernel names in place of the machine's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hostproof.shared.facts import dpkg
from hostproof.shared.facts.gpu_model import Driver, Gpu, KernelModule
from hostproof.shared.nvidia import apt_data
from hostproof.shared.nvidia.wanted import Here, Wishes

RECORDED = Path(__file__).parent / "recorded"
KERNEL, NEXT, OLD = "6.8.0-87-generic", "6.8.1-87-generic", "6.8.0-40-generic"
OLDER, NEWER = "580.95.05", "580.173.02"
MAX_Q = Gpu(
    "0000:c1:00.0", "10de:2bb4", "RTX PRO 6000 Blackwell Max-Q Workstation Edition", "Blackwell", True
)
ADA = Gpu("0000:c1:00.0", "10de:2684", "GeForce RTX 4090", "Ada Lovelace", False)
UNKNOWN = Gpu("0000:c1:00.0", "10de:0001")
STATUS = (RECORDED / "status.txt").read_text(encoding="utf-8")
OFFER = apt_data.parse_show((RECORDED / "show.txt").read_text(encoding="utf-8"))
WISHES = Wishes()


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def host(
    status: str = STATUS,
    *,
    gpus: tuple[Gpu, ...] = (MAX_Q,),
    kernels: tuple[str, ...] = (KERNEL,),
    without: tuple[str, ...] = (),
    **driver: Any,
) -> Here:
    """As `look` of the module makes it, from dpkg's list."""
    packages = dpkg.parse(dpkg.distil(status.encode()).decode())
    modules = tuple(KernelModule(kernel, running=kernel == KERNEL) for kernel in kernels)
    transitional = tuple(name for name, one in packages.items() if one.transitional)
    known = {"transitional": transitional, **driver}
    return Here(gpus, replace(Driver(), modules=modules, kernels_without=without, **known), packages, KERNEL)


def bare(**more: Any) -> Here:
    """A new host: a kernel and its metapackages, no driver, nothing held."""
    stanzas = [one for one in STATUS.split("\n\n") if "nvidia" not in one.split("\n")[0]]
    return host("\n\n".join(stanzas).replace("hold ok", "install ok"), **more)


def stanza(name: str, version: str, state: str = "install ok installed", description: str = "x") -> str:
    return f"\nPackage: {name}\nStatus: {state}\nVersion: {version}\nDescription: {description}\n"
