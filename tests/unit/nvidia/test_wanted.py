"""Which driver is wanted: from wishes, the host's packages and what apt offers."""

from __future__ import annotations

from dataclasses import replace

from hostproof.shared.nvidia import wanted
from hostproof.shared.nvidia.package_set import One
from hostproof.shared.nvidia.wanted import Wishes
from tests.unit.nvidia.build import (
    KERNEL,
    NEWER,
    NEXT,
    OFFER,
    OLD,
    OLDER,
    STATUS,
    WISHES,
    bare,
    host,
    recorded,
    stanza,
)

SERVER = "linux-modules-nvidia-580-server-open"


def test_names_are_ubuntu_s_by_branch_kind_and_flavour() -> None:
    names = wanted.names(WISHES, bare(kernels=(KERNEL, NEXT)))
    assert names.user_space == ("nvidia-headless-no-dkms-580-server-open", "nvidia-utils-580-server")
    assert names.meta == (f"{SERVER}-generic",)
    assert names.modules == {KERNEL: f"{SERVER}-{KERNEL}", NEXT: f"{SERVER}-{NEXT}"}
    hwe = bare().packages | {"linux-image-generic-hwe-24.04": replace(bare().packages["linux-image-generic"])}
    assert replace(bare(), packages=hwe).flavours == ("generic", "generic-hwe-24.04")
    virtual = {"linux-image-virtual": bare().packages["linux-image-generic"]}
    assert replace(bare(), packages=virtual).flavours == ("generic",)
    assert "-open" not in " ".join(wanted.names(Wishes(open_modules=False), bare()).every)


def test_a_bare_host_gets_the_newest_of_the_branch() -> None:
    made = wanted.choose(WISHES, bare(), OFFER)
    assert made.version == NEWER and made.findings == ()
    assert made.packages[f"{SERVER}-generic"] == f"6.8.1-1+{NEWER}"
    assert made.packages[f"{SERVER}-{KERNEL}"] == f"6.8.0-1+{NEWER}"


def test_a_version_that_is_asked_for_is_taken_with_its_modules() -> None:
    made = wanted.choose(Wishes(version=OLDER), bare(), OFFER)
    assert made.packages[f"{SERVER}-generic"] == f"6.8.0-1+{OLDER}"
    assert made.packages["nvidia-utils-580-server"] == f"{OLDER}-0ubuntu0.24.04.2"


def test_what_is_installed_stays_unless_another_version_is_asked_for() -> None:
    assert wanted.choose(WISHES, host(), OFFER).version == OLDER
    upgraded = wanted.choose(Wishes(version=NEWER), host(), OFFER)
    assert upgraded.packages["libnvidia-cfg1-580-server"] == f"{NEWER}-0ubuntu0.24.04.1", (
        "all of it goes along"
    )


def test_a_version_that_is_not_offered_names_those_that_are() -> None:
    (finding,) = wanted.choose(Wishes(version="580.1.1"), bare(), OFFER).findings
    assert finding.id == "version" and f"Offered: {OLDER}, {NEWER}" in finding.fix


def test_a_branch_that_apt_does_not_know_names_those_it_does() -> None:
    (finding,) = wanted.choose(
        Wishes(branch="999-server"), bare(), OFFER, ["570-server", "580-server"]
    ).findings
    assert finding.id == "branch" and "Branches offered: 570-server, 580-server" in finding.fix


def test_a_branch_that_has_ended_is_refused_with_where_it_leads() -> None:
    (finding,) = wanted.choose(Wishes(branch="570-server"), bare(), OFFER).findings
    assert "branch 570-server has ended" in finding.what and "580-server" in finding.what


def test_a_driver_that_is_too_old_for_the_card_is_refused() -> None:
    old = {
        name: [replace(one, version=one.version.replace(NEWER, "570.86.15")) for one in stanzas[:1]]
        for name, stanzas in OFFER.items()
    }
    found = wanted.choose(WISHES, bare(), old).findings
    assert "570.86.15 is older than 570.169, the first for Blackwell" in next(
        f.what for f in found if f.id == "version"
    )


