"""Which driver is wanted on a host, from facts, wishes and what apt offers. Pure.

Names and relations as in Ubuntu 24.04 (`linux-modules-nvidia-…` prebuilt and signed by Canonical) and in NVIDIA's own repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..facts import dpkg
from ..facts.gpu_model import Driver, Gpu
from ..preflight_types import Finding
from . import apt_data, package_set
from .apt_data import Offer, Stanza
from .package_set import One, PackageSet

ARCHIVE, NVIDIA = "archive", "nvidia"
FLOORS: Final[Mapping[str, str]] = {"Blackwell": "570.169"}
"""The first driver that NVIDIA validated for the generation (its driver requirements of 2026-05-21)."""
FLAVOURS: Final = {"virtual": "generic"}
"""Kernel flavours that run another one's kernel."""


@dataclass(frozen=True)
class Wishes:
    """Variables of the role, parsed."""

    source: str = ARCHIVE
    branch: str = "580-server"
    version: str = ""
    """Upstream; empty: what is there, or the newest that is offered."""
    open_modules: bool = True
    freeze: bool = True
    replace: bool = False
    """Whether another branch's packages may go."""
    packages: tuple[str, ...] = ()
    """Source nvidia: what is installed from its repository."""
    skip: Mapping[str, str] = field(default_factory=dict)
    disk_reserve_bytes: int = 1_000_000_000
    boot_reserve_bytes: int = 200_000_000


@dataclass(frozen=True)
class Here:
    """The host, as far as it decides here."""

    gpus: tuple[Gpu, ...]
    driver: Driver
    packages: Mapping[str, dpkg.Package]
    """As dpkg lists them."""
    running: str
    """The running kernel's release."""

    @property
    def now(self) -> PackageSet:
        return package_set.of_status(self.packages)

    @property
    def metapackages(self) -> tuple[str, ...]:
        """Kernel metapackages that are installed."""
        return tuple(
            sorted(
                n for n, one in self.packages.items() if package_set.is_kernel(n) and one.state == "installed"
            )
        )

    @property
    def flavours(self) -> tuple[str, ...]:
        """`generic`, `generic-hwe-24.04`: by which metapackages of modules go."""
        found = [n.removeprefix("linux-image-") for n in self.metapackages if n.startswith("linux-image-")]
        return tuple(dict.fromkeys(FLAVOURS.get(one, one) for one in found))

    @property
    def kernels(self) -> tuple[str, ...]:
        """Every kernel that could be booted, the running one first."""
        names = [one.kernel for one in self.driver.modules]
        return tuple(sorted(names, key=lambda name: (name != self.running, name)))

    def counts(self, kernel: str) -> bool:
        """Whether a boot may end there by itself: the running one and newer ones."""
        return apt_data.order(kernel) >= apt_data.order(self.running)


@dataclass(frozen=True)
class Names:
    """Packages that are asked for; what they need comes along."""

    user_space: tuple[str, ...]
    meta: tuple[str, ...] = ()
    """Modules, by kernel flavour."""
    modules: Mapping[str, str] = field(default_factory=dict)
    """Kernel → its modules."""
    common: str = ""
    """The package whose version modules name as theirs."""

    @property
    def every(self) -> tuple[str, ...]:
        return (*self.user_space, *self.meta, *self.modules.values())


def names(wishes: Wishes, here: Here) -> Names:
    """What is asked for by name."""
    if wishes.source == NVIDIA:
        return Names(wishes.packages)
    kind = "-open" if wishes.open_modules else ""
    stem = f"linux-modules-nvidia-{wishes.branch}{kind}"
    return Names(
        (f"nvidia-headless-no-dkms-{wishes.branch}{kind}", f"nvidia-utils-{wishes.branch}"),
        tuple(f"{stem}-{flavour}" for flavour in here.flavours),
        {kernel: f"{stem}-{_suffix(kernel)}" for kernel in here.kernels},
        f"nvidia-kernel-common-{wishes.branch}",
    )


def _suffix(release: str) -> str:
    """As far as a package's name may hold a release."""
    return re.sub(r"[^a-z0-9+.-]", "-", release.lower())


