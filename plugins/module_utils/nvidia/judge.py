"""Everything that stands in the driver's way, before anything is touched: each finding with its mend. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..preflight_types import Finding
from . import apt_data
from .wanted import NVIDIA, Here, Wishes, fail, others, warn

IDS = (
    *("gpu", "card", "open", "secure_boot", "nouveau", "foreign", "branch", "version", "modules", "headers"),
    *("other_branch", "half_installed", "repository", "key", "conflict", "disk"),
)
CANNOT_SKIP = ("branch", "version", "modules", "conflict", "half_installed", "key", "skip")
"""Without these there is nothing that could be installed."""


def of_host(wishes: Wishes, here: Here) -> list[Finding]:
    """What facts alone tell."""
    return [finding for check in CHECKS for finding in check(wishes, here)]


def _gpu(_wishes: Wishes, here: Here) -> Iterator[Finding]:
    if not here.gpus:
        fix = "Look at the slot and the firmware (lspci -d 10de:), or leave the host out: nvidia_driver_branch: ''."
        yield fail("gpu", "there is no NVIDIA GPU on the PCI bus", "/sys/bus/pci/devices", fix)


def _card(_wishes: Wishes, here: Here) -> Iterator[Finding]:
    for card in here.gpus:
        if not card.card:
            fix = "It is worked with as it is; its generation decides the rest."
            yield warn(
                "card",
                f"{card.device_id or 'this card'} is not in the table of known GPUs",
                card.address,
                fix,
            )


def _open(wishes: Wishes, here: Here) -> Iterator[Finding]:
    for card in here.gpus:
        if card.open_modules_only and not wishes.open_modules:
            what = (
                f"{card.card or card.device_id} ({card.architecture}) is driven by the open kernel modules only: "
                "with the proprietary ones nvidia-smi says “No devices were found”"
            )
            yield fail("open", what, card.address, "Set nvidia_driver_open: true.")


def _secure_boot(wishes: Wishes, here: Here) -> Iterator[Finding]:
    if wishes.source == NVIDIA and here.driver.secure_boot and here.driver.module_key != "enrolled":
        what = "Secure Boot is on, and modules that are built here (DKMS) are signed with a key that the firmware does not know"
        fix = "Set nvidia_driver_source: archive (signed by Canonical), or enrol the key: mokutil --import, then a boot at the console."
        yield fail("secure_boot", what, "nvidia_driver_source: nvidia", fix)


def _nouveau(_wishes: Wishes, here: Here) -> Iterator[Finding]:
    if here.driver.nouveau:
        fix = "The driver's own packages keep it out from the next boot on."
        yield warn(
            "nouveau", "nouveau is loaded and has the card: a boot is needed", "/sys/module/nouveau", fix
        )


def _foreign(wishes: Wishes, here: Here) -> Iterator[Finding]:
    for one in here.driver.foreign:
        ours = "hostproof-nvidia.sources" in one
        if ours or (wishes.source == NVIDIA and "repository" in one):
            continue
        fix = "Remove it first (runfile: nvidia-uninstall; DKMS: dkms remove; a repository: its file), or set nvidia_driver_source: nvidia."
        yield fail("foreign", f"a driver from elsewhere is here: {one}", "the host", fix)


def _other_branch(wishes: Wishes, here: Here) -> Iterator[Finding]:
    found = others(wishes, here)
    if not found:
        return
    gone = [name for name in found if name in here.driver.transitional]
    what = f"packages of another branch are installed: {', '.join(found)}"
    if gone:
        what += f" (transitional, they lead elsewhere: {', '.join(gone)})"
    fix = "Set nvidia_driver_branch to theirs, or nvidia_driver_replace: true: they go, and undo brings them back."
    yield (warn if wishes.replace else fail)(
        "other_branch", what, f"nvidia_driver_branch: {wishes.branch}", fix
    )


def _half(_wishes: Wishes, here: Here) -> Iterator[Finding]:
    broken = [
        n
        for n, one in here.packages.items()
        if one.state not in ("installed", "config-files", "not-installed")
    ]
    if broken:
        what = f"dpkg was cut off: {', '.join(sorted(broken))} is not whole"
        yield fail(
            "half_installed", what, "dpkg --audit", "Run `sudo dpkg --configure -a` on the host, then go on."
        )


CHECKS = (_gpu, _card, _open, _secure_boot, _nouveau, _foreign, _other_branch, _half)


def of_update(said: str, *, needed: bool) -> list[Finding]:
    """Sources that did not answer or whose signature is not good; a failure only where the driver is missed for it."""
    make = fail if needed else warn
    fix = "Look at the source's file in /etc/apt/sources.list.d, at its key, and at the way there (proxy, mirror)."
    return (
        [make("repository", one, "apt-get update", fix) for one in apt_data.complaints(said)] if said else []
    )


def of_key(found: Sequence[str], wanted: str, url: str) -> list[Finding]:
    """The key's own fingerprint against the one that is declared; a second key is one too many."""
    asked = "".join(wanted.split()).upper()
    if list(found) == [asked]:
        return []
    what = f"the key has the fingerprint {', '.join(found)}, wanted is {asked or '(none)'}"
    fix = "Do not trust it before you have compared it elsewhere; then set nvidia_driver_repository.fingerprint."
    return [fail("key", what, url, fix)]


