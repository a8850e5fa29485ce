"""What apt says, as data: packages that there are, what it would do, what it complains of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

UPSTREAM = re.compile(r"(?:\d+:)?([0-9]{3,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?)")
INST = re.compile(r"^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)", re.MULTILINE)
GONE = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)
NOISE = "E: Some index files failed"
TRANSITIONAL = re.compile(r"transitional (?:dummy )?package(?: for (\S+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Stanza:
    """One version of one package that a source offers."""

    name: str
    version: str
    depends: str = ""
    download_bytes: int = 0
    installed_bytes: int = 0
    leads_to: str = ""
    """It is only a name: the package that it leads to, or `another package`."""


Offer = Mapping[str, Sequence[Stanza]]
"""By name, the newest version first, as apt lists them."""


def parse_show(text: str) -> dict[str, list[Stanza]]:
    """From `apt-cache show`."""
    found: dict[str, list[Stanza]] = {}
    for block in text.split("\n\n"):
        fields = _fields(block)
        if "Package" not in fields or "Version" not in fields:
            continue
        gone = TRANSITIONAL.search(fields.get("Description", "") or fields.get("Description-en", ""))
        one = Stanza(
            fields["Package"],
            fields["Version"],
            ", ".join(filter(None, [fields.get("Pre-Depends", ""), fields.get("Depends", "")])),
            _number(fields.get("Size", "")),
            _number(fields.get("Installed-Size", "")) * 1024,
            (gone[1] or "another package").rstrip(".") if gone else "",
        )
        others = found.setdefault(one.name, [])
        if one.version not in [other.version for other in others]:
            others.append(one)
    return found


def _fields(block: str) -> dict[str, str]:
    split = (line.partition(":") for line in block.splitlines() if line[:1] not in (" ", "\t"))
    return {key: value.strip() for key, _, value in split}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def upstream(version: str) -> str:
    """`580.95.05-0ubuntu0.24.04.2` → `580.95.05`; empty where a version is of another form."""
    found = UPSTREAM.match(version)
    return found[1] if found else ""


def order(text: str) -> tuple[int, ...]:
    """Numbers of a version or kernel release, as they are compared."""
    return tuple(map(int, re.findall(r"[0-9]{1,9}", text)))


def bound(stanza: Stanza, package: str) -> str:
    """The driver's version that kernel modules are made for: their packages carry the kernel's version, and this only as a relation."""
    found = re.search(rf"\b{re.escape(package)}(?::\w+)? \(>?= ([^)]+)\)", stanza.depends)
    return upstream(found[1]) if found else ""


def would_come(simulation: str) -> dict[str, str]:
    """Name → version, of `apt-get --simulate install`."""
    return {name.partition(":")[0]: version for name, version in INST.findall(simulation)}


def would_go(simulation: str) -> tuple[str, ...]:
    return tuple(name.partition(":")[0] for name in GONE.findall(simulation))


def complaints(said: str) -> tuple[str, ...]:
    """Of `apt-get update`: each source once, in its own words."""
    errors = [" ".join(line.split()) for line in said.splitlines() if line.startswith("E: ")]
    kept = [one.removeprefix("E: ").rstrip(".") for one in errors if not one.startswith(NOISE)]
    return tuple(dict.fromkeys(kept)) or tuple(filter(None, [" ".join(said.split())]))


def unmet(said: str) -> str:
    """Why apt cannot install something: the relations that do not hold, else its last error."""
    relations = [" ".join(line.split()) for line in said.splitlines() if re.match(r"^ \S+ : \S+:", line)]
    errors = [line.removeprefix("E: ") for line in said.splitlines() if line.startswith("E: ")]
    return "; ".join(relations) or (errors[-1] if errors else " ".join(said.split()))


def sizes(offer: Offer, coming: Mapping[str, str]) -> tuple[int, int]:
    """Bytes to fetch and bytes to lie there, of what would come."""
    chosen = [
        one for name, version in coming.items() for one in offer.get(name, ()) if one.version == version
    ]
    return sum(one.download_bytes for one in chosen), sum(one.installed_bytes for one in chosen)


def newest(versions: Iterable[str]) -> str:
    return max(versions, key=order, default="")
