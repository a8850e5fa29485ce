"""Image archives as podman, docker and skopeo write them, made small, whole and damaged."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from hostproof.shared import image_archive
from hostproof.shared.image_archive import Archived, ArchiveError

ID = "ab" * 32
LAYER = b"layer" * 20_000


def tar(path: Path, files: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def docker(image_id: str = ID, tags: list[str] | None = None) -> dict[str, object]:
    """As `podman save` and `docker save` do."""
    image = {"Config": f"{image_id}.json", "RepoTags": tags, "Layers": ["1.tar"]}
    return {"1.tar": LAYER, f"{image_id}.json": {"os": "linux"}, "manifest.json": [image]}


def oci(notes: dict[str, str] | None = None) -> dict[str, object]:
    """As `podman save --format oci-archive` does."""
    manifest = {"schemaVersion": 2, "config": {"digest": f"sha256:{ID}"}, "layers": []}
    digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    entry = {"digest": f"sha256:{digest}", **({"annotations": notes} if notes else {})}
    return {
        f"blobs/sha256/{digest}": manifest,
        f"blobs/sha256/{ID}": {},
        "index.json": {"manifests": [entry]},
    }


def why(path: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        image_archive.read(path)
    return str(caught.value)


def test_podmans_archive(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", docker(tags=["localhost/hostproof/llama-server:lab", "x:1"]))
    assert image_archive.read(path) == Archived(ID, ("localhost/hostproof/llama-server:lab", "x:1"))


def test_names_that_begin_with_a_dot_and_a_compressed_archive(tmp_path: Path) -> None:
    plain = tar(tmp_path / "a.tar", {f"./{name}": data for name, data in docker(tags=["x:1"]).items()})
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert image_archive.read(packed) == image_archive.read(plain) == Archived(ID, ("x:1",))


def test_an_image_without_a_name(tmp_path: Path) -> None:
    assert image_archive.read(tar(tmp_path / "a.tar", docker())).references == ()
    assert image_archive.read(tar(tmp_path / "b.tar", oci())).references == ()


def test_an_oci_archive_has_its_images_id_not_its_manifests(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", oci({"org.opencontainers.image.ref.name": "x:1"}))
    assert image_archive.read(path) == Archived(ID, ("x:1",))


def test_dockers_archive_with_both_indexes(tmp_path: Path) -> None:
    """Docker 25 and newer: the config lies among the blobs."""
    image = {"Config": f"blobs/sha256/{ID}", "RepoTags": ["x:1"], "Layers": []}
    assert image_archive.read(tar(tmp_path / "a.tar", {**oci(), "manifest.json": [image]})) == Archived(
        ID, ("x:1",)
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_an_archive_that_was_cut_short(tmp_path: Path, share: float) -> None:
    # The index comes first, so that it can be read although a layer is missing.
    files = docker(tags=["x:1"])
    path = tar(tmp_path / "a.tar", {"manifest.json": files.pop("manifest.json"), **files})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(LAYER) * share)])
    assert why(path).startswith("it is no whole tar file (")


def test_a_compressed_archive_that_was_cut_short(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", docker())
    packed = gzip.compress(path.read_bytes())
    path.write_bytes(packed[: len(packed) // 2])
    assert why(path).startswith("it is no whole tar file (")


def test_what_is_no_archive(tmp_path: Path) -> None:
    assert why(tmp_path / "nothing.tar") == "it is not there"
    (tmp_path / "page.tar").write_text("<html>404</html>")
    assert why(tmp_path / "page.tar").startswith("it is no whole tar file (")
    assert why(tmp_path).startswith("it is no whole tar file (")
    other = tar(tmp_path / "other.tar", {"etc/passwd": b"root"})
    assert why(other) == "it is no image archive: neither manifest.json nor index.json is in it"


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    files = docker()
    del files["1.tar"]
    assert why(tar(tmp_path / "a.tar", files)) == "1.tar is missing in it"


@pytest.mark.parametrize("count", [0, 2])
def test_more_or_less_than_one_image(tmp_path: Path, count: int) -> None:
    files = docker()
    entry = files["manifest.json"]
    assert isinstance(entry, list)
    assert (
        why(tar(tmp_path / "a.tar", {**files, "manifest.json": entry * count}))
        == f"it holds {count} images, not one"
    )
    assert (
        why(tar(tmp_path / "b.tar", {"index.json": {"manifests": [{}] * count}}))
        == f"it holds {count} images, not one"
    )


@pytest.mark.parametrize("index", [b"", b"not json", b"[1]", b'[{"Config": "x.json"}]'])
def test_an_index_that_cannot_be_read(tmp_path: Path, index: bytes) -> None:
    assert why(tar(tmp_path / "a.tar", {"manifest.json": index})).startswith("its index cannot be read (")


def test_an_index_that_is_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("manifest.json")
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    assert why(path) == "manifest.json in it is no file"


def test_an_id_that_is_none(tmp_path: Path) -> None:
    assert (
        why(tar(tmp_path / "a.tar", docker(image_id="latest")))
        == "the id of its image is 'latest', not 64 hex digits"
    )