def test_a_kernel_that_would_boot_without_its_module_stops_everything() -> None:
    made = wanted.choose(Wishes(version=OLDER), bare(kernels=(KERNEL, NEXT)), OFFER)
    (finding,) = made.findings
    assert (finding.id, finding.severity) == ("modules", "fail")
    assert (
        f"no prebuilt module of driver {OLDER} for {NEXT}, a kernel that the next boot may take"
        in finding.what
    )
    assert f"It is there for {NEWER}" in finding.fix


def test_an_older_kernel_without_a_module_is_told_and_does_not_stop() -> None:
    made = wanted.choose(WISHES, bare(kernels=(OLD, KERNEL)), OFFER)
    (finding,) = made.findings
    assert finding.severity == "warn" and "older than the running kernel" in finding.what
    assert f"{SERVER}-{KERNEL}" in made.packages


def test_a_kernel_of_nobody_s_has_no_module() -> None:
    here = replace(bare(), running="6.8.0-custom", driver=replace(bare().driver, modules=()))
    odd = replace(
        here, driver=replace(here.driver, modules=(host(kernels=("6.8.0-custom",)).driver.modules[0],))
    )
    (finding,) = wanted.choose(WISHES, odd, OFFER).findings
    assert "the running kernel" in finding.what and "linux-image-generic" in finding.fix


# Settled: nothing need be fetched to know that nothing moves


def test_a_host_that_has_it_all_is_settled_and_held() -> None:
    settled = wanted.settled(WISHES, host())
    assert settled == host().now
    loose = host(STATUS.replace("hold ok", "install ok"))
    assert wanted.settled(WISHES, loose) == host().now, "holds alone are missing"
    assert wanted.settled(Wishes(freeze=False), loose) == loose.now


def test_a_host_is_not_settled_where_something_must_move() -> None:
    assert wanted.settled(WISHES, bare()) is None
    assert wanted.settled(Wishes(version=NEWER), host()) is None
    assert wanted.settled(WISHES, host(kernels=(KERNEL, NEXT), without=(NEXT,))) is None
    assert wanted.settled(WISHES, host(kernels=(KERNEL, NEXT))) is None, "a newer kernel's package is missing"
    broken = host(STATUS + stanza("nvidia-dkms-580", "580.95.05-1", "install ok half-configured"))
    assert wanted.settled(WISHES, broken) is None


def test_other_branches_and_the_other_kind_of_modules_are_seen() -> None:
    assert wanted.others(WISHES, host(STATUS + stanza("libnvidia-cfg1-535", "535.1-1"))) == (
        "libnvidia-cfg1-535",
    )
    more = stanza("libnvidia-compute-535", "535.1-1") + stanza(
        "linux-modules-nvidia-580-server-generic", "6.8.0-1"
    )
    assert wanted.others(WISHES, host(STATUS + more)) == (
        "libnvidia-compute-535",
        "linux-modules-nvidia-580-server-generic",
    )
    assert wanted.others(WISHES, host()) == ()
    assert wanted.settled(WISHES, host(STATUS + more)) is None


# After


def test_after_an_upgrade_all_is_of_one_version_and_held_and_old_firmware_is_gone() -> None:
    made = wanted.after(host(), recorded("upgrade"), NEWER, WISHES)
    assert (
        "nvidia-firmware-580-server-580.95.05" not in made and "nvidia-firmware-580-server-580.173.02" in made
    )
    assert all(one.held for one in made.values())
    assert made[f"linux-modules-nvidia-580-server-open-{NEXT}"] == One(f"6.8.1-1+{NEWER}", held=True)
    assert {one.version for name, one in made.items() if name.startswith(("nvidia", "lib"))} == {
        f"{NEWER}-0ubuntu0.24.04.1"
    }


def test_without_freezing_nothing_new_is_held() -> None:
    made = wanted.after(bare(), recorded("upgrade"), NEWER, Wishes(freeze=False))
    assert made and not any(one.held for one in made.values())
