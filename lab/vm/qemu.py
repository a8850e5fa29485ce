"""How QEMU is told to run a host: pure, one list of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lab.vm.guest import Shape

PROGRAM: Final = "qemu-system-x86_64"
Accelerator = Literal["kvm", "tcg"]

CREDENTIALS: Final = "opt/io.systemd.credentials/hostproof"
CONSOLE: Final = "console.log"
HOSTNAME: Final = "hostname"
AUTHORIZED_KEYS: Final = "authorized_keys"
HOST_KEY: Final = "host_key"
HANDED_IN: Final = (HOSTNAME, AUTHORIZED_KEYS, HOST_KEY)
"""Files in the host's folder that the guest reads at its first boot; by file, so that no key is in a process list."""

CPU: Final = "max,svm=off,la57=off,model-id=AMD EPYC 9175F 16-Core Processor"
"""The name that facts and reports are meant to see. No nested virtualisation, whose modules only cost time."""
MACHINE: Final = "q35,sata=off,smbus=off"
ACCELERATION: Final[dict[Accelerator, str]] = {"kvm": "kvm", "tcg": "tcg,thread=single"}
"""One thread for all emulated CPUs: with a thread each, QEMU 7.2 runs code that another CPU has just patched away, and the guest's
kernel panics (`Oops: int3`, once in about fifteen boots). It is no slower: most of a boot is one process after the other."""


@dataclass(frozen=True)
class Run:
    """One start of one machine. `port` 0: no way in; `folder` is where its files are."""

    name: str
    folder: Path
    disk: Path
    shape: Shape
    accelerator: Accelerator
    port: int = 0
    disk_format: str = "qcow2"
    keep_disk: bool = True
    """False: what is written to the disk is gone at the end."""

    @property
    def console(self) -> Path:
        return self.folder / CONSOLE


def argv(run: Run) -> list[str]:
    shape = run.shape
    return [
        *[PROGRAM, "-name", run.name, "-nodefaults", "-no-user-config", "-machine", MACHINE],
        *["-accel", ACCELERATION[run.accelerator], "-cpu", CPU, "-m", f"{shape.node_mib * shape.nodes}M"],
        *["-smp", f"{shape.cpus},sockets=1,dies={shape.cpus},cores=1,threads=1", *_nodes(shape)],
        *["-display", "none", "-vga", "none", "-monitor", "none"],
        *["-chardev", f"file,id=console,path={_comma(run.console)},append=on", "-serial", "chardev:console"],
        # A throwaway disk: nobody waits until it is on the platter.
        *[
            "-drive",
            f"if=none,id=disk,file={_comma(run.disk)},format={run.disk_format},cache=unsafe,discard=unmap",
        ],
        *["-device", "nvme,drive=disk,serial=hostproof", "-device", "virtio-rng-pci"],
        *([] if run.keep_disk else ["-snapshot"]),
        *(_network(run.port) if run.port else []),
        *(word for name in HANDED_IN if run.port for word in _credential(run.folder, name)),
        "-daemonize",
    ]


def _nodes(shape: Shape) -> list[str]:
    if shape.nodes == 1:
        return []
    return [
        word
        for node in range(shape.nodes)
        for word in (
            *("-object", f"memory-backend-ram,id=node{node},size={shape.node_mib}M"),
            *("-numa", f"node,nodeid={node},cpus={node},memdev=node{node}"),
        )
    ]


def _network(port: int) -> list[str]:
    """Nothing but the way from this machine's loopback to the guest's sshd: restrict keeps the guest in."""
    return [
        *["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"],
        *["-device", "virtio-net-pci,netdev=net,romfile="],
    ]


def _credential(folder: Path, name: str) -> list[str]:
    return ["-fw_cfg", f"name={CREDENTIALS}.{name},file={_comma(folder / name)}"]


def _comma(path: Path) -> str:
    """QEMU splits options at commas; two stand for one."""
    return str(path).replace(",", ",,")


def overlay_argv(base: Path, overlay: Path) -> list[str]:
    """Only what the host changes is kept; the image stays as it is."""
    return ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(overlay)]


def machine_name(cmdline: Sequence[str]) -> str:
    """The name that a QEMU was started with, "" of any other process."""
    if not cmdline or Path(cmdline[0]).name != PROGRAM or "-name" not in cmdline[:-1]:
        return ""
    return cmdline[cmdline.index("-name") + 1]
