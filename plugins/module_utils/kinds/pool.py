"""A pool of hugepages, on one NUMA node or over all. The kernel gives fewer than asked without an error.

Persisted in tmpfiles.d, which the boot reads after the command line and sysctl.d.
"""

from __future__ import annotations

import re

from ..families import TMPFILES, Family
from ..host import Host
from ..kind import Kind
from ..knob import Seen
from . import _kernel_file, sysfs

_KEY = re.compile(r"(global|node(\d+))/(\d+)kB")
_PATH = re.compile(
    r"/sys/(?:devices/system/node/(node\d+)|kernel/mm)/hugepages/hugepages-(\d+kB)/nr_hugepages"
)
COMPACT = "/proc/sys/vm/compact_memory"
TRIES = 3
WAIT_SECONDS = 0.2
"""Between tries: compaction runs to its end within its write, freed pages come back a little later."""


def refusal(key: str, value: str) -> str:
    if not _KEY.fullmatch(key):
        return "is no pool, such as node0/2048kB or global/2048kB"
    return "" if value.isascii() and value.isdigit() else f"wants {value!r}, which is no number of pages"


def normalise(text: str) -> str:
    text = text.strip()
    return str(int(text)) if text.isascii() and text.isdigit() else text


def path_of(key: str) -> str:
    where, size = key.split("/")
    folder = "/sys/kernel/mm" if where == "global" else f"/sys/devices/system/node/{where}"
    return f"{folder}/hugepages/hugepages-{size}/nr_hugepages"


def key_at(place: str) -> str:
    """The pool whose file this is, or nothing."""
    found = _PATH.fullmatch(place)
    return f"{found[1] or 'global'}/{found[2]}" if found else ""


def places(host: Host, key: str) -> tuple[str, ...]:
    return (path_of(key),)


def read_live(host: Host, place: str) -> Seen:
    seen = _kernel_file.read(host, place, normalise)
    return Seen(problem=seen.problem, detail=_missing(host, place)) if seen.problem == "unsupported" else seen


def _missing(host: Host, place: str) -> str:
    """What of the pool is not there: its node, or its page size."""
    node, size = _PATH.fullmatch(place).groups()  # type: ignore[union-attr] # the engine passes `places` only
    known = [name for name in host.listing("/sys/devices/system/node") if re.fullmatch(r"node\d+", name)]
    if node and node not in known:
        return f"{node} does not exist; this host has {', '.join(known) or 'no NUMA nodes'}: {place}"
    sizes = [name.removeprefix("hugepages-") for name in host.listing("/sys/kernel/mm/hugepages")]
    return f"no hugepages of {size}; this host has {', '.join(sizes) or 'none'}: {place}"


def write(host: Host, place: str, value: str) -> None:
    """Asks again, memory compacted before, as long as that brings more pages; at most three times."""
    host.set(place, value)
    for _ in range(TRIES - 1):
        got = read_live(host, place).text
        if not got.isdigit() or int(got) >= int(value):
            return
        if host.exists(COMPACT) and host.writable(COMPACT):
            host.set(COMPACT, "1")
        host.sleep(WAIT_SECONDS)
        host.set(place, value)
        if read_live(host, place).text == got:
            return


def family(key: str) -> Family:
    return TMPFILES


def line(key: str, value: str) -> str:
    return sysfs.line(path_of(key), value)


def read_persisted(host: Host, key: str) -> Seen:
    return sysfs.read_persisted(host, path_of(key))


KIND = Kind(
    "pool",
    {"live": read_live, "persisted": read_persisted},
    normalise,
    refusal,
    family,
    line,
    places,
    write,
)