def settled(wishes: Wishes, here: Here) -> PackageSet | None:
    """The set as it shall be, where no package has to move: nothing need be fetched to know. None where one has to."""
    asked, now = names(wishes, here), here.now
    have = {name: apt_data.upstream(one.version) for name, one in now.items()}
    there = all(name in now for name in (*asked.user_space, *asked.meta))
    version_is = not wishes.version or all(have.get(name) == wishes.version for name in asked.user_space)
    whole = not any(one.state for one in now.values())
    alone = not others(wishes, here)
    if not (there and version_is and whole and alone) or here.driver.kernels_without:
        return None
    if wishes.source == ARCHIVE and any(
        name not in now for kernel, name in asked.modules.items() if here.counts(kernel)
    ):
        return None
    return package_set.frozen(now, here.metapackages) if wishes.freeze else now


def others(wishes: Wishes, here: Here) -> tuple[str, ...]:
    """Installed packages of another branch or of the other kind of modules."""
    if wishes.source == NVIDIA:
        return ()
    found = []
    branch = re.compile(r"nvidia-(?:[a-z0-9-]*?-)?(\d{3}(?:-server)?)(-open)?(?:-|$)")
    for name in here.now:
        said = branch.search(name)
        is_module = "modules-nvidia" in name or "headless" in name or "kernel-source" in name
        if said and (said[1] != wishes.branch or (is_module and bool(said[2]) != wishes.open_modules)):
            found.append(name)
    return tuple(sorted(found))


@dataclass(frozen=True)
class Choice:
    """Versions that are asked of apt, and what stands in the way of it."""

    version: str = ""
    """Upstream."""
    packages: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def choose(wishes: Wishes, here: Here, offer: Offer, branches: Iterable[str] = ()) -> Choice:
    """One version for user space and modules of every kernel, or every reason why there is none."""
    asked = names(wishes, here)
    if problem := _ended(wishes, asked, offer, branches):
        return Choice(findings=(problem,))
    offered = _common_versions(asked.user_space, offer)
    version = wishes.version or _kept(asked, here) or apt_data.newest(offered)
    if version not in offered:
        what = (
            f"driver {version} of branch {wishes.branch} is not offered"
            if version
            else "no version is offered by all"
        )
        known = ", ".join(sorted(offered, key=apt_data.order)) or "none"
        fix = f"Offered: {known}. Set nvidia_driver_version to one of them."
        return Choice(version, findings=(fail("version", what, ", ".join(asked.user_space), fix),))
    # What else is installed of the driver goes along, whether or not anything else needs it.
    chosen = _along(version, here, offer)
    chosen |= {name: offered[version][name] for name in asked.user_space}
    findings = list(_floor(version, here))
    if wishes.source == ARCHIVE:
        modules, more = _modules(version, asked, here, offer)
        chosen |= modules
        findings += more
    return Choice(version, chosen, tuple(findings))


def _ended(wishes: Wishes, asked: Names, offer: Offer, branches: Iterable[str]) -> Finding | None:
    for name in asked.user_space:
        stanzas = offer.get(name, ())
        if not stanzas:
            known = ", ".join(sorted(branches, key=apt_data.order)) or "none"
            fix = f"Branches offered: {known}. Set nvidia_driver_branch to one of them."
            return fail("branch", f"apt knows no {name}", f"nvidia_driver_branch: {wishes.branch}", fix)
        if all(one.leads_to for one in stanzas):
            fix = "Set nvidia_driver_branch to the branch that it leads to: by name it would move by itself."
            what = (
                f"branch {wishes.branch} has ended: {name} is transitional and leads to {stanzas[0].leads_to}"
            )
            return fail("branch", what, f"nvidia_driver_branch: {wishes.branch}", fix)
    return None


def _common_versions(user_space: Iterable[str], offer: Offer) -> dict[str, dict[str, str]]:
    """Upstream version → name → package version, of versions that all of them have; the newest revision of each."""
    found: dict[str, dict[str, str]] = {}
    wanted = tuple(user_space)
    for name in wanted:
        for stanza in offer.get(name, ()):
            if not stanza.leads_to and (upstream := apt_data.upstream(stanza.version)):
                found.setdefault(upstream, {}).setdefault(name, stanza.version)
    return {version: by_name for version, by_name in found.items() if set(by_name) == set(wanted)}


