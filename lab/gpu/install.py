"""Puts a profile's card and its repositories into a lab host, over ssh as whoever else works on it."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from hostproof.play import checks
from lab import inventory
from lab.gpu import driver_packages, profiles, repository
from lab.gpu.profiles import Profile
from lab.parts import part
from lab.records import CONTAINER, Record

Say = Callable[[str], None]
HOST_FILES: Final = Path(__file__).parent / "host"
REAL_DRIVER: Final = Path("/proc/driver/nvidia")
SERVED: Final = "srv/hostproof-gpu"
KEYRING: Final = "usr/share/keyrings/hostproof-lab-gpu.asc"
SOURCES: Final = "etc/apt/sources.list.d/hostproof-lab-ubuntu.sources"
PLACES: Final = {
    "lab-gpu": ("usr/local/sbin/lab-gpu", 0o755),
    "lab-podman4": ("usr/local/sbin/lab-podman4", 0o755),
    "modprobe": ("usr/local/sbin/modprobe", 0o755),
    "rmmod": ("usr/local/sbin/rmmod", 0o755),
    "hostproof-gpu.service": ("etc/systemd/system/hostproof-gpu.service", 0o644),
}
SECONDS: Final = 120
SOURCE_TEXT: Final = f"""# The lab's stand-in for the part of Ubuntu's archive that has NVIDIA's driver.
Types: deb
URIs: file:/{SERVED}/{repository.DRIVER}
Suites: noble noble-updates
Components: {repository.COMPONENT}
Architectures: {repository.ARCHITECTURE}
Signed-By: /{KEYRING}
"""
# The kernel that runs is there as a package, as on any Ubuntu host.
SETTLE: Final = f"""set -e
export DEBIAN_FRONTEND=noninteractive
# The image's default release counts where the archive's lists are there.
none='-o APT::Default-Release='
apt-get -qq update $none -o Dir::Etc::SourceList=/{SOURCES} -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0
apt-get -qq install $none --yes --no-install-recommends \
  linux-generic={{version}} linux-image-generic={{version}} linux-headers-generic={{version}} > /dev/null
systemctl daemon-reload
systemctl enable --quiet --now hostproof-gpu.service
"""


def ready(wanted: str, kind: str, *, install: bool) -> Profile | None:
    """The profile that was asked for. Raises HostproofError for one that there is not, or where a stand-in would do harm."""
    if not wanted:
        return None
    profile = profiles.load(wanted)
    if kind != CONTAINER:
        mend = "Leave out --kind: the packages' kernels have a name and nothing to boot."
        raise HostproofError(f"a host of the kind {kind} gets no GPU", where="--gpu", mend=mend)
    if REAL_DRIVER.exists():
        mend = "Use a machine without one: device nodes of the same numbers would lead to the real card."
        raise HostproofError(
            "this machine has an NVIDIA driver of its own", where=str(REAL_DRIVER), mend=mend
        )
    checks.ensure("lab.up --gpu", repository.TOOLS, install=install)
    return profile


def put(record: Record, wanted: str, profile: Profile, say: Say) -> Record:
    """The record of a host that has that card now; unchanged where it has it already."""
    if record.gpu == wanted:
        return record
    if record.gpu:
        raise HostproofError(
            f"{record.name} has another GPU, {record.gpu}",
            where="--gpu",
            mend=f"Run lab.down --name {record.name} first, or ask for --gpu {record.gpu}.",
        )
    part.obtain(repository.the_part(), say=say)
    served = Path(record.folder) / "gpu"
    fingerprint = repository.signed(served)
    _ssh(record, "sudo tar --extract --no-same-owner --directory /", _archive(profile, served))
    now, _ = driver_packages.kernels(repository.running())
    _ssh(record, "sudo sh -s", SETTLE.format(version=now.version).encode())
    say(f"{record.name}: has {len(profile.cards)} × {profile.title}, without a driver")
    return dataclasses.replace(record, gpu=wanted, gpu_key=fingerprint)


def _archive(profile: Profile, served: Path) -> bytes:
    """Files alone: a folder in it would change the mode of the host's own."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, mode, data in _files(profile, served):
            member = tarfile.TarInfo(path)
            member.mode, member.size = mode, len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def _files(profile: Profile, served: Path) -> Iterator[tuple[str, int, bytes]]:
    for name, (path, mode) in PLACES.items():
        yield path, mode, (HOST_FILES / name).read_bytes()
    told = json.dumps({"name": profile.name, "cards": profile.cards}, indent=1)
    yield "usr/local/lib/hostproof-gpu/profile.json", 0o644, told.encode()
    yield KEYRING, 0o644, (served / repository.KEY).read_bytes()
    yield SOURCES, 0o644, SOURCE_TEXT.encode()
    for file in sorted(served.rglob("*")):
        if file.is_file():
            yield f"{SERVED}/{file.relative_to(served)}", 0o644, file.read_bytes()


def _ssh(record: Record, command: str, stdin: bytes) -> None:
    argv = inventory.ssh_argv(record, [command])
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-1000:]
        raise HostproofError(
            f"{record.name} could not be given a GPU: {said}",
            where=command,
            mend=f"Run lab.down --name {record.name}, then lab.up again.",
        )
