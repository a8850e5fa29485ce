"""The disk that every virtual host starts from: from Debian's packages, booted once, kept while the recipe is."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hostproof.errors import HostproofError
from lab import boot, image, inventory
from lab.parts import part, paths
from lab.podman import Root
from lab.records import Record
from lab.vm import accel, console, guest, machine, processes, qemu

Say = Callable[[str], None]
SETTLE_SECONDS: Final = 300
SETTLE: Final = ("sudo", "-n", "sh", "/usr/local/lib/hostproof-lab/settle.sh")
LOCK: Final = ".lock"
MAKING: Final = ".making"


def cache() -> Path:
    return paths.cache() / "lab-vm"


def path() -> Path:
    """Where the image of today's recipe is, or will be."""
    return cache() / f"{guest.BASE}-{guest.recipe()}.img"


def machine_name(purpose: str) -> str:
    """Of a machine that is no host: another cache's is another one."""
    return f"hostproof-lab-{purpose}-{hashlib.sha256(str(cache()).encode()).hexdigest()[:8]}"


def build(root: Root, say: Say) -> Path:
    """The image; made now where it is missing."""
    made = path()
    if made.exists():
        return made
    with part.alone(made, say):
        if made.exists():  # another checkout has just made it
            return made
        say(f"building the disk {made.name} (once; two to five minutes)")
        # A fixed name under the lock: what a killed run left is found and removed.
        folder = made.with_suffix(MAKING)
        name = machine_name("image")
        processes.end(name)
        _remove(root, folder)
        folder.mkdir(parents=True, mode=0o755)
        try:
            disk = folder / "disk.img"
            _assemble(root, folder / "root", disk)
            _settle(name, folder, disk, say)
            disk.replace(made)
        finally:
            processes.end(name)
            _remove(root, folder)
    return made


def _assemble(root: Root, tree: Path, disk: Path) -> None:
    """Files become a disk without mounting anything."""
    root.run(guest.mmdebstrap_argv(str(tree)), seconds=1200, mend=image.MEND_BUILD)
    with disk.open("wb") as stream:
        stream.truncate(guest.DISK_MIB * 1024 * 1024)
    mend = "See that there is room for 2 GB in the cache, then run it again."
    root.run(guest.mke2fs_argv(str(tree), str(disk)), seconds=300, mend=mend)
    grub = tree / "boot/grub/i386-pc"
    sectors = guest.boot_sectors((grub / "boot.img").read_bytes(), (grub / "core.img").read_bytes())
    with disk.open("r+b") as stream:
        stream.write(sectors)


def _settle(name: str, folder: Path, disk: Path, say: Say) -> None:
    """Boots the disk itself once, so that its grub.cfg is update-grub's own; nothing of that boot's identity stays."""
    chosen = accelerator(disk, say)
    port = boot.free_port(())
    machine.hand_in(folder, "image", port)
    run = qemu.Run(name, folder, disk, guest.Shape(), chosen, port, disk_format="raw")
    say("booting it once, for its update-grub")
    machine.start(run)
    machine.wait_for_ssh(name, port, run.console)
    record = Record("image", name, str(disk), guest.BASE, guest.PYTHON, port, str(folder), "")
    boot.log_in(record, seconds=machine.BOOT_SECONDS, each=machine.CONNECT_SECONDS)
    done = subprocess.run(
        inventory.ssh_argv(record, SETTLE),
        capture_output=True,
        text=True,
        timeout=SETTLE_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    # The connection may go down with the machine: what counts is that it switched itself off.
    if not processes.wait_for_end(name, SETTLE_SECONDS):
        raise HostproofError(
            f"the image did not settle:\n{done.stderr.strip()}\n{console.tail(run.console)}\n",
            where=str(folder),
            mend="Run lab.up again; lab/vm/files/settle.sh is what it did last.",
        )


def accelerator(disk: Path, say: Say) -> qemu.Accelerator:
    """Found out once per machine, on this disk, and remembered in the cache."""
    note = cache() / f"accelerator-{accel.this_machine(qemu_version())}.json"
    with part.alone(note, say):
        choice, fresh = accel.choose(
            os.environ.get(accel.VARIABLE, ""),
            usable=accel.usable(),
            remembered=accel.remembered(note),
            probe=lambda: _boots_under_kvm(disk, say),
        )
        if fresh:
            accel.remember(note, choice)
    say(f"accelerator: {choice.accelerator}; {choice.why}")
    return choice.accelerator


def _boots_under_kvm(disk: Path, say: Say) -> bool:
    """Nothing is kept of what this boot writes."""
    say(f"trying KVM, for at most {accel.PROBE_SECONDS} s")
    name = machine_name("probe")
    processes.end(name)  # a killed run's
    with tempfile.TemporaryDirectory(prefix="hostproof-lab-probe-") as folder:
        run = qemu.Run(name, Path(folder), disk, guest.Shape(), "kvm", disk_format="raw", keep_disk=False)
        try:
            return machine.comes_up(run, accel.PROBE_SECONDS)
        finally:
            processes.end(name)


def qemu_version() -> str:
    asked = subprocess.run(
        [qemu.PROGRAM, "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return asked.stdout.splitlines()[0]


def remove_all(root: Root) -> None:
    """Takes every image away that no running machine has its disk on, and what a killed build left."""
    if not cache().is_dir():
        return
    used = {file for process in processes.running().values() for file in processes.open_files(process)}
    for file in sorted(cache().iterdir()):
        if file.suffix == MAKING:
            _remove(root, file)
        elif file.suffix != LOCK and str(file) not in used:
            file.unlink()


def _remove(root: Root, folder: Path) -> None:
    """A tree of root's; nothing was ever mounted in it."""
    if folder.exists():
        mend = f"Remove {folder} by hand."
        root.run(["rm", "-rf", "--one-file-system", str(folder)], seconds=120, mend=mend)
