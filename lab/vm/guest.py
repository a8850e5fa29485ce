"""What a virtual host consists of, and the name of its image: pure."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab import image

FILES: Final = Path(__file__).parent / "files"
BASE: Final = "debian-13-vm"
PYTHON: Final = "3.13"
SUITE: Final = "trixie"
MEMORY_MIB: Final = 4096
DISK_MIB: Final = 4096
NODES: Final = 4
MAX_NODES: Final = 16

SECTOR: Final = 512
FIRST_SECTOR: Final = 2048
BOOT_CODE: Final = 440
DISK_SIGNATURE: Final = b"HPVM"
MKE2FS: Final = (
    *("-q", "-t", "ext4", "-m", "0", "-N", "131072", "-L", "hostproof"),
    # Newer than some GRUBs can read. Nothing is left to do for the first boot.
    *("-O", "^metadata_csum_seed,^orphan_file"),
    *("-E", f"offset={FIRST_SECTOR * SECTOR},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"),
)


@dataclass(frozen=True)
class Shape:
    """How large a host is. Every node has one CPU and an equal part of the memory; one node alone has two CPUs."""

    nodes: int = NODES

    @property
    def cpus(self) -> int:
        return max(2, self.nodes)

    @property
    def node_mib(self) -> int:
        return MEMORY_MIB // self.nodes


def shape(nodes: int) -> Shape:
    """Raises unless the nodes can be made, with memory left in each."""
    if not 1 <= nodes <= MAX_NODES:
        mend = f"Give a number from 1 to {MAX_NODES}."
        raise HostproofError(f"a host with {nodes} NUMA nodes cannot be made", where="--nodes", mend=mend)
    return Shape(nodes)


def packages() -> list[str]:
    lines = (FILES / "packages.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def recipe() -> str:
    """Twelve hexadecimal digits that change with anything the image is made of, this file among it."""
    digest = hashlib.sha256(repr(image.MMDEBSTRAP).encode())
    for file in (*sorted(FILES.iterdir()), Path(__file__)):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def mmdebstrap_argv(folder: str) -> list[str]:
    mirror = os.environ.get("HOSTPROOF_DEBIAN_MIRROR") or image.MIRROR
    return [
        *["mmdebstrap", "--mode=root", *image.MMDEBSTRAP],
        *([f"--keyring={image.KEYRING}"] if image.KEYRING.exists() else []),
        f"--include={','.join(packages())}",
        '--customize-hook=mkdir "$1/lab-files"',
        f'--customize-hook=cp -r "{FILES}/." "$1/lab-files/"',
        '--customize-hook=chroot "$1" sh /lab-files/prepare.sh',
        '--customize-hook=rm -r "$1/lab-files"',
        *[SUITE, folder, f"deb {mirror} {SUITE} main"],
    ]


def mke2fs_argv(folder: str, disk: str) -> list[str]:
    blocks = DISK_MIB * 1024 - FIRST_SECTOR * SECTOR // 1024
    return ["mke2fs", *MKE2FS, "-d", folder, disk, f"{blocks}k"]


def boot_sectors(boot_image: bytes, core_image: bytes) -> bytes:
    """What lies before the first partition: GRUB's boot code, a table with one partition, GRUB's core.

    Both images are taken as they are: unpatched, boot code loads sector 1 and the core goes on with sector 2.
    """
    if len(core_image) > (FIRST_SECTOR - 1) * SECTOR:
        raise HostproofError(
            f"GRUB's core of {len(core_image)} bytes does not fit before the first partition",
            where="core.img",
            mend="Take modules out of the grub-mkimage line in lab/vm/files/prepare.sh.",
        )
    linux, far = 0x83, b"\xfe\xff\xff"
    length = DISK_MIB * 1024 * 1024 // SECTOR - FIRST_SECTOR
    partition = struct.pack("<B3sB3sII", 0x80, far, linux, far, FIRST_SECTOR, length)
    table = DISK_SIGNATURE + b"\0\0" + partition + bytes(3 * len(partition)) + b"\x55\xaa"
    return boot_image[:BOOT_CODE] + table + core_image
