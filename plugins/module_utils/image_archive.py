"""What an image archive (`podman save`, `docker save`, OCI) holds, told from its index alone."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCKER_INDEX = "manifest.json"
OCI_INDEX = "index.json"
REFERENCE_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
IMAGE_ID = re.compile(r"[0-9a-f]{64}")


class ArchiveError(Exception):
    """A clause for the user: what is wrong with the archive."""


@dataclass(frozen=True)
class Archived:
    """An image as podman will know it once it is loaded."""

    image_id: str
    references: tuple[str, ...]


def read(path: Path) -> Archived:
    """The only image in the archive. Raises ArchiveError, also when the file was cut short."""
    try:
        with tarfile.open(path) as archive:
            # getmembers walks the whole file, so an archive that was cut short is found out here.
            names = {member.name.removeprefix("./"): member for member in archive.getmembers()}
            if DOCKER_INDEX in names:
                return _docker(_json(archive, names[DOCKER_INDEX]), names)
            if OCI_INDEX in names:
                return _oci(_json(archive, names[OCI_INDEX]), archive, names)
    except FileNotFoundError:
        raise ArchiveError("it is not there") from None
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveError(f"it is no whole tar file ({error})") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ArchiveError(f"its index cannot be read ({error!r})") from error
    raise ArchiveError(f"it is no image archive: neither {DOCKER_INDEX} nor {OCI_INDEX} is in it")


def _json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:  # noqa: ANN401 -- whatever JSON holds
    stream = archive.extractfile(member)
    if stream is None:
        raise ArchiveError(f"{member.name} in it is no file")
    return json.loads(stream.read())


def _docker(images: list[Mapping[str, Any]], names: Mapping[str, tarfile.TarInfo]) -> Archived:
    _only_one(len(images))
    image = images[0]
    missing = [name for name in (image["Config"], *image["Layers"]) if name not in names]
    if missing:
        raise ArchiveError(f"{missing[0]} is missing in it")
    return Archived(
        _image_id(Path(image["Config"]).name.removesuffix(".json")), tuple(image["RepoTags"] or ())
    )


def _oci(
    index: Mapping[str, Any], archive: tarfile.TarFile, names: Mapping[str, tarfile.TarInfo]
) -> Archived:
    _only_one(len(index["manifests"]))
    entry = index["manifests"][0]
    manifest = _json(archive, names[f"blobs/{entry['digest'].replace(':', '/')}"])
    notes = entry.get("annotations") or {}
    found = tuple(notes[key] for key in REFERENCE_NAMES if key in notes)
    return Archived(_image_id(manifest["config"]["digest"].removeprefix("sha256:")), found)


def _only_one(count: int) -> None:
    if count != 1:
        raise ArchiveError(f"it holds {count} images, not one")


def _image_id(text: str) -> str:
    if not IMAGE_ID.fullmatch(text):
        raise ArchiveError(f"the id of its image is {text!r}, not 64 hex digits")
    return text
