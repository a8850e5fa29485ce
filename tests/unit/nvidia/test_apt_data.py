"""What apt says, as data."""

from __future__ import annotations

import pytest

from hostproof.shared.nvidia import apt_data
from tests.unit.nvidia.build import NEWER, NEXT, OFFER, OLDER, recorded


def test_every_version_of_a_package_is_known_the_newest_first() -> None:
    assert [one.version for one in OFFER["nvidia-utils-580-server"]] == [
        f"{NEWER}-0ubuntu0.24.04.1",
        f"{OLDER}-0ubuntu0.24.04.2",
    ]
    assert OFFER["nvidia-utils-580-server"][0].download_bytes > 1000


def test_a_transitional_package_says_where_it_leads() -> None:
    assert OFFER["nvidia-utils-570-server"][0].leads_to == "nvidia-utils-580-server"
    assert OFFER["nvidia-utils-580-server"][0].leads_to == ""


def test_modules_are_made_for_the_driver_that_their_relation_names() -> None:
    made = [
        apt_data.bound(one, "nvidia-kernel-common-580-server")
        for one in OFFER["linux-modules-nvidia-580-server-open-generic"]
    ]
    assert made == [NEWER, OLDER]
    ubuntu = apt_data.Stanza(
        "linux-modules-nvidia-580-server-open-6.8.0-87-generic",
        "6.8.0-87.88",
        "linux-image-6.8.0-87-generic, nvidia-kernel-common-580-server (<= 580.95.05-1), nvidia-kernel-common-580-server (>= 580.95.05)",
    )
    assert apt_data.bound(ubuntu, "nvidia-kernel-common-580-server") == OLDER
    assert apt_data.bound(ubuntu, "nvidia-kernel-common-580") == ""


def test_what_would_come_and_go_is_read_from_the_simulation() -> None:
    coming = apt_data.would_come(recorded("upgrade"))
    assert coming["nvidia-utils-580-server"] == f"{NEWER}-0ubuntu0.24.04.1"
    assert coming[f"linux-image-{NEXT}"] == "6.8.1-1"
    assert len(coming) == 12 and apt_data.would_go(recorded("upgrade")) == ()
    assert len(apt_data.would_go(recorded("purge"))) == 10


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("unreachable", "Failed to fetch http://127.0.0.1:9/ubuntu/dists/noble/InRelease Could not connect"),
        ("missing", "The repository 'file:/srv/nothing noble Release' does not have a Release file"),
        ("unsigned", "The repository 'file:/tmp/unsigned noble Release' is not signed"),
        ("nokey", "Missing key 7B4D747CE3CAAB478518959C05D8E64ED7FF253C"),
        ("altered", "The repository 'file:/tmp/altered noble InRelease' is not signed"),
    ],
)
def test_a_source_that_fails_is_one_sentence(name: str, says: str) -> None:
    (said,) = apt_data.complaints(recorded(name))
    assert says in said and "\n" not in said and "Some index files" not in said


def test_a_complaint_of_another_form_is_not_lost() -> None:
    assert apt_data.complaints("took longer than 300 s") == ("took longer than 300 s",)


def test_why_apt_cannot_is_the_relation_that_does_not_hold() -> None:
    assert apt_data.unmet(recorded("conflict")) == (
        "nvidia-utils-580-server : Depends: libnvidia-compute-580-server (= 580.173.02-0ubuntu0.24.04.1) "
        "but 580.95.05-0ubuntu0.24.04.2 is to be installed"
    )
    assert apt_data.unmet("E: Version '1' for 'x' was not found\n") == "Version '1' for 'x' was not found"


def test_versions_are_ordered_by_their_numbers() -> None:
    assert apt_data.newest(["580.95.05", "580.173.02", "570.211.01"]) == NEWER
    assert apt_data.upstream("1:580.95.05-0ubuntu1") == OLDER and apt_data.upstream("6.8.0-87.88") == ""
