"""What stands in the driver's way, all of it at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hostproof.shared.nvidia import judge
from hostproof.shared.nvidia.wanted import Wishes
from hostproof.shared.preflight_types import Finding
from tests.unit.nvidia.build import ADA, KERNEL, NEXT, STATUS, UNKNOWN, WISHES, bare, host, recorded, stanza

NVIDIA = Wishes(source="nvidia", packages=("nvidia-open",))


def found(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.id, one.severity) for one in findings]


def test_a_good_host_has_nothing_in_the_way() -> None:
    assert judge.of_host(WISHES, bare()) == [] and judge.of_host(WISHES, host()) == []


def test_everything_comes_at_once_each_with_its_mend() -> None:
    status = STATUS + stanza("libnvidia-compute-535", "535.1-1", "install ok unpacked")
    here = host(
        status, gpus=(UNKNOWN,), nouveau=True, foreign=("NVIDIA's runfile (/usr/bin/nvidia-uninstall)",)
    )
    findings = judge.of_host(WISHES, here)
    assert found(findings) == [
        ("card", "warn"),
        ("nouveau", "warn"),
        ("foreign", "fail"),
        ("other_branch", "fail"),
        ("half_installed", "fail"),
    ]
    assert all(one.fix and one.where for one in findings)


def test_no_gpu_is_said_with_the_way_to_leave_the_host_out() -> None:
    (finding,) = judge.of_host(WISHES, bare(gpus=()))
    assert (finding.id, finding.severity) == ("gpu", "fail") and "nvidia_driver_branch" in finding.fix


def test_proprietary_modules_are_refused_for_blackwell_with_the_reason() -> None:
    (finding,) = judge.of_host(Wishes(open_modules=False), bare())
    assert finding.id == "open" and "Blackwell" in finding.what and "No devices were found" in finding.what
    assert judge.of_host(Wishes(open_modules=False), bare(gpus=(ADA,))) == []
    assert found(judge.of_host(Wishes(open_modules=False), bare(gpus=(UNKNOWN,)))) == [("card", "warn")]


@pytest.mark.parametrize(
    ("secure_boot", "key", "expected"),
    [
        (True, "", ["secure_boot"]),
        (True, "not-enrolled", ["secure_boot"]),
        (True, "enrolled", []),
        (False, "", []),
        (None, "", []),
    ],
)
def test_secure_boot_is_held_against_the_source(
    secure_boot: bool | None, key: str, expected: list[str]
) -> None:
    here = bare(secure_boot=secure_boot, module_key=key)
    assert [one.id for one in judge.of_host(NVIDIA, here)] == expected
    assert judge.of_host(WISHES, here) == [], "Canonical's are signed"


def test_a_repository_of_nvidia_s_is_foreign_to_the_archive_alone() -> None:
    other = "NVIDIA's CUDA repository (/etc/apt/sources.list.d/cuda.list)"
    ours = "NVIDIA's CUDA repository (/etc/apt/sources.list.d/hostproof-nvidia.sources)"
    assert found(judge.of_host(WISHES, bare(foreign=(other, ours)))) == [("foreign", "fail")]
    assert judge.of_host(NVIDIA, bare(foreign=(other, ours))) == []


def test_another_branch_may_go_where_that_is_said() -> None:
    status = STATUS + stanza(
        "nvidia-utils-570-server", "570.1-1", description="Transitional package for nvidia-utils-580-server"
    )
    (finding,) = judge.of_host(WISHES, host(status))
    assert "transitional, they lead elsewhere: nvidia-utils-570-server" in finding.what
    assert found(judge.of_host(Wishes(replace=True), host(status))) == [("other_branch", "warn")]


def test_headers_are_needed_only_where_modules_are_built() -> None:
    here = bare(kernels=(KERNEL, NEXT))
    missing = judge.of_headers(here, {f"linux-headers-{KERNEL}"}, ())
    assert [one.where for one in missing] == [f"linux-headers-{NEXT}"]
    assert judge.of_headers(here, (), (f"linux-headers-{KERNEL}", f"linux-headers-{NEXT}")) == []


def test_a_source_that_fails_stops_only_where_the_driver_is_missed_for_it() -> None:
    assert found(judge.of_update(recorded("unsigned"), needed=True)) == [("repository", "fail")]
    assert found(judge.of_update(recorded("unreachable"), needed=False)) == [("repository", "warn")]
    assert judge.of_update("", needed=True) == []


def test_a_key_counts_by_its_fingerprint_and_alone() -> None:
    right = "EB693B3035CD5710E231E123A4B469963BF863CC"
    assert judge.of_key([right], "eb69 3b30 35cd 5710 e231 e123 a4b4 6996 3bf8 63cc", "u") == []
    for keys in ([], ["A" * 40], [right, "A" * 40]):
        (finding,) = judge.of_key(keys, right, "https://x.example/key")
        assert finding.id == "key" and right in finding.what


def test_room_is_asked_for_on_the_root_and_for_initial_ram_disks() -> None:
    wishes = replace(WISHES, disk_reserve_bytes=10**9)
    assert judge.of_disk(wishes, 4 * 10**8, 10**9, {"/": 3 * 10**9, "/boot": 10**9}) == []
    both = judge.of_disk(wishes, 4 * 10**8, 10**9, {"/": 2 * 10**9, "/boot": 10**8})
    assert [one.where for one in both] == ["/", "/boot"] and "1.4 GB come" in both[0].what


def test_a_finding_is_skipped_with_a_reason_only_and_never_one_that_leaves_nothing_to_install() -> None:
    foreign = judge.of_host(WISHES, bare(foreign=("DKMS module 580 of no package (x)",)))
    (skipped,) = judge.with_skips(foreign, {"foreign": "kept for the other card"})
    assert skipped.severity == "warn" and "kept for the other card" in skipped.fix
    assert found(judge.with_skips(foreign, {"foreign": ""})) == [("skip", "fail"), ("foreign", "fail")]
    assert "Did you mean foreign?" in judge.with_skips([], {"foreing": "x"})[0].fix
    assert judge.with_skips([], {"modules": "x"})[0].id == "skip"
