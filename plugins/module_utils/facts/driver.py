"""NVIDIA's driver: loaded, on disk, wanted; and what follows when they differ. `verdict` is pure and decides."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import dpkg, kernel, modinfo
from .gpu_model import Driver, Gpu, KernelModule, Nvml
from .tree import Tree

LOADED = "/sys/module/nvidia"
SAID = "/proc/driver/nvidia/version"
NOUVEAU = "/sys/module/nouveau"
LIBRARY = "libnvidia-ml.so.1"
LIBRARY_FOLDERS = (
    *("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"),
    "/usr/lib/x86_64-linux-gnu/nvidia/current",  # Debian's alternatives
)
FIRMWARE = "/lib/firmware/nvidia"
PIN = "/etc/apt/preferences.d/hostproof-nvidia"
SOURCES = "/etc/apt/sources.list.d"
CUDA_REPOSITORY = b"developer.download.nvidia.com/compute/cuda"
RUNFILE = "/usr/bin/nvidia-uninstall"
DKMS = "/var/lib/dkms/nvidia"
MOK_LIST = "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
MOK_KEYS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub")
"""Where Ubuntu and Debian keep the key that DKMS signs with."""
TOOLKIT = "nvidia-container-toolkit-base"
VERSION = r"[0-9]{3,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?"
RELEASE = r"[\w.+~-]{1,80}"


def read(tree: Tree, gpus: tuple[Gpu, ...], nvml: Nvml, answers: Mapping[str, Any], wanted: str) -> Driver:
    """`answers` are modinfo's, by kernel."""
    packages = dpkg.parse(tree.text(dpkg.STATUS, distil=dpkg.distil))
    ours = {name: one for name, one in packages.items() if "nvidia" in name}
    loaded, said = _loaded(tree)
    modules = tuple(_modules(tree, answers))
    running = next((one for one in modules if one.running), KernelModule(""))
    library = _library(tree)
    toolkit = packages.get(TOOLKIT)
    driver = Driver(
        loaded=loaded,
        on_disk=running.version or library,
        wanted=wanted or _pinned(tree),
        flavour=said if loaded else running.flavour,
        in_use=tree.number(f"{LOADED}/refcnt"),
        library=library,
        modules=modules,
        kernels_without=_kernels_without(tree, modules, library),
        gsp_firmware=tree.names(FIRMWARE, VERSION),
        packages={name: one.version for name, one in sorted(ours.items()) if one.state == "installed"},
        held=tuple(sorted(name for name, one in packages.items() if one.selection == "hold")),
        transitional=tuple(sorted(name for name, one in ours.items() if one.transitional)),
        half_installed=tuple(
            sorted(
                name
                for name, one in ours.items()
                if one.state not in ("installed", "config-files", "not-installed")
            )
        ),
        toolkit=toolkit.version if toolkit and toolkit.state == "installed" else "",
        foreign=tuple(_foreign(tree, ours)),
        nouveau=tree.exists(NOUVEAU),
        secure_boot=kernel.read_secure_boot(tree),
        module_key=_module_key(tree),
        device_nodes=tree.names("/dev", r"nvidia[a-z0-9-]{0,20}"),
        nvml=nvml,
    )
    state, why = verdict(driver, gpus)
    return Driver(**{**vars(driver), "state": state, "why": why})


def verdict(driver: Driver, gpus: Iterable[Gpu]) -> tuple[str, str]:
    """One word and one sentence. What is worst comes first; an empty sentence where all is well."""
    cards = list(gpus)
    running = next((one for one in driver.modules if one.running), KernelModule(""))
    return _of_loaded(driver, cards, running) if driver.loaded else _of_none(driver, cards, running)


def _of_none(driver: Driver, cards: list[Gpu], running: KernelModule) -> tuple[str, str]:
    if not cards:
        return "no-card", "no NVIDIA card is on the PCI bus and no driver is loaded"
    if running.version:
        return "not-loaded", f"module {running.version} is on disk for this kernel and is not loaded"
    if driver.library or driver.packages:
        return "no-module", f"the running kernel {running.kernel} has no nvidia module on disk"
    return "not-installed", "no NVIDIA driver is installed"


def _of_loaded(driver: Driver, cards: list[Gpu], running: KernelModule) -> tuple[str, str]:
    others = {"libraries": driver.library, "module for this kernel": running.version}
    differing = [f"the {what} on disk: {v}" for what, v in others.items() if v and v != driver.loaded]
    if differing or driver.nvml.state == "mismatch":
        found = ", ".join(differing) or "NVML is of another version"
        return "reboot-required", f"{driver.loaded} is loaded; {found}"
    if driver.flavour == "proprietary" and any(card.open_modules_only for card in cards):
        return "wrong-flavour", "the proprietary module is loaded, and this card needs the open one"
    if driver.nvml.state not in ("ok", "not-asked"):
        return "broken", f"{driver.loaded} is loaded, and NVML says: {driver.nvml.said}"
    asked = driver.nvml.state == "ok"
    silent = [card.address or f"GPU {card.index}" for card in cards if asked and not card.answers]
    if silent:
        return "broken", f"the driver does not bring up {', '.join(silent)}; the kernel's log says why (NVRM)"
    return "ok", ""


