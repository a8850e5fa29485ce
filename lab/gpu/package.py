"""One Debian package: what is in it, and how it becomes a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lab.parts.run import run

MAINTAINER: Final = "hostproof lab <lab@example.invalid>"
PROGRAMS: Final = ("usr/bin/", "usr/sbin/")
MEND: Final = "See what dpkg-deb says."


@dataclass(frozen=True)
class Package:
    """`files` by path without the leading slash; a text `-> name` is a link."""

    name: str
    version: str
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    description: str = "stand-in of hostproof's lab"
    section: str = "restricted/admin"
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    """`postinst`, `prerm`, …: the body of a sh script. `triggers` as it is."""
    conffiles: tuple[str, ...] = ()

    def control(self) -> str:
        lines = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": "amd64",
            "Maintainer": MAINTAINER,
            "Section": self.section,
            "Priority": "optional",
            "Depends": ", ".join(self.depends),
            "Provides": ", ".join(self.provides),
            "Description": self.description,
        }
        return "".join(f"{key}: {value}\n" for key, value in lines.items() if value)


def build(package: Package, work: Path, pool: Path) -> None:
    """The `.deb` in `pool`. Raises HostproofError if dpkg-deb refuses."""
    folder = work / f"{package.name}_{package.version}"
    for path, content in package.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("-> "):
            place.symlink_to(content.removeprefix("-> "))
            continue
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(0o755 if path.startswith(PROGRAMS) else 0o644)
    about = folder / "DEBIAN"
    about.mkdir(parents=True)
    (about / "control").write_text(package.control(), encoding="utf-8")
    for name, body in package.scripts.items():
        text = body if name == "triggers" else f"#!/bin/sh\nset -e\n{body}"
        (about / name).write_text(text, encoding="utf-8")
        (about / name).chmod(0o644 if name == "triggers" else 0o755)
    if package.conffiles:
        (about / "conffiles").write_text(
            "".join(f"/{path}\n" for path in package.conffiles), encoding="utf-8"
        )
    pool.mkdir(parents=True, exist_ok=True)
    run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(folder), str(pool)],
        seconds=60,
        mend=MEND,
    )
