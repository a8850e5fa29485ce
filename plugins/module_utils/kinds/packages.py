"""The driver's packages, all of them one value. Live: dpkg's list. Persisted: pins that keep them.

One value, since half of it is worse than nothing: user space without its module, or a pin on one of the two.
"""

from __future__ import annotations

from ..facts import dpkg
from ..families import DRIVER_PINS, Family
from ..host import Host, why
from ..kind import Kind
from ..knob import Seen
from ..nvidia import files, package_set, private_apt

PLACE = "/var/lib/dpkg/status (NVIDIA's driver)"
KEY = "nvidia"


def refusal(key: str, value: str) -> str:
    if key != KEY:
        return f"is no set of packages that is known; there is {KEY}"
    try:
        wanted = package_set.parse(value)
    except ValueError as error:
        return str(error)
    broken = [name for name, one in wanted.items() if one.state]
    return f"wants {', '.join(broken)} half-installed" if broken else ""


def normalise(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def places(host: Host, key: str) -> tuple[str, ...]:
    return (PLACE,)


def installed(host: Host) -> dict[str, package_set.One]:
    """Raises OSError."""
    raw = host.at(dpkg.STATUS).read_bytes()
    return package_set.of_status(dpkg.parse(dpkg.distil(raw).decode()))


def read_live(host: Host, place: str) -> Seen:
    try:
        return Seen(package_set.render(installed(host)))
    except FileNotFoundError:
        return Seen(problem="unsupported", detail=f"this host has no dpkg: {dpkg.STATUS} is missing")
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, dpkg.STATUS))


def write(host: Host, place: str, value: str) -> None:
    """One transaction. Raises CommandError with apt's last words, or OSError."""
    steps = package_set.step(installed(host), package_set.parse(value))
    if steps.unhold:
        host.run(["apt-mark", "unhold", *steps.unhold])
    if steps.moves:
        private_apt.carry_out(host, steps)
    if steps.hold:
        host.run(["apt-mark", "hold", *steps.hold])


def read_persisted(host: Host, key: str) -> Seen:
    try:
        text = files.set_in(host.read(DRIVER_PINS.path))
    except FileNotFoundError:
        text = ""
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, DRIVER_PINS.path))
    return Seen(text, owner=DRIVER_PINS.path) if text else Seen(problem="absent")


def family(key: str) -> Family:
    return DRIVER_PINS


def line(key: str, value: str) -> str:
    return files.pins(package_set.parse(value))


KIND = Kind(
    "packages",
    {"live": read_live, "persisted": read_persisted},
    normalise,
    refusal,
    family,
    line,
    places,
    write,
)
