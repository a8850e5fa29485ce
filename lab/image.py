"""Image of a lab host: from a registry's base, else from Debian's packages; kept while the recipe is."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab.machine import Machine
from lab.parts import part, paths
from lab.podman import Root

Say = Callable[[str], None]
FILES: Final = Path(__file__).parent / "files"
REPOSITORY: Final = "localhost/hostproof-lab"
REGISTRY: Final = "https://registry-1.docker.io/v2/"
PROBE_SECONDS: Final = 5
MIRROR: Final = "http://deb.debian.org/debian"
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MEND_BUILD: Final = (
    "See that the archive answers (HOSTPROOF_DEBIAN_MIRROR names another for Debian), then run it again."
)


@dataclass(frozen=True)
class Base:
    """`reference` is an image in a registry; where it is empty, `suites` are put together from packages.

    `python` is the interpreter that a vLLM release on this host is built for.
    """

    name: str
    python: str
    reference: str = ""
    suites: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


UBUNTU: Final = Base("ubuntu-24.04", "3.12", reference="docker.io/library/ubuntu:24.04")
DEBIAN: Final = Base("debian-13", "3.13", reference="docker.io/library/debian:13")
PACKAGES: Final = Base(
    "debian-13-packages",
    "3.11",
    suites=("trixie", "bookworm"),
    # Where there is no registry, torch's CPU wheel may exist for CPython 3.11 alone; only bookworm has that.
    extra=("python3.11", "libpython3.11-dev"),
)
BASES: Final = {base.name: base for base in (UBUNTU, DEBIAN, PACKAGES)}
AUTO: Final = "auto"
BASE_VARIABLE: Final = "HOSTPROOF_LAB_BASE"


def packages(base: Base) -> list[str]:
    lines = (FILES / "packages.txt").read_text(encoding="utf-8").splitlines()
    return [*(line for line in lines if line and not line.startswith("#")), *base.extra]


def tag(base: Base) -> str:
    """The image's name says its recipe, so another recipe is another image."""
    digest = hashlib.sha256(repr((base, MMDEBSTRAP)).encode())
    for file in sorted(FILES.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{REPOSITORY}:{base.name}-{digest.hexdigest()[:12]}"


def wanted(option: str) -> str:
    """What --base says, else HOSTPROOF_LAB_BASE: it also reaches the demo's host and molecule's."""
    where, name = "--base", option
    if option == AUTO:
        where, name = BASE_VARIABLE, os.environ.get(BASE_VARIABLE) or AUTO
    if name not in (AUTO, *BASES):
        mend = f"Known: {AUTO}, {', '.join(BASES)}."
        raise HostproofError(f"unknown base {name!r}", where=where, mend=mend)
    return name


def choose(name: str, *, cached: Callable[[Base], bool], answers: Callable[[], bool]) -> Base:
    """Ubuntu is the product's target; Debian's packages do where no registry answers. A cached one wins."""
    if name != AUTO:
        return BASES[name]
    for base in (UBUNTU, PACKAGES):
        if cached(base):
            return base
    return UBUNTU if answers() else PACKAGES


def registry_answers() -> bool:
    """Any HTTP answer will do: without a login it is 401."""
    try:
        with urllib.request.urlopen(REGISTRY, timeout=PROBE_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def is_cached(root: Root, base: Base) -> bool:
    return root.attempt(["podman", "image", "exists", tag(base)]).status == 0


def build(root: Root, base: Base, say: Say) -> str:
    """The image's name; made now where it is missing."""
    name = tag(base)
    if is_cached(root, base):
        return name
    folder = paths.cache() / "lab-image"
    with part.alone(folder, say):
        if is_cached(root, base):  # another checkout has just made it
            return name
        say(f"building the image {name} (once; one to three minutes)")
        if base.reference:
            root.run(["podman", "pull", "--quiet", base.reference], seconds=300, mend=MEND_BUILD)
            root.run(build_argv(base, root.machine, name), seconds=900, mend=MEND_BUILD)
        else:
            _build_from_packages(root, base, folder, name)
    return name


def _build_from_packages(root: Root, base: Base, folder: Path, name: str) -> None:
    # A fixed name under the lock: what a killed run left is found and removed.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        archive = str(folder / "rootfs.tar")
        root.run(mmdebstrap_argv(base, archive), seconds=1200, mend=MEND_BUILD)
        root.run(import_argv(base, archive, name), seconds=300, mend=MEND_BUILD)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_all(root: Root) -> None:
    """Takes away every cached image of the lab that no container uses."""
    for row in root.listed("images", "--format", "json", "--filter", "label=hostproof.lab.image"):
        root.attempt(["podman", "image", "rm", str(row["Id"])], seconds=120)


def build_argv(base: Base, machine: Machine, name: str) -> list[str]:
    # The machine's own network: a bridge may be cut off by another container engine's firewall rules.
    limits = machine.limits.ulimits() if machine.limits else ()
    return [
        "podman",
        *(["--runtime", machine.runtime] if machine.runtime else []),
        *["build", "--quiet", "--pull=never", "--network=host", f"--tag={name}"],
        *(f"--ulimit={limit}" for limit in limits),
        *(f"--label={label}" for label in labels(base)),
        f"--build-arg=BASE={base.reference}",
        f"--build-arg=PACKAGES={' '.join(packages(base))}",
        str(FILES),
    ]


MMDEBSTRAP: Final = (
    "--variant=minbase",
    "--components=main",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
)


def mmdebstrap_argv(base: Base, archive: str) -> list[str]:
    first = base.suites[0]
    mirror = os.environ.get("HOSTPROOF_DEBIAN_MIRROR") or MIRROR
    return [
        "mmdebstrap",
        *MMDEBSTRAP,
        *([f"--keyring={KEYRING}"] if KEYRING.exists() else []),
        # The other suites only give what the first one lacks.
        f'--aptopt=APT::Default-Release "{first}"',
        f"--include={','.join(packages(base))}",
        '--customize-hook=mkdir "$1/lab-files"',
        f'--customize-hook=cp -r "{FILES}/." "$1/lab-files/"',
        '--customize-hook=chroot "$1" sh /lab-files/prepare.sh',
        '--customize-hook=rm -r "$1/lab-files"',
        *[first, archive],
        *(f"deb {mirror} {suite} main" for suite in base.suites),
    ]


def import_argv(base: Base, archive: str, name: str) -> list[str]:
    changes = ['CMD ["/sbin/init"]', *(f"LABEL {label}" for label in labels(base))]
    return ["podman", "import", "--quiet", *(f"--change={change}" for change in changes), archive, name]


def labels(base: Base) -> list[str]:
    return [f"hostproof.lab.image={base.name}", f"hostproof.lab.python={base.python}"]
