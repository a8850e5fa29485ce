"""A lab host with a GPU that is not there: apt, kernel modules, NVML, units and podman are real, the card is not.

One host for the whole file, in the order of a real one's life: bare, driver, upgrade, toolkit, reboot.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostproof.errors import HostproofError
from lab import hosts, inventory
from lab.gpu import driver_packages
from lab.records import Record

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[3]
GPU = "rtx-pro-6000-max-q"
OLDER, NEWER = driver_packages.OLDER.upstream, driver_packages.NEWER.upstream
KERNEL = os.uname().release
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o APT::Default-Release= "
INSTALL = f"{APT}install --yes --no-install-recommends "
# The toolkit's lists alone: Debian's take the network and most of a minute.
UPDATE = (
    f"{APT}update -o Dir::Etc::SourceList=/etc/apt/sources.list.d/toolkit.sources -o Dir::Etc::SourceParts=- "
    "-o APT::Get::List-Cleanup=0"
)
SET = ("nvidia-headless-no-dkms-580-server-open", "libnvidia-compute-580-server", "libnvidia-cfg1-580-server")
SET += ("nvidia-compute-utils-580-server", "nvidia-kernel-common-580-server", "nvidia-utils-580-server")
SET += ("nvidia-kernel-source-580-server-open",)
TOOLKIT = "nvidia-container-toolkit-base"
SOURCE = "Types: deb\\nURIs: file:/srv/hostproof-gpu/toolkit\\nSuites: /\\nSigned-By: /srv/hostproof-gpu/hostproof-lab.asc\\n"


class Host:
    def __init__(self, root: Path) -> None:
        self.root = root
        (self.record,) = self.up()

    def up(self, gpu: str = GPU) -> list[Record]:
        return hosts.up("gpu", say=lambda _: None, gpu=gpu, checkout=self.root)

    def sh(self, line: str) -> tuple[int, str]:
        """As root on the host: exit status, and what it said."""
        argv = inventory.ssh_argv(self.record, ["sudo", "sh", "-c", line])
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL
        )
        return done.returncode, done.stdout + done.stderr

    def ok(self, line: str) -> str:
        status, said = self.sh(line)
        assert status == 0, f"{line}\n{said}"
        return said

    def facts(self) -> Any:
        """By the module, as Ansible runs it."""
        command = [
            str(Path(sys.executable).parent / "ansible"),
            "gpu",
            "--become",
            "-i",
            self.record.inventory,
        ]
        done = subprocess.run(
            [*command, "-m", "hostproof.core.gpu_facts"],
            capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        assert "SUCCESS =>" in done.stdout, done.stdout + done.stderr
        return json.loads(done.stdout.partition("=>")[2])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    root = tmp_path_factory.mktemp("checkout")
    yield Host(root)
    hosts.down(if_there=True, say=lambda _: None, checkout=root)


def test_a_bare_host_has_the_card_and_no_driver(host: Host) -> None:
    text = Path(host.record.inventory).read_text(encoding="utf-8")
    assert "lab_gpu:" in text
    assert f"hostproof_lab_gpu_key: {host.record.gpu_key}" in text
    assert len(host.record.gpu_key) == 40
    status, said = host.sh("modprobe nvidia")
    assert (status, said.strip()) == (
        1,
        f"modprobe: FATAL: Module nvidia not found in directory /lib/modules/{KERNEL}",
    )
    seen = host.facts()
    assert (seen["driver"]["state"], seen["gpus"][0]["device_id"]) == ("not-installed", "10de:2bb4")


def test_another_card_on_the_same_host_is_refused(host: Host) -> None:
    with pytest.raises(HostproofError, match=f"gpu has another GPU, {GPU}"):
        host.up("h200")


def test_the_older_driver_by_apt(host: Host) -> None:
    versions = " ".join(f"{name}={driver_packages.OLDER.version}" for name in SET)
    modules = f"'linux-modules-nvidia-580-server-open-{KERNEL}=*+{OLDER}'"
    said = host.ok(f"{INSTALL}{versions} {modules}")
    assert "nvidia.ko: OK" in said
    status, said = host.sh("nvidia-smi -L")
    assert (status, said.startswith("NVIDIA-SMI has failed because it couldn't communicate")) == (9, True)
    assert host.ok("modprobe nvidia && nvidia-smi -L").startswith(
        "GPU 0: NVIDIA RTX PRO 6000 Blackwell Max-Q"
    )
    driver = host.facts()["driver"]
    assert (driver["state"], driver["loaded"], driver["flavour"]) == ("ok", OLDER, "open")


def test_faults_come_and_go(host: Host) -> None:
    host.ok("lab-gpu fault throttling && lab-gpu fault ecc")
    (card,) = host.facts()["gpus"]
    assert card["throttle"] == ["sw_power_cap", "sw_thermal_slowdown"]
    assert card["ecc"]["uncorrected_errors"] == 1
    host.ok("lab-gpu clear && lab-gpu fault lost")
    assert host.sh("nvidia-smi -L") == (15, "Unable to determine the device handle for GPU0: GPU is lost\n")
    seen = host.facts()
    assert seen["gpus"][0]["problems"] == {"handle": "GPU is lost"}
    assert seen["driver"]["state"] == "broken"
    host.ok("lab-gpu clear && lab-gpu fault power-denied")
    assert host.sh("nvidia-smi -pl 275")[0] == 4
    host.ok("lab-gpu clear && nvidia-smi -pl 275")
    assert host.sh("lab-gpu fault no-such-fault")[0] == 2


def test_an_upgrade_on_disk_is_a_mismatch_until_the_reboot(host: Host) -> None:
    host.ok(f"{INSTALL}linux-modules-nvidia-580-server-open-{KERNEL} {' '.join(SET)}")
    status, said = host.sh("nvidia-smi")
    expected = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.173\n"
    assert (status, said) == (18, expected)
    driver = host.facts()["driver"]
    assert (driver["state"], driver["loaded"], driver["on_disk"]) == ("reboot-required", OLDER, NEWER)
    assert driver["nvml"]["code"] == 18
    host.ok("rmmod nvidia-uvm nvidia-modeset nvidia && modprobe nvidia")
    assert host.facts()["driver"]["state"] == "ok"


def test_the_newest_kernel_without_its_module_is_seen(host: Host) -> None:
    """The metapackage of kernels moves on, and that of modules stays: the next boot has no driver."""
    now, following = driver_packages.kernels(KERNEL)
    host.ok(f"{INSTALL}linux-image-generic linux-headers-generic linux-generic")
    assert host.facts()["driver"]["kernels_without"] == [following.release]
    host.ok(f"{INSTALL}linux-modules-nvidia-580-server-open-generic")
    driver = host.facts()["driver"]
    assert driver["kernels_without"] == []
    assert {one["kernel"] for one in driver["modules"]} == {now.release, following.release}


def test_which_toolkit_s_spec_which_podman_takes(host: Host) -> None:
    """podman up to 5.0 refuses what toolkits since 1.19 write; `podman create` alone does not notice."""
    host.ok("lab-podman4")
    # An image with one file: nothing of it is ever run.
    host.ok(
        "mkdir -p /tmp/one && touch /tmp/one/x && chmod 0755 /tmp/one/x && tar -cf /tmp/one.tar -C /tmp/one x"
    )
    host.ok("for podman in podman podman4; do $podman import -q /tmp/one.tar localhost/one; done")
    host.ok(f"printf '{SOURCE}' > /etc/apt/sources.list.d/toolkit.sources && {UPDATE}")
    own = tuple(int(part) for part in host.ok("podman --version").split()[-1].split(".")[:2])
    expected = {"1.18.2": (True, True, "0.5.0"), "1.20.0": (own >= (5, 1), False, "0.7.0")}
    found = {}
    for version in expected:
        host.ok(f"{INSTALL}{TOOLKIT}={version}-1")
        spec = host.ok("cat /var/run/cdi/nvidia.yaml")
        assert ("additionalGids" in spec) == (version == "1.20.0")
        assert f"--host-driver-version={NEWER}" in spec
        found[version] = (
            taken(host, "podman"),
            taken(host, "podman4"),
            spec.split("cdiVersion: ")[1].split()[0],
        )
    assert found == expected
    assert "nvidia.com/gpu=all" in host.ok("nvidia-ctk cdi list"), "its own list proves nothing"
    env = "/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env"
    flag = "NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS=no-additional-gids-for-device-nodes"
    host.ok(f"echo {flag} >> {env} && systemctl restart nvidia-cdi-refresh.service")
    assert taken(host, "podman4"), "the unit's environment file mends it"


def taken(host: Host, podman: str) -> bool:
    host.ok(f"{podman} create --quiet --network=none --name try --device nvidia.com/gpu=all localhost/one /x")
    status, said = host.sh(f"{podman} init try")
    host.ok(f"{podman} rm --force try")
    assert status == 0 or "unresolvable CDI devices nvidia.com/gpu=all" in said, said
    return status == 0


def test_an_altered_repository_is_refused(host: Host) -> None:
    release = "/srv/hostproof-gpu/toolkit/InRelease"
    alter = f"cp {release} /tmp/kept && sed -i 's/^Origin: .*/Origin: Mallory/' {release}"
    status, said = host.sh(f"{alter} && {UPDATE} -o APT::Update::Error-Mode=any")
    host.ok(f"cp /tmp/kept {release}")
    assert (status, "signature" in said) == (100, True), said


def test_what_was_set_holds_until_the_host_boots_again(host: Host) -> None:
    limit = "nvidia-smi --query-gpu=power.limit --format=csv,noheader,nounits"
    host.ok("nvidia-smi -pl 275")
    assert host.ok(limit).strip() == "275.00"
    podman = hosts.open_lab(print, host.root).root
    podman.run(["podman", "stop", "--time=5", host.record.container], mend="See podman.", seconds=60)
    (host.record,) = host.up()
    assert host.ok(limit).strip() == "300.00"
    assert host.ok("systemctl is-system-running").strip() == "running"
