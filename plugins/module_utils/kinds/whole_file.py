"""A drop-in file that is one setting as a whole: an apt source, a unit, a unit's drop-in. Named by its path."""

from __future__ import annotations

from ..families import DRIVER_SOURCE, GPU_UNIT, PERSISTENCED, UNATTENDED, Family
from ..host import Host, why
from ..kind import Kind
from ..knob import Seen

FILES = {family.path: family for family in (DRIVER_SOURCE, UNATTENDED, PERSISTENCED, GPU_UNIT)}


def refusal(key: str, value: str) -> str:
    if key not in FILES:
        return f"is no file of ours; there are {', '.join(FILES)}"
    return "" if value.strip() else "has no text"


def normalise(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def family(key: str) -> Family:
    return FILES[key]


def line(key: str, value: str) -> str:
    return normalise(value)


def read_persisted(host: Host, key: str) -> Seen:
    """Without the head that says whose the file is."""
    try:
        text = host.read(key)
    except FileNotFoundError:
        return Seen(problem="absent")
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, key))
    head = family(key).render(()).decode().strip()
    return Seen(normalise(text.removeprefix(head)), owner=key)


KIND = Kind("file", {"persisted": read_persisted}, normalise, refusal, family, line)
