"""The driver's packages as one value: read, written, compared, and what leads from one to another."""

from __future__ import annotations

import pytest

from hostproof.shared.facts import dpkg
from hostproof.shared.nvidia import files, package_set
from hostproof.shared.nvidia.package_set import One, parse, render, step
from tests.unit.nvidia.build import OLDER, STATUS, host, stanza

NOW = host().now


def test_the_driver_is_told_from_its_neighbours() -> None:
    ours = [
        "nvidia-utils-580-server",
        "libnvidia-cfg1-580",
        "linux-modules-nvidia-580-server-open-6.8.0-87-generic",
    ]
    ours += [
        "linux-signatures-nvidia-6.8.0-87-generic",
        "libcuda1",
        "cuda-drivers-580",
        "nvidia-dkms-580-open",
    ]
    theirs = [
        "nvidia-container-toolkit-base",
        "libnvidia-container1",
        "nvidia-cuda-toolkit",
        "linux-image-generic",
        "nvtop",
    ]
    assert all(map(package_set.is_driver, ours)) and not any(map(package_set.is_driver, theirs))
    assert package_set.is_kernel("linux-image-generic-hwe-24.04") and package_set.is_kernel("linux-generic")
    assert not package_set.is_kernel("linux-image-6.8.0-87-generic") and not package_set.is_kernel(
        "linux-libc-dev"
    )


def test_what_is_rendered_is_read_again() -> None:
    assert parse(render(NOW)) == NOW and len(NOW) == 13
    assert NOW["linux-generic"] == One("-", held=True)
    assert render({}) == "none" and parse("none") == {}


def test_a_line_that_is_none_of_the_driver_s_is_refused() -> None:
    for text in ("bash 5.2 hold", "nvidia-utils-580"):
        with pytest.raises(ValueError, match="no package and version of the driver"):
            parse(text)


def test_what_is_half_installed_is_never_the_set_that_is_wanted() -> None:
    broken = host(STATUS + stanza("nvidia-dkms-580", "580.95.05-1", "install ok half-configured")).now
    assert broken["nvidia-dkms-580"].state == "half-configured" and render(broken) != render(NOW)
    wanted = {**NOW, "nvidia-dkms-580": One("580.95.05-1")}
    assert step(broken, wanted).install == {"nvidia-dkms-580": "580.95.05-1"}


def test_a_step_installs_purges_holds_and_lets_go_at_once() -> None:
    later = {**NOW, "nvidia-utils-580-server": One("580.173.02-1", held=True)}
    del later["libnvidia-cfg1-580-server"], later["linux-generic"]
    made = step(NOW, later)
    assert made.install == {"nvidia-utils-580-server": "580.173.02-1"}
    assert made.purge == ("libnvidia-cfg1-580-server",)
    assert made.unhold == ("linux-generic",), "what goes need not be let go, and a kernel is never purged"
    back = step(NOW, {})
    assert set(back.purge) == {name for name in NOW if package_set.is_driver(name)}
    assert set(back.unhold) == {"linux-generic", "linux-image-generic", "linux-headers-generic"}
    assert not step(NOW, NOW).moves


def test_all_is_frozen_kernels_too() -> None:
    free = {name: One(one.version) for name, one in NOW.items() if package_set.is_driver(name)}
    assert package_set.frozen(free, ["linux-generic", "linux-image-generic", "linux-headers-generic"]) == NOW


def test_pins_name_the_driver_s_version_first_and_hold_the_set_itself() -> None:
    text = files.pins(NOW)
    assert parse(files.set_in(text)) == NOW
    first = next(line for line in text.splitlines() if line.startswith("Pin: "))
    assert first == f"Pin: version {OLDER}-0ubuntu0.24.04.2"
    assert "Pin: version 6.8.0-1+580.95.05" in text
    assert all(" linux-generic" not in line for line in text.splitlines() if line.startswith("Package:"))
    assert "Pin:" not in files.pins({name: One(one.version) for name, one in NOW.items()}), (
        "what is not held is not pinned"
    )


def test_our_own_holds_do_not_stand_in_a_simulation_s_way_and_others_do() -> None:
    status = package_set.without_holds(STATUS + stanza("bash", "5.2", "hold ok installed"))
    parsed = dpkg.parse(dpkg.distil(status.encode()).decode())
    assert {one.selection for one in parsed.values()} == {"install"}
    assert "Package: bash\nStatus: hold ok installed" in status
    assert status.count("Package:") == STATUS.count("Package:") + 1