def _loaded(tree: Tree) -> tuple[str, str]:
    """Version and flavour of the module in memory."""
    said = tree.text(SAID)
    flavour = "open" if "Open Kernel Module" in said else "proprietary" if "Kernel Module" in said else ""
    found = re.search(rf"\b({VERSION})\b", said)
    return tree.text(f"{LOADED}/version") or (found[1] if found else ""), flavour


def kernels(tree: Tree) -> list[str]:
    """Every kernel that could be booted, the running one among them."""
    release = tree.text("/proc/sys/kernel/osrelease")
    there = [name.removeprefix("vmlinuz-") for name in tree.names("/boot", rf"vmlinuz-{RELEASE}")]
    return [*there, *([release] if release and release not in there else [])]


def _modules(tree: Tree, answers: Mapping[str, Any]) -> Iterator[KernelModule]:
    release = tree.text("/proc/sys/kernel/osrelease")
    for name in kernels(tree):
        said = answers.get(name)
        said = said if isinstance(said, Mapping) else {}
        if problem := said.get("problem"):
            tree.note(f"/lib/modules/{name}", str(problem))
        version = said.get("version", "")
        flavour = modinfo.LICENSES.get(str(said.get("license", "")), "")
        yield KernelModule(name, version if isinstance(version, str) else "", flavour, name == release)


def _kernels_without(tree: Tree, modules: tuple[KernelModule, ...], library: str) -> tuple[str, ...]:
    """None where no driver is installed at all, nor where nobody could be asked."""
    if not (library or any(one.version for one in modules)):
        return ()
    running = next((_order(one.kernel) for one in modules if one.running), ())
    unknown = tree.unreadable
    return tuple(
        one.kernel
        for one in modules
        if not one.version and _order(one.kernel) >= running and f"/lib/modules/{one.kernel}" not in unknown
    )


def _order(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]{1,9}", release)))


def _library(tree: Tree) -> str:
    """From the name that the library's link leads to."""
    for folder in LIBRARY_FOLDERS:
        name = tree.link(f"{folder}/{LIBRARY}")
        if found := re.fullmatch(rf"libnvidia-ml\.so\.({VERSION})", name):
            return found[1]
    return ""


def _pinned(tree: Tree) -> str:
    found = re.search(rf"^Pin: version ({VERSION})", tree.text(PIN, distil=distil_pin), re.MULTILINE)
    return found[1] if found else ""


def distil_pin(raw: bytes) -> bytes:
    return b"\n".join(line for line in raw.splitlines() if line.startswith((b"Package:", b"Pin")))


def _foreign(tree: Tree, packages: Mapping[str, dpkg.Package]) -> Iterator[str]:
    if tree.exists(RUNFILE):
        yield f"NVIDIA's runfile ({RUNFILE})"
    if not any(name.startswith("nvidia-dkms-") for name in packages):
        for version in tree.names(DKMS, VERSION):
            yield f"DKMS module {version} of no package ({DKMS})"
    for name in tree.names(SOURCES, r".{1,80}\.(?:list|sources)"):
        if tree.data(f"{SOURCES}/{name}", distil=distil_source):
            yield f"NVIDIA's CUDA repository ({SOURCES}/{name})"


def distil_source(raw: bytes) -> bytes:
    """Whether it is NVIDIA's repository; addresses may hold passwords."""
    used = any(CUDA_REPOSITORY in line.split(b"#")[0] for line in raw.splitlines())
    return CUDA_REPOSITORY if used else b""


def _module_key(tree: Tree) -> str:
    keys = [key for path in MOK_KEYS if (key := tree.text(path, distil=distil_key))]
    if not keys:
        return ""
    enrolled = tree.text(MOK_LIST, distil=distil_mok_list).split()
    return "enrolled" if set(keys) & set(enrolled) else "not-enrolled"


def distil_key(raw: bytes) -> bytes:
    """Its SHA-256: a certificate names the machine it was made on."""
    return raw if not raw or re.fullmatch(rb"[0-9a-f]{64}", raw) else hashlib.sha256(raw).hexdigest().encode()


def distil_mok_list(raw: bytes) -> bytes:
    """The SHA-256 of each certificate: four bytes of attributes, then EFI_SIGNATURE_LISTs (UEFI 2.10, 32.4.1)."""
    if re.fullmatch(rb"(?:[0-9a-f]{64}\n)*", raw):
        return raw
    found, at = [], 4
    while at + 28 <= len(raw):
        length, header, each = struct.unpack_from("<III", raw, at + 16)
        if length < 28 or each <= 16:
            break
        first = at + 28 + header
        for one in range(first, min(at + length, len(raw)) - each + 1, each):
            # 16 bytes say whose it is.
            found.append(hashlib.sha256(raw[one + 16 : one + each]).hexdigest() + "\n")
        at += length
    return "".join(found).encode()
