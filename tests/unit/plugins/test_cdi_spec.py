"""A CDI specification against the host: whose driver it is, which podman reads it, whether it is whole and the only one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hostproof.shared import cdi_spec
from hostproof.shared.cdi_spec import SPEC, Host, Spec

TEXT = (Path(__file__).parent / "cdi/upstream-0.7.0.yaml.txt").read_text(encoding="utf-8")
UUID = "GPU-16c1a634-0275-533a-9b6c-eccdffd6c5e1"
NEW = Host("580.95.05", "5.4.2", [UUID])


def wrong(text: str, host: Host = NEW, gone: tuple[str, ...] = ()) -> list[str]:
    spec = cdi_spec.read(text)
    there = [path for path in spec.nodes | spec.host_paths if path not in gone]
    return [str(each) for each in cdi_spec.complaints({SPEC: spec}, host, there)]


def old() -> str:
    """What the feature flag makes of it."""
    lines = TEXT.replace("cdiVersion: 0.7.0", "cdiVersion: 0.5.0").splitlines()
    return "\n".join(
        line for line in lines if "additionalGids" not in line and line.strip() not in ("- 44", "- 992")
    )


def test_it_is_read_in_each_layout_alike() -> None:
    expected = cdi_spec.read(TEXT)
    assert expected == Spec(
        version="0.7.0",
        kind="nvidia.com/gpu",
        names=frozenset({"0", UUID, "all"}),
        nodes=frozenset(
            f"/dev/{name}"
            for name in (
                "nvidia-modeset",
                "nvidia-uvm",
                "nvidia-uvm-tools",
                "nvidiactl",
                "nvidia0",
                "dri/card1",
                "dri/renderD128",
            )
        ),
        host_paths=frozenset({"/lib/x86_64-linux-gnu/libcuda.so.580.95.05"}),
        gids=True,
        drivers=frozenset({"580.95.05"}),
    )
    found = yaml.safe_load(TEXT)
    assert cdi_spec.read(json.dumps(found, indent=2)) == expected
    assert cdi_spec.read(yaml.safe_dump(found, sort_keys=False, indent=4)) == expected


def test_a_whole_one_of_the_loaded_driver_has_nothing_wrong() -> None:
    assert wrong(TEXT) == []
    assert wrong(old(), Host("580.95.05", "4.9.3", [UUID])) == []


def test_the_old_driver_s_is_stale() -> None:
    (said,) = wrong(TEXT, Host("580.173.02", "5.4.2", [UUID]))
    assert said.startswith(f"{SPEC} was made for driver 580.95.05, and 580.173.02 is loaded.")


@pytest.mark.parametrize("podman", ["4.9.3+ds1-1ubuntu0.2", "4.3.1", "5.0.3"])
def test_a_podman_that_does_not_read_it_is_named(podman: str) -> None:
    (said,) = wrong(TEXT, Host("580.95.05", podman, [UUID]))
    assert f"is of CDI 0.7.0 with additionalGids, and podman {podman} reads up to 0.6.0." in said
    assert "no-additional-gids-for-device-nodes" in said


def test_which_podman_reads_what() -> None:
    found = {
        version: cdi_spec.ceiling(version) for version in ("4.9.3", "5.0.0", "5.1.0", "5.4.2", "5.8.0", "")
    }
    assert found == {
        "4.9.3": (0, 6, 0),
        "5.0.0": (0, 6, 0),
        "5.1.0": (0, 7, 0),
        "5.4.2": (0, 8, 0),
        "5.8.0": (1, 0, 0),
        "": (0, 6, 0),
    }


def test_where_podman_is_not_there_yet_nothing_is_said_of_it() -> None:
    assert wrong(TEXT, Host("580.95.05", "", [UUID])) == []


def test_one_that_was_made_before_the_device_nodes_existed_is_told() -> None:
    text = "\n".join(line for line in TEXT.splitlines() if "nvidia-uvm" not in line)
    (said,) = wrong(text)
    assert "lacks /dev/nvidia-uvm, /dev/nvidia-uvm-tools." in said
    bare = "\n".join(line for line in TEXT.splitlines() if "/dev/nvidia0" not in line)
    assert any("lacks /dev/nvidia0 and its like." in each for each in wrong(bare))


def test_a_card_that_is_not_in_it_and_a_path_that_is_gone_are_told() -> None:
    assert wrong(TEXT, Host("580.95.05", "5.4.2", ["GPU-other"])) == [
        f"{SPEC} lacks GPU-other. Restart nvidia-cdi-refresh.service."
    ]
    (said,) = wrong(TEXT, gone=("/lib/x86_64-linux-gnu/libcuda.so.580.95.05",))
    assert "names /lib/x86_64-linux-gnu/libcuda.so.580.95.05, which the host does not have." in said


def test_none_at_all_and_another_kind_are_told() -> None:
    assert "There is no specification of nvidia.com/gpu" in str(next(cdi_spec.complaints({}, NEW, ())))
    other = cdi_spec.read("cdiVersion: 0.5.0\nkind: example.com/nic\n")
    assert "describes example.com/nic" in str(next(cdi_spec.complaints({SPEC: other}, NEW, ())))


def test_a_second_file_for_the_same_kind_is_found_and_another_kind_s_is_not() -> None:
    spec, nic = cdi_spec.read(TEXT), cdi_spec.read("kind: example.com/nic\n")
    assert cdi_spec.others({SPEC: spec, "/etc/cdi/nvidia.yaml": spec, "/etc/cdi/nic.yaml": nic}) == [
        "/etc/cdi/nvidia.yaml"
    ]


def test_nonsense_is_no_crash() -> None:
    for text in ("", "\x00\xff", "cdiVersion: [", "kind: nvidia.com/gpu"):
        assert wrong(text)
