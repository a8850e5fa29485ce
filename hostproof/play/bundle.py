"""Builds hostproof.pyz, the instrument in one file: `python -m hostproof.play.bundle OUT`.

It holds `hostproof.measure` and the two pure wheels that it may use. The same sources give the same bytes on
any machine: names are sorted, times are fixed, nothing is compressed (which also starts faster).
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import hostproof
from hostproof.errors import HostproofError

WHEELS = {"py-cpuinfo": ("cpuinfo/__init__.py", "cpuinfo/cpuinfo.py"), "nvidia-ml-py": ("pynvml.py",)}
FIRST_LINE = b"#!/usr/bin/env python3\n"
MAIN = b"import sys\n\nfrom hostproof.measure.__main__ import main\n\nsys.exit(main())\n"
PUT_BACK = b"import sys\n\nfrom hostproof.shared.putting_back import main\n\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can name."""


def build(target: Path) -> Path:
    """Writes the file unless it already has these bytes, so that an equal one is not copied again."""
    return _write(target, content())


def build_put_back(target: Path) -> Path:
    """The same for the program that ends a comparison on the host by itself (`putting_back.py`)."""
    return _write(target, _zipped(_shared_files()))


def _write(target: Path, wanted: bytes) -> Path:
    if not target.is_file() or target.read_bytes() != wanted:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_bytes(wanted)
        beside.chmod(0o755)
        beside.replace(target)
    return target


def content() -> bytes:
    """The bytes of the file."""
    return _zipped(_files())


def _zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO(FIRST_LINE)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def _files() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", MAIN
    package = Path(hostproof.__file__).parent
    yield "hostproof/__init__.py", (package / "__init__.py").read_bytes()
    for file in (package / "measure").glob("*.py"):
        yield f"hostproof/measure/{file.name}", file.read_bytes()
    for wheel, names in WHEELS.items():
        for name in names:
            yield name, _installed(wheel, name).read_bytes()


def _shared_files() -> Iterator[tuple[str, bytes]]:
    """What modules share, under the name that it has on the controller: stdlib only, and no word of Ansible's."""
    yield "__main__.py", PUT_BACK
    package = Path(hostproof.__file__).parent
    yield "hostproof/__init__.py", b""
    for file in sorted((package / "shared").rglob("*.py")):
        yield f"hostproof/shared/{file.relative_to(package / 'shared')}", file.read_bytes()


def _installed(wheel: str, name: str) -> Path:
    mend = "Run ./inv again: it brings the virtual environment up to the lock file"
    try:
        found = Path(str(importlib.metadata.distribution(wheel).locate_file(name)))
    except importlib.metadata.PackageNotFoundError as error:
        raise HostproofError(f"{wheel} is not installed", where=sys.prefix, mend=mend) from error
    if not found.is_file():
        raise HostproofError(f"{wheel} has no {name}", where=str(found), mend=mend)
    return found


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m hostproof.play.bundle OUT", file=sys.stderr)
        return 1
    try:
        print(build(Path(arguments[0])))
    except HostproofError as error:
        print(error, file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
