"""The role nvidia_cdi on a lab host: apt, systemd, the toolkit's units and podman are real; the card and nvidia-ctk stand in.

One host for the whole file, in the order of a real one's life: bare, driver, toolkit, upgrades, faults, undo.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .gpu_host import INSTALL, NEWER, SNAPSHOT, GpuHost

pytestmark = pytest.mark.lab
ROLE = "nvidia_cdi"
SPEC = "/var/run/cdi/nvidia.yaml"
OLD = "nvidia_cdi_podman"
SOURCE = "Types: deb\\nURIs: file:/srv/hostproof-gpu/toolkit\\nSuites: /\\nSigned-By: /srv/hostproof-gpu/hostproof-lab.asc\\n"
UPDATE = (
    "apt-get -qq update -o Dir::Etc::SourceList=/etc/apt/sources.list.d/own.sources -o Dir::Etc::SourceParts=- "
    "-o APT::Get::List-Cleanup=0"
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuHost]:
    host = GpuHost("cdi", tmp_path_factory.mktemp("checkout"))
    yield host
    host.down()


@pytest.fixture(scope="module")
def before(host: GpuHost) -> str:
    """The host with a driver and podman's older brother, before the role ever ran."""
    host.driver()
    host.ok("lab-podman4")
    return host.ok(SNAPSHOT)


def test_without_a_driver_it_says_so_and_does_nothing(host: GpuHost) -> None:
    assert "Containers can have no GPU yet: no NVIDIA driver is installed." in host.refused(ROLE)
    assert host.sh("ls /etc/apt/sources.list.d/nvidia-container-toolkit.sources")[0] != 0


def test_a_dry_run_shows_all_of_it_and_leaves_no_trace(host: GpuHost, before: str) -> None:
    assert host.plays(ROLE, "--check") == 3
    assert host.ok(SNAPSHOT) == before


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"nvidia_cdi_key_fingerprint": "A" * 40}, f"and {'A' * 40} is expected."),
        ({"nvidia_cdi_key_fingerprint": "DDCAE044F796ECB0"}, "write all of its 40 digits"),
        ({"nvidia_cdi_repository": "file:/srv/no-such-place"}, "cannot be read. Nothing of it stays."),
        ({"nvidia_cdi_key": "file:///etc/hostname"}, "is no key of a repository: it is no OpenPGP key."),
        ({"nvidia_cdi_toolkit_version": "1.18.1-1"}, "does not see compressed kernel modules"),
        ({"nvidia_cdi_toolkit_version": "1.20"}, "which is no version as dpkg writes it"),
        ({"nvidia_cdi_toolkit_version": "1.21.0-1"}, "could not be installed (apt-get)."),
    ],
)
def test_bad_input_is_one_sentence(host: GpuHost, before: str, wish: dict[str, str], said: str) -> None:
    assert said in host.refused(ROLE, **wish)
    # The last one is known to be wrong only by apt, when the repository is there already.
    assert host.plays(ROLE, nvidia_cdi_state="absent") >= 0
    assert host.ok(SNAPSHOT) == before


def test_a_repository_that_is_not_signed_by_that_key_is_not_kept(host: GpuHost, before: str) -> None:
    release = "/srv/hostproof-gpu/toolkit/InRelease"
    host.ok(f"cp {release} /run/kept && sed -i 's/^Origin: .*/Origin: Mallory/' {release}")
    said = host.refused(ROLE)
    host.ok(f"cp /run/kept {release}")
    assert "is not signed by that key. Nothing of it stays." in said
    assert host.ok(SNAPSHOT) == before


def test_the_toolkit_its_specification_and_a_container_that_has_the_gpu(host: GpuHost, before: str) -> None:
    assert before
    assert host.plays(ROLE) > 0
    assert host.ok("dpkg-query --show --showformat='${Version}' nvidia-container-toolkit-base") == "1.20.0-1"
    assert host.plays(ROLE) == 0
    assert host.plays(ROLE, "--check") == 0
    assert host.sh("ls /var/tmp | grep hostproof")[0] == 1, "the trial's store is gone"


def test_root_and_a_user_without_it_get_the_same(host: GpuHost) -> None:
    status, said = host.play(ROLE, "-v", nvidia_cdi_users=["lab"])
    assert status == 0, said
    seen = "podman init and run take nvidia.com/gpu=all; in the container: nvidia-modeset nvidia-uvm nvidia-uvm-tools nvidia0 nvidiactl"
    assert f'"root: {seen}", "lab: {seen}"' in said
    assert host.ok("ps -u lab -o args= | grep -c podman || true").strip() == "0", (
        "no process outlives the trial"
    )
    assert "There is no user nobody-here" in host.refused(ROLE, nvidia_cdi_users=["nobody-here"])


