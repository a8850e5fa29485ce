"""A GPU's power limit and locked clocks, by UUID: an index moves with the slots. Persisted for hostproof-gpu@<uuid>.service.

nvidia-smi asks and tells NVML; it comes with the driver, so nothing of ours runs at boot. NVML has no question for locked
clocks: what was set in this boot is noted under /run.
"""

from __future__ import annotations

import re

from .. import dropins
from ..families import GPU_SETTINGS, Family
from ..host import CommandError, FileState, Host, why
from ..kind import Kind
from ..knob import Seen

PROGRAM = "nvidia-smi"
NOTES = "/run/hostproof-gpu-clocks"
FREE = "free"
SETTING = "being set to "
_KEY = re.compile(r"(GPU-[0-9a-f-]{36})/(power_limit|clocks)")
_WATTS = re.compile(r"[0-9]{1,5}(\.[0-9]{1,2})?")
_CLOCKS = re.compile(r"([0-9]{1,5}),([0-9]{1,5})")


def refusal(key: str, value: str) -> str:
    found = _KEY.fullmatch(key)
    if not found:
        return "is no GPU-<uuid>/power_limit or GPU-<uuid>/clocks"
    if found[2] == "power_limit":
        return "" if _WATTS.fullmatch(value) else f"wants {value!r}, which is no number of watts"
    both = _CLOCKS.fullmatch(value)
    good = both is not None and int(both[1]) <= int(both[2])
    return "" if good else f"wants {value!r}, which is no pair of MHz such as 300,2400"


def normalise(text: str) -> str:
    """`275.00` → `275`."""
    text = text.strip()
    return f"{float(text):g}" if _WATTS.fullmatch(text) else text


def places(host: Host, key: str) -> tuple[str, ...]:
    return (f"nvml:{key}",)


def _parts(place: str) -> tuple[str, str]:
    uuid, _, what = place.removeprefix("nvml:").partition("/")
    return uuid, what


def read_live(host: Host, place: str) -> Seen:
    uuid, what = _parts(place)
    if not host.has(PROGRAM):
        # An undo that was cut off after the driver went: its limits went with it.
        return Seen(problem="absent", detail=f"there is no driver that could set {uuid}")
    try:
        answer = host.ask(
            [PROGRAM, "-i", uuid, "--query-gpu=power.limit", "--format=csv,noheader,nounits"]
        ).strip()
    except CommandError as error:
        return Seen(problem="unsupported", detail=f"{uuid} does not answer: {error}")
    if what == "clocks":
        note = f"{NOTES}/{uuid}"
        return Seen(host.read(note).strip() if host.exists(note) else FREE)
    if not _WATTS.fullmatch(answer):
        return Seen(problem="unsupported", detail=f"{uuid} has no power limit that can be set ({answer})")
    return Seen(normalise(answer))


def write(host: Host, place: str, value: str) -> None:
    """Raises CommandError in nvidia-smi's words, with the allowed range; OSError."""
    uuid, what = _parts(place)
    if what == "power_limit":
        said = host.run([PROGRAM, "-i", uuid, "-pl", value])
        # A limit that cannot be set is a warning to it, and it ends with 0: what does not hold must not be persisted.
        if (now := read_live(host, place)).text != normalise(value):
            first = said.strip().partition("\n")[0] or "nothing"
            raise CommandError(f"asked {value}, reads back {now}; {PROGRAM} said: {first}")
        return
    note = f"{NOTES}/{uuid}"
    if value == FREE:
        host.run([PROGRAM, "-i", uuid, "-rgc"])
        host.place(note, FileState(None))
    else:
        # Announced first: a run that is cut off in between has left neither the old nor the new.
        host.place(note, FileState(f"{SETTING}{value}\n".encode(), 0o644, *host.owner))
        host.run([PROGRAM, "-i", uuid, "-lgc", value])
        host.place(note, FileState(f"{value}\n".encode(), 0o644, *host.owner))


def family(key: str) -> Family:
    return GPU_SETTINGS


def line(key: str, value: str) -> str:
    uuid, what = _parts(key)
    return f"{uuid} {what} {value}"


def read_persisted(host: Host, key: str) -> Seen:
    uuid, what = _parts(key)
    try:
        for text in dropins.lines(host, GPU_SETTINGS.path):
            words = text.split()
            if words[:2] == [uuid, what] and len(words) == 3:
                return Seen(normalise(words[2]), owner=GPU_SETTINGS.path)
    except OSError as error:
        return Seen(problem="unreadable", detail=why(error, GPU_SETTINGS.path))
    return Seen(problem="absent")


KIND = Kind(
    "gpu",
    {"live": read_live, "persisted": read_persisted},
    normalise,
    refusal,
    family,
    line,
    places,
    write,
)
