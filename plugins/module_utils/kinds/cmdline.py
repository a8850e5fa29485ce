"""A word of the kernel's command line. Persisted as a late drop-in of GRUB's defaults that appends; booted once.

What counts as persisted is the entry of the menu that GRUB will boot by default (`/boot/grub/grub.cfg`), not the drop-in that it is
made from.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Final

from .. import dropins, grub_menu
from ..families import GRUB, Family
from ..host import Host, why
from ..kind import Kind
from ..knob import Seen

MENU = "/boot/grub/grub.cfg"
BOOTED = "/proc/cmdline"
DEFAULTS = "/etc/default/grub"
LOADER = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
"""Who booted this boot, in the loader's own words (systemd, Boot Loader Interface): `systemd-boot 255.4`, `GRUB 2.12`."""
SYSTEMD_BOOT: Final = ("/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries")
KERNEL_INSTALL = "/etc/kernel/cmdline"
_WORD = re.compile(r"[A-Za-z0-9_.,:-]+")
_PAIR = re.compile(r"hugepagesz=(\d+[KMG]) hugepages")
_VALUE = re.compile(r"[A-Za-z0-9_.,:=/+*%@-]*")
_ASSIGNS = re.compile(r"\s*(?:export\s+)?GRUB_CMDLINE_LINUX(?:_DEFAULT)?\+?=(.*)")


def refusal(key: str, value: str) -> str:
    if not (_WORD.fullmatch(key) or _PAIR.fullmatch(key)):
        return "is no word of a command line, nor a pair such as `hugepagesz=1G hugepages`"
    if key in ("hugepages", "hugepagesz"):
        return "counts only with its page size: use the key `hugepagesz=1G hugepages`"
    return "" if _VALUE.fullmatch(value) else f"wants {value!r}, which a command line cannot carry"


def normalise(text: str) -> str:
    return text.strip()


def family(key: str) -> Family:
    return GRUB


def words(key: str, value: str) -> str:
    return f"{key}={value}" if value else key


def line(key: str, value: str) -> str:
    return f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT {words(key, value)}"'


def value_in(command_line: str, key: str) -> Seen:
    """The last one counts, as it does for the kernel. `hugepages` belongs to the size named last before it. Pure."""
    found, size = Seen(problem="absent"), ""
    for word in split(command_line):
        name, _, value = word.partition("=")
        if name == "hugepagesz":
            size = value
        here = f"hugepagesz={size} hugepages" if name == "hugepages" and size else name
        if here.replace("-", "_") == key.replace("-", "_"):
            found = Seen(value)
    return found


def split(command_line: str) -> list[str]:
    """Words, with quotes around blanks as the kernel reads them."""
    try:
        return shlex.split(command_line)
    except ValueError:
        return command_line.split()


def read_booted(host: Host, key: str) -> Seen:
    try:
        return value_in(host.read(BOOTED), key)
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, BOOTED))


def read_persisted(host: Host, key: str) -> Seen:
    """Of the default entry. `detail` says which that is, where it is not simply the first."""
    if told := other_loader(host):
        return Seen(problem="unsupported", detail=told)
    try:
        menu = host.read(MENU)
        environment = host.read(grub_menu.ENVIRONMENT) if host.exists(grub_menu.ENVIRONMENT) else ""
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, MENU))
    chosen = grub_menu.default(menu, environment)
    if chosen is None:
        return Seen(problem="unsupported", detail=f"{MENU} has no entry to boot")
    if chosen.words is None:
        return Seen(
            problem="unsupported",
            detail=f"GRUB's default entry {chosen.title!r} starts no Linux: set GRUB_DEFAULT in {DEFAULTS} to one that does",
        )
    seen = value_in(chosen.words, key)
    return replace(seen, owner=owner(host, key), detail=told_of(chosen))


def told_of(chosen: grub_menu.Chosen) -> str:
    """What a person should know of the choice; nothing where the first entry is what everybody expects."""
    if not chosen.found:
        return f"GRUB is to boot {chosen.asked!r}, finds no such entry and takes {chosen.title!r}"
    return f"GRUB boots {chosen.title!r}" if chosen.asked not in ("", "0") else ""


def other_loader(host: Host) -> str:
    """Why GRUB's menu does not decide here, and what to do instead; nothing where it does."""
    try:
        # UTF-16 behind four bytes of attributes.
        loader = host.read(LOADER).replace("\0", "")
    except OSError:
        loader = ""
    entries = next((folder for folder in SYSTEMD_BOOT if host.exists(folder)), "")
    if "systemd-boot" in loader or (entries and not host.exists(MENU)):
        return (
            f"this host boots through systemd-boot{f' ({entries})' if entries else ''}, and hostproof writes GRUB's words alone: "
            f"put the word into {KERNEL_INSTALL}, run `kernel-install add VERSION /boot/vmlinuz-VERSION` for each kernel, then boot"
        )
    return "" if host.exists(MENU) else f"this host does not boot through GRUB's menu: {MENU} is missing"


def owner(host: Host, key: str) -> str:
    """The last file of GRUB's defaults that names the word, whether the menu has it yet or not; nothing if none does."""
    found = ""
    for path in (DEFAULTS, *dropins.files(host, GRUB)):
        for text in dropins.lines(host, path):
            assigned = _ASSIGNS.match(text)
            if assigned and not value_in(" ".join(split(assigned[1])), key).problem:
                found = path
    return found


KIND = Kind("cmdline", {"persisted": read_persisted, "booted": read_booted}, normalise, refusal, family, line)