def _kept(asked: Names, here: Here) -> str:
    """What is there already stays: nothing moves unasked."""
    there = {apt_data.upstream(here.now[name].version) for name in asked.user_space if name in here.now}
    return there.pop() if len(there) == 1 else ""


def _floor(version: str, here: Here) -> Iterable[Finding]:
    for card in here.gpus:
        floor = FLOORS.get(card.architecture, "")
        if floor and apt_data.order(version) < apt_data.order(floor):
            what = f"driver {version} is older than {floor}, the first for {card.architecture}"
            yield fail("version", what, card.address, "Choose a newer branch: nvidia_driver_branch.")
            return


def _along(version: str, here: Here, offer: Offer) -> dict[str, str]:
    of_version = {
        name: next(
            (one.version for one in offer.get(name, ()) if apt_data.upstream(one.version) == version), ""
        )
        for name in here.now
    }
    return {name: found for name, found in of_version.items() if found}


def _modules(version: str, asked: Names, here: Here, offer: Offer) -> tuple[dict[str, str], list[Finding]]:
    """The modules of every kernel in this version; a kernel that would boot without is a finding."""
    chosen: dict[str, str] = {}
    findings: list[Finding] = []
    for name in asked.meta:
        if stanza := _made_for(version, offer.get(name, ()), asked.common):
            chosen[name] = stanza.version
        else:
            what = (
                f"there is no {name} for driver {version}, so that a new kernel would come without its module"
            )
            findings.append(fail("modules", what, "apt", _other(offer.get(name, ()), asked.common)))
    for kernel, name in asked.modules.items():
        stanza = _made_for(version, offer.get(name, ()), asked.common)
        if stanza:
            chosen[name] = stanza.version
        elif here.counts(kernel):
            which = "the running kernel" if kernel == here.running else "a kernel that the next boot may take"
            what = f"no prebuilt module of driver {version} for {kernel}, {which}"
            findings.append(fail("modules", what, name, _other(offer.get(name, ()), asked.common)))
        else:
            what = f"no prebuilt module of driver {version} for {kernel}, older than the running kernel"
            findings.append(warn("modules", what, name, "Do not boot it, or remove it."))
    return chosen, findings


def _made_for(version: str, stanzas: Iterable[Stanza], common: str) -> Stanza | None:
    return next((one for one in stanzas if apt_data.bound(one, common) == version), None)


def _other(stanzas: Iterable[Stanza], common: str) -> str:
    known = {apt_data.bound(one, common) for one in stanzas} - {""}
    if known:
        return f"It is there for {', '.join(sorted(known, key=apt_data.order))}: set nvidia_driver_version to that."
    return "Install a kernel of Ubuntu's (linux-image-generic) and boot it, or remove that kernel."


def after(here: Here, simulation: str, version: str, wishes: Wishes) -> PackageSet:
    """The set as it would be after what apt would do, without what is of another version by its very name (firmware)."""
    coming = apt_data.would_come(simulation)
    gone = {*apt_data.would_go(simulation), *(name for name in here.now if _named_for_another(name, version))}
    kept = {name: one for name, one in here.now.items() if name not in gone}
    came = {
        name: One(version, held=name in kept and kept[name].held)
        for name, version in coming.items()
        if package_set.is_driver(name)
    }
    metapackages = {*here.metapackages, *filter(package_set.is_kernel, coming)} - gone
    # Whole again: apt configures what it finds.
    found = {name: One(one.version, one.held) for name, one in {**kept, **came}.items()}
    return package_set.frozen(found, metapackages) if wishes.freeze else found


def _named_for_another(name: str, version: str) -> bool:
    found = re.search(r"-([0-9]{3,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?)$", name)
    return found is not None and found[1] != version


def fail(name: str, what: str, where: str, fix: str) -> Finding:
    return Finding(name, "fail", what, where, fix)


def warn(name: str, what: str, where: str, fix: str) -> Finding:
    return Finding(name, "warn", what, where, fix)