@pytest.mark.long
def test_an_older_podman_gets_what_it_reads(host: GpuHost) -> None:
    """podman 4.3.1 reads up to 0.6.0, as Ubuntu 24.04's 4.9.3 does."""
    assert host.plays(ROLE) >= 0
    said = host.refused(ROLE, **{OLD: "podman4", "nvidia_cdi_compat": "none"})
    assert "is of CDI 0.7.0 with additionalGids, and podman 4.3.1 reads up to 0.6.0." in said
    assert host.plays(ROLE, **{OLD: "podman4"}) > 0
    assert "cdiVersion: 0.5.0" in host.ok(f"cat {SPEC}")
    assert host.plays(ROLE, **{OLD: "podman4"}) == 0
    host.boot()
    assert host.plays(ROLE, **{OLD: "podman4"}) == 0, "it is so after a boot, too"
    assert host.plays(ROLE, **{OLD: "podman4", "nvidia_cdi_compat": "older"}) > 0
    assert host.ok("dpkg-query --show --showformat='${Version}' nvidia-container-toolkit-base") == "1.18.2-1"
    assert host.plays(ROLE) > 0


def test_the_specification_of_the_old_driver_is_made_anew(host: GpuHost) -> None:
    host.ok("systemctl stop nvidia-cdi-refresh.path")
    host.driver(NEWER)
    # Nothing tells the toolkit when only libraries change, nor in a container without udev when the module does.
    host.ok(f"sed -i s/{NEWER.upstream}/580.95.05/g {SPEC}")
    status, said = host.play(ROLE)
    assert status == 0, said
    assert f"was made for driver 580.95.05, and {NEWER.upstream} is loaded." in said
    assert f"--host-driver-version={NEWER.upstream}" in host.ok(f"cat {SPEC}")
    assert host.plays(ROLE) == 0


def test_a_driver_that_waits_for_a_boot_is_not_papered_over(host: GpuHost) -> None:
    host.ok("lab-gpu fault mismatch")
    said = host.refused(ROLE)
    host.ok("lab-gpu clear")
    assert "Boot the host: ./inv provision --host cdi --allow-reboot." in said


def test_one_that_was_made_before_the_device_nodes_existed_is_made_anew(host: GpuHost) -> None:
    host.ok(f"sed -i /nvidia-uvm/d {SPEC}")
    status, said = host.play(ROLE)
    assert (status, "lacks /dev/nvidia-uvm, /dev/nvidia-uvm-tools." in said) == (0, True), said


def test_a_second_specification_is_set_aside_and_comes_back(host: GpuHost) -> None:
    host.ok(
        f"mkdir -p /etc/cdi && sed s/{NEWER.upstream}/570.86.15/g {SPEC} > /etc/cdi/nvidia.yaml && chmod 0640 /etc/cdi/nvidia.yaml"
    )
    first = host.ok("stat -c '%a %Y' /etc/cdi/nvidia.yaml; cat /etc/cdi/nvidia.yaml")
    status, said = host.play(ROLE)
    assert (status, "/etc/cdi/nvidia.yaml describes nvidia.com/gpu too" in said) == (0, True), said
    assert host.sh("ls /etc/cdi/nvidia.yaml")[0] != 0
    assert host.plays(ROLE) == 0
    host.plays(ROLE, nvidia_cdi_state="absent")
    assert host.ok("stat -c '%a %Y' /etc/cdi/nvidia.yaml; cat /etc/cdi/nvidia.yaml") == first
    host.ok("rm -r /etc/cdi")


def test_units_that_failed_when_the_toolkit_was_installed_are_mended(host: GpuHost) -> None:
    """Somebody installed it before the driver was usable: the unit tried five times, and stays failed."""
    host.ok(f"lab-gpu unload; printf '{SOURCE}' > /etc/apt/sources.list.d/own.sources && {UPDATE}")
    host.ok(f"{INSTALL}nvidia-container-toolkit-base=1.20.0-1; sleep 8")
    assert host.ok("systemctl is-failed nvidia-cdi-refresh.service || true").strip() == "failed"
    host.ok("modprobe nvidia")
    assert host.plays(ROLE) > 0
    assert host.ok("systemctl is-failed nvidia-cdi-refresh.service || true").strip() != "failed"
    host.plays(ROLE, nvidia_cdi_state="absent")
    assert (
        host.ok("dpkg-query --show --showformat='${Version}' nvidia-container-toolkit-base") == "1.20.0-1"
    ), "it was not ours"
    host.ok(
        "apt-get -qq purge --yes nvidia-container-toolkit-base; rm -f /etc/apt/sources.list.d/own.sources /var/run/cdi/nvidia.yaml"
    )


def test_undo_leaves_nothing(host: GpuHost) -> None:
    before = host.ok(SNAPSHOT)
    assert host.plays(ROLE) > 0
    assert host.plays(ROLE, nvidia_cdi_state="absent") > 0
    assert host.ok(SNAPSHOT) == before
    assert host.plays(ROLE, nvidia_cdi_state="absent") == 0
    assert host.ok("systemctl is-system-running").strip() == "running"
