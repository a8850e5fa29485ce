"""Which files a reader of drop-in folders reads, in which order: what decides whose value wins."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from .families import Family
from .host import Host


def files(host: Host, family: Family) -> tuple[str, ...]:
    """Paths in reading order: by name, whatever the folder; a name in an earlier folder hides it in the later ones.

    So do systemd-sysctl, systemd-tmpfiles, systemd's own drop-ins and modprobe. A link to /dev/null reads as empty.
    """
    found: dict[str, str] = {}
    for folder in reversed(family.folders):
        names = (name for name in host.listing(folder) if name.endswith(family.suffix) and name[0] != ".")
        found |= {name: f"{folder}/{name}" for name in names}
    return tuple(found[name] for name in sorted(found))


def lines(host: Host, path: str, comments: str = "#") -> Iterator[str]:
    """The lines that say something; none if the file is gone. Raises OSError for one that cannot be read."""
    if not host.exists(path) or host.at(path).is_dir():
        return
    for line in _joined(host.read(path)):
        if (stripped := line.strip()) and stripped[0] not in comments:
            yield stripped


def _joined(text: str) -> list[str]:
    """A backslash at the end of a line goes on with the next one."""
    return text.replace("\\\n", " ").splitlines()


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern of paths names all that a path (or a narrower pattern) names; `*` stops at a slash."""
    theirs, ours = pattern.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(map(fnmatchcase, ours, theirs))