def of_headers(here: Here, have: Iterable[str], offered: Iterable[str]) -> list[Finding]:
    """Source nvidia builds its modules here: each kernel that may be booted needs its headers."""
    there = {*have, *offered}
    missing = [k for k in here.kernels if here.counts(k) and f"linux-headers-{k}" not in there]
    fix = "Install them, or set nvidia_driver_source: archive, whose modules are built already."
    return [
        fail("headers", f"there are no headers for {kernel}", f"linux-headers-{kernel}", fix)
        for kernel in missing
    ]


def of_disk(wishes: Wishes, fetch: int, install: int, free: Mapping[str, int]) -> list[Finding]:
    """`free`: bytes by path, of / and /boot."""
    found = []
    needed = fetch + install + wishes.disk_reserve_bytes
    if free.get("/", needed) < needed:
        what = f"{_gb(fetch + install)} come and {_gb(wishes.disk_reserve_bytes)} must stay free, {_gb(free['/'])} are free"
        found.append(fail("disk", what, "/", "Free some space there."))
    if free.get("/boot", wishes.boot_reserve_bytes) < wishes.boot_reserve_bytes:
        what = f"{_gb(free['/boot'])} are free, the initial RAM disks need {_gb(wishes.boot_reserve_bytes)}"
        found.append(
            fail("disk", what, "/boot", "Remove kernels that are not booted any more (apt autoremove).")
        )
    return found


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def with_skips(findings: Iterable[Finding], skip: Mapping[str, str]) -> list[Finding]:
    """Failures first; a skipped one is a warning that carries its reason."""
    found = [*_skips(skip), *(_skipped(finding, skip) for finding in findings)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.severity != "fail")


def _skipped(finding: Finding, skip: Mapping[str, str]) -> Finding:
    reason = "" if finding.id in CANNOT_SKIP else str(skip.get(finding.id, "")).strip()
    return replace(finding, severity="warn", fix=f"Skipped: {reason}") if reason else finding


def _skips(skip: Mapping[str, str]) -> Iterator[Finding]:
    may = [name for name in IDS if name not in CANNOT_SKIP]
    for name, reason in skip.items():
        if name not in may:
            close = difflib.get_close_matches(str(name), may, n=1)
            fix = f"Did you mean {close[0]}?" if close else f"Can be skipped: {', '.join(may)}."
            yield fail("skip", f"there is no finding {name!r} to skip", "nvidia_driver_skip", fix)
        elif not str(reason or "").strip():
            yield fail(
                "skip", f"{name!r} is skipped without a reason", "nvidia_driver_skip", "Write down why."
            )
