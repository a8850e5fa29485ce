"""An image archive with llama-server, where ghcr.io/ggml-org/llama.cpp:server cannot be pulled.

Debian testing has llama.cpp as a package. The image keeps the interface of the upstream one: the entrypoint
is the server, LLAMA_ARG_HOST is 0.0.0.0, curl is there for a health check.
Upstream's path is /app/llama-server.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lab.parts import command, paths
from lab.parts.part import Part, Say, recipe_of
from lab.parts.run import needs, run

SUITE: Final = "forky"
MIRROR: Final = "http://deb.debian.org/debian"
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# One name for ever: the inventory names it. Which llama.cpp is in it, part.json and the image's label say.
REFERENCE: Final = "localhost/hostproof/llama-server:lab"
ARCHIVE: Final = "llama-server.tar"
OPTIONS: Final = (
    "--variant=minbase",
    "--include=llama.cpp,curl,ca-certificates",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    # Testing's Release file may be past its date on a mirror that rests. Good enough for a lab.
    '--aptopt=Acquire::Check-Valid-Until "false"',
)
MEND: Final = (
    "Check that the Debian mirror answers (HOSTPROOF_DEBIAN_MIRROR names another), then run it again."
)


def part() -> Part:
    return Part(
        folder=paths.llama_server_image_archive().parent,
        title="llama-server image archive",
        takes="60 MB from Debian, then about 35 s",
        needs_bytes=1_200_000_000,
        recipe=recipe_of(SUITE, REFERENCE, *OPTIONS, *_changes("")),
        make=make,
    )


def make(work: Path, say: Say) -> Mapping[str, str]:
    del say  # one short step
    needs("mmdebstrap", "podman")
    rootfs = work / "rootfs.tar"
    keyring = [f"--keyring={KEYRING}"] if KEYRING.exists() else []
    mirror = os.environ.get("HOSTPROOF_DEBIAN_MIRROR") or MIRROR
    listing = work / "packages"
    hook = f'--customize-hook=chroot "$1" dpkg-query -W llama.cpp > {listing}'
    run(["mmdebstrap", *OPTIONS, *keyring, hook, SUITE, str(rootfs), mirror], seconds=900, mend=MEND)
    version = _version(listing.read_text(encoding="utf-8"))
    with _imported(rootfs, version) as image_id:
        run(["podman", "save", "--quiet", "--output", str(work / ARCHIVE), REFERENCE], seconds=300, mend=MEND)
    rootfs.unlink()
    listing.unlink()
    return {"reference": REFERENCE, "image_id": image_id, "llama_cpp": version}


@contextlib.contextmanager
def _imported(rootfs: Path, version: str) -> Iterator[str]:
    """The image in podman's store for as long as it takes to save it."""
    changes = [argument for change in _changes(version) for argument in ("--change", change)]
    run(["podman", "import", "--quiet", *changes, str(rootfs), REFERENCE], seconds=300, mend=MEND)
    try:
        shown = run(["podman", "image", "inspect", "--format", "{{.Id}}", REFERENCE], seconds=60, mend=MEND)
        yield shown.strip().removeprefix("sha256:")
    finally:
        run(["podman", "image", "rm", "--force", REFERENCE], seconds=120, mend=MEND)


def _changes(version: str) -> tuple[str, ...]:
    return (
        'ENTRYPOINT ["/usr/bin/llama-server"]',
        "ENV LLAMA_ARG_HOST=0.0.0.0",
        "EXPOSE 8080",
        f"LABEL org.opencontainers.image.version={version}",
    )


def _version(listing: str) -> str:
    """`llama.cpp<tab>1:0.7.0+dfsg-2` → `0.7.0+dfsg-2`."""
    found = re.search(r"\t(?:\d+:)?(\S+)", listing)
    return found.group(1) if found else "unknown"


if __name__ == "__main__":
    raise SystemExit(command.main(part))
