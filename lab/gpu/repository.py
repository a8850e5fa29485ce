"""Both repositories, driver and toolkit, as one part in the cache; signed anew for each lab host with a key of its own."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hostproof.play import checks
from lab.gpu import driver_packages, package, toolkit_packages
from lab.gpu.driver_packages import MODULES, Compiled
from lab.parts import command, paths
from lab.parts.part import Part, Say, recipe_of
from lab.parts.run import run

HERE: Final = Path(__file__).parent
SOURCE: Final = HERE / "source"
MADE_BY: Final = ("package", "driver_packages", "toolkit_packages", "repository")
ARCHIVE: Final = "repository.tar"
TOOLS: Final = checks.GPU
DRIVER: Final = "driver"
TOOLKIT: Final = "toolkit"
COMPONENT: Final = "restricted"
ARCHITECTURE: Final = "amd64"
KEY: Final = "hostproof-lab.asc"
USER: Final = "hostproof lab <lab@example.invalid>"
KEY_LIFE: Final = "30d"
CUDA: Final = {driver_packages.OLDER.upstream: 13000, driver_packages.NEWER.upstream: 13000}
FLAGS: Final = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wno-deprecated-non-prototype")
LICENSES: Final = {"open": "Dual MIT/GPL", "proprietary": "NVIDIA"}
MEND: Final = "See what the command says; `rm -r` of the part's folder in the cache makes it anew."


def running() -> str:
    """A container runs this machine's kernel, and its driver's modules are of that name."""
    return os.uname().release


def the_part() -> Part:
    release = running()
    sources = [*sorted(SOURCE.iterdir()), *(HERE / f"{name}.py" for name in MADE_BY)]
    return Part(
        folder=paths.cache() / "gpu-repository",
        title="repositories of stand-in NVIDIA packages",
        takes="about 5 s",
        needs_bytes=20_000_000,
        recipe=recipe_of(release, *sources),
        make=lambda work, say: make(work, say, release),
    )


def make(work: Path, say: Say, release: str) -> Mapping[str, str]:
    """One archive; unsigned, since each lab host gets a key of its own."""
    del say  # one short step
    checks.ensure("lab.up --gpu", TOOLS)
    with tempfile.TemporaryDirectory(dir=work.parent, prefix=".gpu-") as name:
        folder = Path(name)
        made = {version: compiled(folder / version, version) for version in CUDA}
        root = folder / "root"
        for suite, packages in driver_packages.suites(release, made).items():
            _driver_suite(root / DRIVER, suite, packages, folder / suite)
        for one in toolkit_packages.all_versions((SOURCE / "nvidia-ctk").read_text(encoding="utf-8")):
            package.build(one, folder / "w", root / TOOLKIT)
        index = run(
            ["sh", "-c", 'cd "$1" && apt-ftparchive packages .', "sh", str(root / TOOLKIT)],
            seconds=60,
            mend=MEND,
        )
        (root / TOOLKIT / "Packages").write_text(index, encoding="utf-8")
        _release(root / TOOLKIT, {"Origin": "NVIDIA", "Label": "hostproof lab"})
        with tarfile.open(work / ARCHIVE, "w") as archive:
            archive.add(root, arcname=".")
    return {"kernel": release}


def compiled(work: Path, version: str) -> Compiled:
    """Everything of one driver version. Raises HostproofError with the compiler's own words."""
    work.mkdir(parents=True)
    defined = [f'-DLIBRARY_VERSION="{version}"', f"-DCUDA_VERSION={CUDA.get(version, 13000)}"]
    shared = ["-shared", "-fPIC"]

    def gcc(source: str, *flags: str) -> bytes:
        out = work / "out"
        run(["gcc", *FLAGS, *defined, *flags, "-o", str(out), str(SOURCE / source)], seconds=120, mend=MEND)
        return out.read_bytes()

    def module(name: str, flavour: str) -> bytes:
        return gcc("module.c", "-c", f'-DLICENSE="{LICENSES[flavour]}"', f'-DMODULE_NAME="{name}"')

    return Compiled(
        nvml=gcc("nvml.c", *shared, "-fvisibility=hidden", "-Wl,-soname,libnvidia-ml.so.1"),
        cuda=gcc("cuda.c", *shared, "-Wl,-soname,libcuda.so.1"),
        smi=gcc("smi.c", "-ldl"),
        persistenced=gcc("persistenced.c", "-ldl"),
        modules={(name, flavour): module(name, flavour) for name in MODULES for flavour in LICENSES},
    )


def _driver_suite(root: Path, suite: str, packages: list[package.Package], work: Path) -> None:
    pool = f"pool/{suite}"
    for one in packages:
        package.build(one, work, root / pool)
    folder = root / "dists" / suite
    binary = folder / COMPONENT / f"binary-{ARCHITECTURE}"
    binary.mkdir(parents=True)
    # Names in it are relative to where it was called.
    index = run(
        ["sh", "-c", 'cd "$1" && apt-ftparchive packages "$2"', "sh", str(root), pool], seconds=60, mend=MEND
    )
    (binary / "Packages").write_text(index, encoding="utf-8")
    _release(
        folder,
        {"Origin": "Ubuntu", "Label": "Ubuntu", "Suite": suite, "Codename": "noble", "Components": COMPONENT},
    )


def _release(folder: Path, fields: Mapping[str, str]) -> None:
    said = {**fields, "Architectures": ARCHITECTURE}
    options = [
        word for key, value in said.items() for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")
    ]
    text = run(["apt-ftparchive", *options, "release", str(folder)], seconds=60, mend=MEND)
    (folder / "Release").write_text(text, encoding="utf-8")


def signed(target: Path) -> str:
    """Both repositories in `target`, with the public key beside them. Returns its fingerprint. The part must be there."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tarfile.open(the_part().folder / ARCHIVE) as archive:
        archive.extractall(target, filter="data")
    # A short path: gpg's agent listens on a socket there.
    with tempfile.TemporaryDirectory(prefix="hp-gpg-") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--quiet"]
        run(
            [*gpg, "--passphrase", "", "--quick-generate-key", USER, "ed25519", "sign", KEY_LIFE],
            seconds=60,
            mend=MEND,
        )
        for release in target.rglob("Release"):
            inline = str(release.with_name("InRelease"))
            run([*gpg, "--clearsign", "--output", inline, str(release)], seconds=60, mend=MEND)
            run(
                [*gpg, "--armor", "--detach-sign", "--output", f"{release}.gpg", str(release)],
                seconds=60,
                mend=MEND,
            )
        (target / KEY).write_text(run([*gpg, "--armor", "--export"], seconds=60, mend=MEND), encoding="ascii")
        shown = run([*gpg, "--with-colons", "--list-keys"], seconds=60, mend=MEND)
        run(["gpgconf", "--homedir", home, "--kill", "all"], seconds=60, mend=MEND)
    found = re.search(r"^fpr:+([0-9A-F]{40}):", shown, re.MULTILINE)
    return found[1] if found else ""


if __name__ == "__main__":
    raise SystemExit(command.main(the_part))
