"""A word of the kernel's command line. Persisted as a late drop-in of GRUB's defaults that appends; booted once.

What counts as persisted is the menu that GRUB will read (`/boot/grub/grub.cfg`), not the drop-in that it is made from.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from .. import dropins
from ..families import GRUB, Family
from ..host import Host, why
from ..kind import Kind
from ..knob import Seen

MENU = "/boot/grub/grub.cfg"
BOOTED = "/proc/cmdline"
DEFAULTS = "/etc/default/grub"
_WORD = re.compile(r"[A-Za-z0-9_.,:-]+")
_PAIR = re.compile(r"hugepagesz=(\d+[KMG]) hugepages")
_VALUE = re.compile(r"[A-Za-z0-9_.,:=/+*%@-]*")
_LINUX = re.compile(r"\s*linux(?:16|efi)?\s+\S+\s*(.*)")
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
    try:
        menu = host.read(MENU)
    except FileNotFoundError:
        return Seen(
            problem="unsupported", detail=f"this host does not boot through GRUB's menu: {MENU} is missing"
        )
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, MENU))
    entry = next((found for text in menu.splitlines() if (found := _LINUX.match(text))), None)
    if entry is None:
        return Seen(problem="unsupported", detail=f"no entry with a Linux kernel in {MENU}")
    seen = value_in(entry[1], key)
    return replace(seen, owner=owner(host, key))


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
