"""Nightlies by their index: one commit, one wheel, and never a rolling address. The lists are composed after vLLM's generator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from hostproof.shared import vllm_index
from hostproof.shared.vllm_index import Wheel, WheelIndexError

ROOT = Path(__file__).parents[3]
LISTS = Path(__file__).parent / "vllm_index"
SHA = "0123abcde" + "4" * 31
VERSION = "0.33.1rc1.dev12+g0123abcde"
NAME = "vllm-0.33.1rc1.dev12%2Bg0123abcde"
NIGHTLY = vllm_index.metadata_url("nightly", "cu130")


def listed(name: str) -> Any:
    return json.loads((LISTS / f"{name}.json").read_text(encoding="utf-8"))


def test_a_rolling_index_gives_the_commit_in_full_and_an_address_that_stays() -> None:
    found = vllm_index.choose(
        vllm_index.wheels(listed("nightly-cu130"), NIGHTLY), variant="cu130", where=NIGHTLY
    )
    assert found.commit == SHA
    assert found.version == f"{VERSION}.cu130"
    assert found.url == f"https://wheels.vllm.ai/{SHA}/{NAME}.cu130-cp38-abi3-manylinux_2_28_x86_64.whl"
    assert vllm_index.pinned_index(found.commit, "cu130") == f"https://wheels.vllm.ai/{SHA}/cu130"


def test_the_same_wheel_by_its_commit_whether_paths_are_quoted_or_not() -> None:
    where = vllm_index.metadata_url(SHA)
    found = vllm_index.choose(vllm_index.wheels(listed("commit-default"), where), where=where)
    assert found.url == f"https://wheels.vllm.ai/{SHA}/{NAME}-cp38-abi3-manylinux_2_28_x86_64.whl"
    assert found.filename == f"vllm-{VERSION}-cp38-abi3-manylinux_2_28_x86_64.whl"
    alias = vllm_index.metadata_url(SHA, "cu129")
    assert (
        vllm_index.choose(
            vllm_index.wheels(listed("commit-alias-cu129"), alias), variant="cu129", where=alias
        ).url
        == found.url
    )


def test_another_machine_gets_its_own() -> None:
    found = vllm_index.choose(
        vllm_index.wheels(listed("nightly-cu130"), NIGHTLY), machine="aarch64", where=NIGHTLY
    )
    assert found.platform == "manylinux_2_28_aarch64"


def test_other_packages_of_the_index_are_left_out() -> None:
    assert {
        each.filename.split("-")[0]
        for each in vllm_index.wheels(listed("commit-default"), vllm_index.metadata_url(SHA))
    } == {"vllm"}


@pytest.mark.parametrize("build", ["", "0123abcde", SHA.upper(), "latest", "0.33.0", SHA + "0"])
def test_what_is_no_whole_commit_has_no_index(build: str) -> None:
    with pytest.raises(WheelIndexError, match="all of its 40 digits"):
        vllm_index.metadata_url(build)


@pytest.mark.parametrize("variant", ["cuda13", "cu13.0", "../x", "130"])
def test_what_is_no_variant_is_refused(variant: str) -> None:
    with pytest.raises(WheelIndexError, match="no variant"):
        vllm_index.metadata_url(SHA, variant)


def test_a_rolling_index_is_never_pinned() -> None:
    with pytest.raises(WheelIndexError, match="rolling"):
        vllm_index.pinned_index("nightly", "cu130")


def test_what_is_not_there_is_said_with_what_is() -> None:
    found = vllm_index.wheels(listed("nightly-cu130"), NIGHTLY)
    with pytest.raises(
        WheelIndexError, match=r"no build cu128 for x86_64\. It has: cu130 for manylinux_2_28_aarch64, cu130"
    ):
        vllm_index.choose(found, variant="cu128", where=NIGHTLY)
    with pytest.raises(WheelIndexError, match="some hours after"):
        vllm_index.choose([], variant="cu130")


def test_two_that_fit_are_not_guessed_between() -> None:
    with pytest.raises(WheelIndexError, match="several that fit"):
        vllm_index.choose([*vllm_index.wheels(listed("nightly-cu130"), NIGHTLY)] * 2)


def test_a_wheel_under_another_commit_is_refused() -> None:
    moved = json.loads((LISTS / "nightly-cu130.json").read_text().replace(f"../{SHA}", "../" + "f" * 40))
    with pytest.raises(WheelIndexError, match="Do not install it"):
        vllm_index.choose(vllm_index.wheels(moved, NIGHTLY), where=NIGHTLY)


def test_a_wheel_without_its_commit_cannot_be_pinned() -> None:
    flat = json.loads((LISTS / "nightly-cu130.json").read_text().replace(f"../../../{SHA}/", "../"))
    with pytest.raises(WheelIndexError, match="cannot be pinned"):
        vllm_index.choose(vllm_index.wheels(flat, NIGHTLY), where=NIGHTLY)


@pytest.mark.parametrize("raw", [{}, "x", [1], [{"filename": "x"}], None])
def test_what_is_no_list_of_wheels_is_said(raw: object) -> None:
    with pytest.raises(WheelIndexError, match="metadata"):
        vllm_index.wheels(raw, NIGHTLY)


def test_a_short_commit_is_expanded_if_it_is_one() -> None:
    other = "0123abcdf" + "0" * 31
    assert vllm_index.expand("0123abcde", [SHA, other, SHA]) == SHA
    with pytest.raises(WheelIndexError, match="several commits"):
        vllm_index.expand("0123abc", [SHA, other])
    with pytest.raises(WheelIndexError, match="no commit begins with fffffff"):
        vllm_index.expand("fffffff", [SHA])
    with pytest.raises(WheelIndexError, match="is no commit"):
        vllm_index.expand("main", [SHA])


def test_versions_sort_as_pep_440_says() -> None:
    versions = [
        "0.24.0",
        "0.33.0.dev5",
        "0.33.0rc1.dev3+gaaaaaaaaa",
        "0.33.0rc1",
        "0.33.0rc2.dev1",
        "0.33",
        "0.33.0.post1.dev2",
        "0.33.0.post1",
        "0.33.1rc1.dev2+gfffffffff",
        "0.33.1rc1.dev12+g0123abcde.cu130",
        "0.33.1",
    ]
    backwards = versions[::-1]
    assert sorted(backwards, key=vllm_index.order) == versions
    assert (
        sorted(backwards, key=Version) == versions
    )  # the list itself, by the library that defines the order
    assert vllm_index.order("0.33.0+cu130") == vllm_index.order("0.33")
    with pytest.raises(WheelIndexError, match="no version"):
        vllm_index.order("nightly")


def test_what_is_newer_than_the_pinned_build_comes_first() -> None:
    def wheel(version: str) -> Wheel:
        return Wheel(version, SHA, "cu130", "manylinux_2_28_x86_64", "https://x.example", "x")

    found = [
        wheel("0.32.0"),
        wheel("0.33.1rc1.dev12+g0123abcde.cu130"),
        wheel("0.33.1rc1.dev40+g9123abcde.cu130"),
    ]
    assert [each.version for each in vllm_index.newer("0.33.0", found)] == [
        "0.33.1rc1.dev40+g9123abcde.cu130",
        "0.33.1rc1.dev12+g0123abcde.cu130",
    ]
    assert vllm_index.newer("0.33.1", found) == ()


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("collections")
    link = place / "ansible_collections/hostproof/core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    return place


def run(collection: Path, **arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.hostproof.core.plugins.modules.vllm_nightly"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(collection)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_the_module_asks_an_index_on_this_machine(collection: Path, tmp_path: Path) -> None:
    place = tmp_path / "nightly" / "cu130" / "vllm"
    place.mkdir(parents=True)
    (place / "metadata.json").write_text((LISTS / "nightly-cu130.json").read_text())
    index = f"file://{tmp_path}"
    done = run(collection, index=index, pinned="0.33.0")
    assert (done["commit"], done["newer"], done["changed"]) == (SHA, True, False)
    assert done["index"] == f"{index}/{SHA}/cu130"
    assert "is newer than the pinned 0.33.0. Nothing was installed." in done["msg"]
    assert "Nothing is newer than the pinned 0.34.0" in run(collection, index=index, pinned="0.34.0")["msg"]
    assert "cannot be reached" in run(collection, index=index, variant="cu129")["msg"]
    assert "all of its 40 digits" in run(collection, index=index, commit="0123abcde")["msg"]
    (place / "metadata.json").write_text("<html>")
    assert "is no JSON" in run(collection, index=index)["msg"]
