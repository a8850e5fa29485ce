"""A resource limit that services or logins start with. Only those that start afterwards have it.

`system/…` and `user/…` are settings of systemd's managers, `limits.d/<user>/…` is pam_limits'.
"""

from __future__ import annotations

import re

from .. import dropins
from ..families import LIMITS, SYSTEM, USER, Family
from ..host import Host
from ..kind import Kind
from ..knob import Seen

_KEY = re.compile(r"(system|user)/DefaultLimit[A-Z]+|limits\.d/[@%]?[A-Za-z0-9_.-]+/[a-z]+")
_VALUE = re.compile(r"(infinity|unlimited|\d+[KMGT]?)(:(infinity|unlimited|\d+[KMGT]?))?")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MAIN = {"system": "/etc/systemd/system.conf", "user": "/etc/systemd/user.conf"}
_LIMITS_MAIN = "/etc/security/limits.conf"
_FIELDS = 4
"""limits.conf(5): domain, type, item, value."""


def refusal(key: str, value: str) -> str:
    if not _KEY.fullmatch(key):
        return "is no limit, such as system/DefaultLimitMEMLOCK or limits.d/<user>/memlock"
    return "" if _VALUE.fullmatch(value) else f"wants {value!r}; a limit is a number, infinity or unlimited"


def normalise(text: str) -> str:
    """One word for no limit, bytes written out; soft and hard only if they differ."""
    parts = [_one(part) for part in text.strip().split(":")]
    return parts[0] if len(set(parts)) == 1 else ":".join(parts)


def _one(text: str) -> str:
    if text in ("infinity", "unlimited", "-1"):
        return "infinity"
    if text[-1:] in _UNITS and text[:-1].isdigit():
        return str(int(text[:-1]) * _UNITS[text[-1]])
    return text


def family(key: str) -> Family:
    return {"system": SYSTEM, "user": USER}.get(key.split("/", maxsplit=1)[0], LIMITS)


def line(key: str, value: str) -> str:
    parts = key.split("/")
    return f"{parts[1]}={value}" if len(parts) == 2 else f"{parts[1]} - {parts[2]} {value}"


def read_persisted(host: Host, key: str) -> Seen:
    parts = key.split("/")
    if len(parts) == 2:
        return _systemd(host, parts[0], parts[1])
    return _pam(host, parts[1], parts[2])


def _systemd(host: Host, manager: str, name: str) -> Seen:
    """The last assignment counts: the main file, then the drop-ins by name."""
    found = Seen(problem="absent")
    for path in (_MAIN[manager], *dropins.files(host, family(f"{manager}/"))):
        for text in dropins.lines(host, path, comments="#;"):
            setting, equals, value = (part.strip() for part in text.partition("="))
            if equals and setting == name:
                found = Seen(normalise(value), owner=path)
    return found


def _pam(host: Host, domain: str, item: str) -> Seen:
    """The last line of each type for this very domain; one for a group or `*` is weaker and does not count here."""
    limits: dict[str, str] = {}
    owner = ""
    for path in (_LIMITS_MAIN, *dropins.files(host, LIMITS)):
        for text in dropins.lines(host, path):
            fields = text.split("#")[0].split()
            if len(fields) == _FIELDS and (fields[0], fields[2]) == (domain, item):
                types = ("soft", "hard") if fields[1] == "-" else (fields[1],)
                limits |= dict.fromkeys(types, fields[3])
                owner = path
    if not limits:
        return Seen(problem="absent")
    return Seen(normalise(":".join(limits.get(which, "unset") for which in ("soft", "hard"))), owner=owner)


KIND = Kind("limit", {"persisted": read_persisted}, normalise, refusal, family, line)
