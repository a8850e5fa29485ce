"""A unit that the boot starts although it has no [Install] of its own. Persisted as a drop-in of multi-user.target."""

from __future__ import annotations

import re

from .. import dropins
from ..families import BOOT_UNITS, Family
from ..host import Host
from ..kind import Kind
from ..knob import Seen

_KEY = re.compile(r"[A-Za-z0-9:_.@-]+\.service")
STARTED = "started"


def refusal(key: str, value: str) -> str:
    if not _KEY.fullmatch(key):
        return "is no unit, such as nvidia-persistenced.service"
    return "" if value == STARTED else f"wants {value!r}; there is only {STARTED}"


def normalise(text: str) -> str:
    return text.strip()


def family(key: str) -> Family:
    return BOOT_UNITS


def line(key: str, value: str) -> str:
    return f"Wants={key}"


def read_persisted(host: Host, key: str) -> Seen:
    for path in dropins.files(host, BOOT_UNITS):
        for text in dropins.lines(host, path, comments="#;"):
            name, _, units = text.partition("=")
            if name.strip() == "Wants" and key in units.split():
                return Seen(STARTED, owner=path)
    return Seen(problem="absent")


KIND = Kind("boot_unit", {"persisted": read_persisted}, normalise, refusal, family, line)
