"""A kernel parameter below /proc/sys. Persisted in sysctl.d, where the last file wins."""

from __future__ import annotations

import re

from .. import dropins
from ..families import SYSCTL, Family
from ..host import Host
from ..kind import Kind
from ..knob import Seen
from . import _kernel_file

ROOT = "/proc/sys"
_KEY = re.compile(r"[a-z0-9_-]+([./][A-Za-z0-9_*-]+)+")

COUNTERPARTS = {
    "/proc/sys/vm/dirty_bytes": "/proc/sys/vm/dirty_ratio",
    "/proc/sys/vm/dirty_background_bytes": "/proc/sys/vm/dirty_background_ratio",
}
"""Writing one sets the other to 0 (kernel, Documentation/admin-guide/sysctl/vm.rst); only the one that counts is written back."""


def refusal(key: str, value: str) -> str:
    if not _KEY.fullmatch(key) or "*" in key:
        return "is no sysctl key, such as vm.swappiness"
    if path_of(key).startswith(f"{ROOT}/vm/nr_hugepages"):
        return "may come out short: use the kind pool, such as global/2048kB"
    return "" if value.strip() and "\n" not in value else "has no value of one line"


def normalise(text: str) -> str:
    """Fields apart by one blank: the kernel writes tabs."""
    return " ".join(text.split())


def path_of(key: str) -> str:
    """The first separator says which of `.` and `/` is the folder's (sysctl.d(5)): net/ipv4/conf/eth0.1/forwarding."""
    first = next((character for character in key if character in "./"), ".")
    if first == "/":
        return f"{ROOT}/{key}"
    return f"{ROOT}/{key.translate(str.maketrans('./', '/.'))}"


def places(host: Host, key: str) -> tuple[str, ...]:
    return (path_of(key),)


def read_live(host: Host, place: str) -> Seen:
    return _kernel_file.read(host, place, normalise)


def write(host: Host, place: str, value: str) -> None:
    host.set(place, value)


def family(key: str) -> Family:
    return SYSCTL


def line(key: str, value: str) -> str:
    return f"{key} = {value}"


def read_persisted(host: Host, key: str) -> Seen:
    """As systemd-sysctl would set it: the last file by name; a plain key before any pattern; `-key` alone leaves it out."""
    wanted = path_of(key)
    exact: Seen | None = None
    pattern = Seen(problem="absent")
    for path in dropins.files(host, SYSCTL):
        for text in dropins.lines(host, path, comments="#;"):
            name, equals, value = (part.strip() for part in text.partition("="))
            target = path_of(name.lstrip("-"))
            seen = Seen(normalise(value), owner=path) if equals else Seen(problem="absent")
            if target == wanted:
                exact = seen
            elif equals and dropins.covers(target, wanted):
                pattern = seen
    return exact or pattern


KIND = Kind(
    "sysctl",
    {"live": read_live, "persisted": read_persisted},
    normalise,
    refusal,
    family,
    line,
    places,
    write,
)
