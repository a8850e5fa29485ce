"""System packages that a task needs: looked for before it starts, named with what installs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostproof.errors import HostproofError

INSTALL_LIMIT_SECONDS = 900
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/podman", "/usr/libexec/podman")
"""Looked into as well: a user's PATH lacks them, and podman's helpers are never on it."""


@dataclass(frozen=True)
class Tool:
    """A program, or a file by its whole path, and the Debian/Ubuntu package that has it."""

    program: str
    package: str


SSH = Tool("ssh", "openssh-client")
PODMAN = (
    Tool("podman", "podman"),
    Tool("runc", "runc"),
    Tool("netavark", "netavark"),
    Tool("aardvark-dns", "aardvark-dns"),
    # netavark calls iptables up to 1.9 (Debian 12, Ubuntu 24.04) and nft later on.
    Tool("nft", "nftables"),
    Tool("iptables", "iptables"),
)
HOST = (SSH, Tool("rsync", "rsync"))
"""rsync pushes what only the controller has: models, wheels."""
# Debian's keys too: on Ubuntu, mmdebstrap would trust no archive of Debian's.
MMDEBSTRAP = (
    Tool("mmdebstrap", "mmdebstrap"),
    Tool("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
)
KEYGEN = Tool("ssh-keygen", "openssh-client")
VM = (
    Tool("qemu-system-x86_64", "qemu-system-x86"),
    Tool("qemu-img", "qemu-utils"),
    Tool("mke2fs", "e2fsprogs"),
    *MMDEBSTRAP,
    KEYGEN,
)
"""For virtual lab hosts. GRUB comes with the guest."""
GCC = (Tool("gcc", "gcc"), Tool("/usr/include/stdio.h", "libc6-dev"))
GPU = (*GCC, Tool("dpkg-deb", "dpkg"), Tool("apt-ftparchive", "apt-utils"), Tool("gpg", "gnupg"))
"""For a lab host's GPU: its library is compiled, its packages are put into a signed repository."""
LAB = (*PODMAN, *HOST, KEYGEN, *MMDEBSTRAP)
LINT = (Tool("shellcheck", "shellcheck"), Tool("git", "git"))

Find = Callable[[str], str | None]
Run = Callable[[Sequence[str]], int]


def find(program: str) -> str | None:
    if program.startswith("/"):
        return program if Path(program).exists() else None
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(SYSTEM_FOLDERS))


def missing(tools: Iterable[Tool], look: Find = find) -> list[str]:
    """Packages to install, each once, in the order of the tools."""
    return list(dict.fromkeys(tool.package for tool in tools if not look(tool.program)))


def ensure(task: str, tools: Iterable[Tool], *, install: bool = False, look: Find = find) -> None:
    """Raises if a tool is missing; with `install` it installs the packages first."""
    tools = list(tools)
    packages = missing(tools, look)
    if not packages:
        return
    if not install:
        raise _refusal(task, packages)
    install_packages(packages)
    if still := missing(tools, look):
        raise _refusal(task, still)


def may_install(*, yes: bool) -> bool:
    """`demo` and `test` install by themselves when they are root or were told --yes."""
    return yes or os.geteuid() == 0


def install_packages(packages: Sequence[str], run: Run | None = None) -> None:
    """apt-get, with its output visible."""
    run = run or _run
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    print(f"installing {', '.join(packages)}", flush=True)
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    for command in ([*apt, "update"], [*apt, "install", "--yes", "--no-install-recommends", *packages]):
        if run(command) != 0:
            raise HostproofError(
                "system packages could not be installed", where=" ".join(command), mend=_by_hand(packages)
            )


def _run(command: Sequence[str]) -> int:
    if not Path("/usr/bin/apt-get").exists():
        return 127
    return subprocess.run(command, check=False, timeout=INSTALL_LIMIT_SECONDS).returncode


def _refusal(task: str, packages: Sequence[str]) -> HostproofError:
    return HostproofError(
        f"`{task}` needs system packages that are missing: {', '.join(packages)}",
        where="this machine",
        mend=_by_hand(packages),
    )


def _by_hand(packages: Sequence[str]) -> str:
    return f"Run: sudo apt-get install --yes {' '.join(packages)}"
