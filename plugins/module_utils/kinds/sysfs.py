"""A file below /sys, or all that a glob names. Persisted in tmpfiles.d as `w` lines."""

from __future__ import annotations

import re

from .. import dropins
from ..families import TMPFILES, Family
from ..host import Host
from ..kind import Kind
from ..knob import Seen
from . import _kernel_file

_CHOSEN = re.compile(r"\[([^\[\]\s]+)\]")
_FIELDS = 7
"""tmpfiles.d(5): type, path, mode, user, group, age, argument."""


def refusal(key: str, value: str) -> str:
    if not key.startswith("/sys/") or ".." in key.split("/") or len(key.split()) != 1:
        return "is no path below /sys"
    if key.endswith("/nr_hugepages"):
        return "may come out short: use the kind pool, such as node0/2048kB"
    return "" if value.strip() and "\n" not in value else "has no value of one line"


def normalise(text: str) -> str:
    """`always [madvise] never` → `madvise`; else the text without the blanks around it."""
    chosen = _CHOSEN.findall(text)
    return str(chosen[0]) if len(chosen) == 1 else " ".join(text.split())


def places(host: Host, key: str) -> tuple[str, ...]:
    """The files that are there now; the key itself if there is none, so that its absence is seen."""
    return host.expand(key) or (key,)


def read_live(host: Host, place: str) -> Seen:
    return _kernel_file.read(host, place, normalise)


def write(host: Host, place: str, value: str) -> None:
    host.set(place, value)


def family(key: str) -> Family:
    return TMPFILES


def line(key: str, value: str) -> str:
    argument = value.replace("\\", "\\\\").replace("%", "%%")
    return f"w {key} - - - - {argument}"


def read_persisted(host: Host, key: str) -> Seen:
    """As systemd-tmpfiles would leave it (tried with systemd 252).

    Of two lines with the same path the first counts and the other is ignored with a warning; of two patterns that
    name the same file the later is written later and stays.
    """
    found: dict[str, Seen] = {}
    for path in dropins.files(host, TMPFILES):
        for text in dropins.lines(host, path):
            fields = text.split(None, _FIELDS - 1)
            if len(fields) == _FIELDS and fields[0].rstrip("!-+^~=$") == "w":
                found.setdefault(fields[1].strip('"'), Seen(normalise(_unescaped(fields[-1])), owner=path))
    matching = [seen for pattern, seen in found.items() if pattern == key or dropins.covers(pattern, key)]
    return matching[-1] if matching else Seen(problem="absent")


def _unescaped(argument: str) -> str:
    return argument.replace("%%", "%").replace("\\\\", "\\")


KIND = Kind(
    "sysfs",
    {"live": read_live, "persisted": read_persisted},
    normalise,
    refusal,
    family,
    line,
    places,
    write,
)
