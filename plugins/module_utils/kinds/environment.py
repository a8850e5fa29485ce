"""A variable that a service of the distribution is started with. Persisted as a drop-in of its unit; the service is restarted if it runs.

Only services whose restart harms nobody are in `SERVICES`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .. import dropins
from ..families import IRQBALANCE, Family
from ..host import Host
from ..kind import Kind
from ..knob import Seen


@dataclass(frozen=True)
class Service:
    """A service that takes variables, and which."""

    family: Family
    variables: tuple[str, ...]
    absent: str
    """What to do on a host that has not got it."""


SERVICES: Final[Mapping[str, Service]] = {
    "irqbalance.service": Service(
        IRQBALANCE,
        ("IRQBALANCE_BANNED_CPULIST",),
        "interrupts go where kernel and drivers put them. Install irqbalance, or wish tuning_irqaffinity, which the kernel itself heeds",
    )
}
UNITS: Final = tuple(
    f"{root}/systemd/system" for root in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
)
_SETTING = re.compile(r"\s*(Environment|EnvironmentFile)\s*=(.*)")
_VALUE = re.compile(r"[A-Za-z0-9_.,:/-]+")


def refusal(key: str, value: str) -> str:
    unit, _, name = key.partition(" ")
    if unit not in SERVICES or name not in SERVICES[unit].variables:
        known = ", ".join(
            f"{unit} {name}" for unit, service in SERVICES.items() for name in service.variables
        )
        return f"is no variable of a service that may be set; there is {known}"
    return "" if _VALUE.fullmatch(value) else f"wants {value!r}, which is no plain word"


def normalise(text: str) -> str:
    return text.strip()


def family(key: str) -> Family:
    return SERVICES[key.partition(" ")[0]].family


def line(key: str, value: str) -> str:
    return f"Environment={key.partition(' ')[2]}={value}"


def read_persisted(host: Host, key: str) -> Seen:
    """As systemd would start the service: the last `Environment=` counts, and any `EnvironmentFile=` over all of them (systemd.exec(5))."""
    unit, _, name = key.partition(" ")
    main = next((f"{folder}/{unit}" for folder in UNITS if host.exists(f"{folder}/{unit}")), "")
    if not main:
        return Seen(problem="unsupported", detail=f"{unit} is not installed: {SERVICES[unit].absent}")
    found, from_file = Seen(problem="absent"), Seen(problem="absent")
    for path in (main, *dropins.files(host, family(key))):
        for setting, value in _settings(host, path):
            if setting == "Environment":
                found = Seen(problem="absent") if not value else _assigned(value, name, path) or found
            elif not value:
                from_file = Seen(problem="absent")
            else:
                from_file = _in_file(host, value.lstrip("-"), name) or from_file
    return found if from_file.problem else from_file


def _settings(host: Host, path: str) -> Iterator[tuple[str, str]]:
    for text in dropins.lines(host, path, comments="#;"):
        if match := _SETTING.match(text):
            yield match[1], match[2].strip()


def _assigned(value: str, name: str, path: str) -> Seen | None:
    for word in _words(value):
        key, equals, text = word.partition("=")
        if equals and key == name:
            return Seen(normalise(text), owner=path)
    return None


def _in_file(host: Host, path: str, name: str) -> Seen | None:
    found = None
    for text in dropins.lines(host, path, comments="#;"):
        key, equals, value = text.partition("=")
        if equals and key.strip() == name:
            found = Seen(normalise(" ".join(_words(value))), owner=path)
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


KIND = Kind("environment", {"persisted": read_persisted}, normalise, refusal, family, line)
