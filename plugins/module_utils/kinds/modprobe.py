"""An option of a kernel module. Persisted in modprobe.d; the module has it once it is loaded anew."""

from __future__ import annotations

import re

from .. import dropins
from ..families import MODPROBE, Family
from ..host import Host, why
from ..kind import Kind
from ..knob import Seen

_KEY = re.compile(r"[A-Za-z0-9_-]+ [A-Za-z0-9_]+")
_TRUE = {"1": "Y", "0": "N"}


def refusal(key: str, value: str) -> str:
    if not _KEY.fullmatch(key):
        return "is no `<module> <option>`"
    return (
        "" if value and not re.search(r"\s", value) else f"wants {value!r}, which is no value without blanks"
    )


def normalise(text: str) -> str:
    return text.strip().strip('"')


def alike(wanted: str, seen: str) -> bool:
    """A yes-or-no option is written 1 and read Y."""
    return wanted == seen or _TRUE.get(wanted) == seen or _TRUE.get(seen) == wanted


def family(key: str) -> Family:
    return MODPROBE


def line(key: str, value: str) -> str:
    module, option = key.split()
    return f"options {module} {option}={value}"


def read_persisted(host: Host, key: str) -> Seen:
    """modprobe hands on all options in reading order, so the last one counts."""
    module, option = key.replace("-", "_").split()
    found = Seen(problem="absent")
    for path in dropins.files(host, MODPROBE):
        for text in dropins.lines(host, path):
            words = text.split()
            if words[0] != "options" or words[1:2] == [] or words[1].replace("-", "_") != module:
                continue
            for word in words[2:]:
                name, _, value = word.partition("=")
                if name == option:
                    found = Seen(normalise(value), owner=path)
    return found


def read_booted(host: Host, key: str) -> Seen:
    """What the loaded module has. Not loaded is no difference: it will have the option when it is."""
    module, option = key.replace("-", "_").split()
    place = f"/sys/module/{module}/parameters/{option}"
    if not host.exists(f"/sys/module/{module}"):
        return Seen(problem="absent", detail=f"module {module} is not loaded")
    try:
        return Seen(normalise(host.read(place)))
    except FileNotFoundError:
        return Seen(problem="unreadable", detail=f"the loaded module does not show it: {place}")
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, place))


KIND = Kind(
    "modprobe",
    {"persisted": read_persisted, "booted": read_booted},
    normalise,
    refusal,
    family,
    line,
    alike=alike,
)
