"""The role nvidia_driver on a lab host: apt, dpkg, systemd, depmod and modinfo are real; the card, its module and nvidia-smi stand in.

One host for the whole file, in the order of a real one's life: everything that stands in the way, driver, power, upgrades, boot, undo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab.gpu import driver_packages

from .gpu_host import INSTALL, KERNEL, NEWER, OLDER, SNAPSHOT, GpuHost

pytestmark = pytest.mark.lab
ROLE = "nvidia_driver"
NEXT = driver_packages.kernels(KERNEL)[1].release
BARE = f"{SNAPSHOT}; ls /run/hostproof 2>&1; find /var/lib/apt/lists -printf '%p %T@\\n' | sort; apt-mark showhold"
CARD = "/run/hostproof-gpu/pci/0000:c1:00.0"
REPOSITORY = "/srv/hostproof-gpu/driver"
SOURCES = "/etc/apt/sources.list.d"
PINS = "/etc/apt/preferences.d/hostproof-nvidia"
KEY = "file:///srv/hostproof-gpu/hostproof-lab.asc"
USER = "gpu-user.service"
UNIT = (
    f"printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /run/systemd/system/{USER}; "
    f"systemctl daemon-reload; systemctl start {USER}"
)
SINCE = f"systemctl show --property=ActiveState,ActiveEnterTimestampMonotonic {USER}"
BUSY = "echo 1 > /run/hostproof-gpu/module/nvidia/refcnt"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuHost]:
    host = GpuHost("driver", tmp_path_factory.mktemp("checkout"))
    yield host
    host.down()


@pytest.fixture(scope="module")
def before(host: GpuHost) -> str:
    """The host as it came."""
    return host.ok(BARE)


def flat(said: str) -> str:
    return " ".join(said.split())


# Everything that stands in the way, each in one sentence, and nothing touched


def test_a_dry_run_on_a_bare_host_leaves_no_trace(host: GpuHost, before: str) -> None:
    status, said = host.play(ROLE, "--check")
    assert status == 0 and "+nvidia-utils-580-server " in said, said
    assert host.ok(BARE) == before


FAULTS: list[tuple[str, str, str, dict[str, Any], str]] = [
    (
        "no GPU",
        f"mv {CARD} /run/card",
        f"mv /run/card {CARD}",
        {},
        "gpu: there is no NVIDIA GPU on the PCI bus (/sys/bus/pci/devices). Look at the slot and the firmware",
    ),
    (
        "proprietary modules",
        "true",
        "true",
        {"nvidia_driver_open": False},
        "(Blackwell) is driven by the open kernel modules only",
    ),
    (
        "wrong branch",
        "true",
        "true",
        {"nvidia_driver_branch": "999-server"},
        "branch: apt knows no nvidia-headless-no-dkms-999-server-open (nvidia_driver_branch: 999-server). "
        "Branches offered: 570-server, 580-server.",
    ),
    (
        "a branch that has ended",
        "true",
        "true",
        {"nvidia_driver_branch": "570-server"},
        "branch: branch 570-server has ended: nvidia-headless-no-dkms-570-server-open is transitional and leads to "
        "nvidia-headless-no-dkms-580-server-open",
    ),
    (
        "no such version",
        "true",
        "true",
        {"nvidia_driver_version": "580.1.1"},
        f"version: driver 580.1.1 of branch 580-server is not offered (nvidia-headless-no-dkms-580-server-open, "
        f"nvidia-utils-580-server). Offered: {OLDER.upstream}, {NEWER.upstream}.",
    ),
    (
        "repository unsigned",
        f"cp -r {REPOSITORY} /srv/unsigned; rm /srv/unsigned/dists/*/InRelease /srv/unsigned/dists/*/Release.gpg; "
        f"sed 's#{REPOSITORY}#/srv/unsigned#' {SOURCES}/hostproof-lab-ubuntu.sources > {SOURCES}/bad.sources",
        f"rm -r /srv/unsigned {SOURCES}/bad.sources",
        {"nvidia_driver_sources": ["bad"]},
        "repository: The repository 'file:/srv/unsigned noble Release' is not signed (apt-get update).",
    ),
    (
        "repository unreachable",
        f"printf 'Types: deb\\nURIs: http://127.0.0.1:9/ubuntu\\nSuites: noble\\nComponents: main\\n' > {SOURCES}/bad.sources",
        f"rm {SOURCES}/bad.sources",
        {"nvidia_driver_sources": ["bad"]},
        "repository: Failed to fetch http://127.0.0.1:9/ubuntu/dists/noble/InRelease",
    ),
    (
        "key of another fingerprint",
        "true",
        "true",
        {
            "nvidia_driver_source": "nvidia",
            "nvidia_driver_repository": {
                "uris": f"file:{REPOSITORY}",
                "suites": "noble",
                "components": "restricted",
                "key": KEY,
                "fingerprint": "EB693B3035CD5710E231E123A4B469963BF863CC",
            },
        },
        "wanted is EB693B3035CD5710E231E123A4B469963BF863CC",
    ),
    (
        "half-installed dpkg",
        f"dpkg --unpack {REPOSITORY}/pool/noble/nvidia-kernel-source-580-server-open_*.deb",
        "dpkg --purge nvidia-kernel-source-580-server-open",
        {},
        "half_installed: dpkg was cut off: nvidia-kernel-source-580-server-open is not whole (dpkg --audit). "
        "Run `sudo dpkg --configure -a` on the host, then go on.",
    ),
    (
        "runfile",
        "touch /usr/bin/nvidia-uninstall",
        "rm /usr/bin/nvidia-uninstall",
        {},
        "foreign: a driver from elsewhere is here: NVIDIA's runfile (/usr/bin/nvidia-uninstall)",
    ),
    (
        "kernel without modules",
        "touch /boot/vmlinuz-99.0.0-1-generic",
        "rm /boot/vmlinuz-99.0.0-1-generic",
        {},
        f"modules: no prebuilt module of driver {NEWER.upstream} for 99.0.0-1-generic, a kernel that the next boot may take",
    ),
    (
        "disk",
        "true",
        "true",
        {"nvidia_driver_disk_reserve_bytes": 10**16},
        "10000000.0 GB must stay free",
    ),
]


@pytest.mark.parametrize(("fault", "make", "mend", "wish", "says"), FAULTS, ids=[one[0] for one in FAULTS])
def test_what_stands_in_the_way_is_said_and_nothing_is_touched(
    host: GpuHost, before: str, fault: str, make: str, mend: str, wish: dict[str, Any], says: str
) -> None:
    host.ok(make)
    try:
        said = flat(host.refused(ROLE, **wish).replace("\\n", " "))
    finally:
        host.ok(mend)
    assert "in the driver's way, nothing was touched: - " in said, said
    assert says in said, said
    assert host.ok(BARE) == before


def test_all_of_it_comes_at_once(host: GpuHost, before: str) -> None:
    host.ok("touch /usr/bin/nvidia-uninstall /boot/vmlinuz-99.0.0-1-generic")
    said = host.refused(ROLE, nvidia_driver_open=False)
    host.ok("rm /usr/bin/nvidia-uninstall /boot/vmlinuz-99.0.0-1-generic")
    assert "3 in the driver's way" in said and all(
        f"- {one}: " in said for one in ("open", "foreign", "modules")
    )
    assert host.ok(BARE) == before


def test_a_card_that_is_in_no_table_works_and_is_marked(host: GpuHost) -> None:
    host.ok(f"echo 0x0001 > {CARD}/device")
    status, said = host.play(ROLE, "--check")
    host.ok(f"echo 0x2bb4 > {CARD}/device")
    assert status == 0 and "card: 10de:0001 is not in the table of known GPUs" in flat(said), said


# The driver


def test_the_older_driver_is_installed_held_loaded_and_kept(host: GpuHost, before: str) -> None:
    assert host.plays(ROLE, nvidia_driver_version=OLDER.upstream) == 4
    assert host.plays(ROLE, nvidia_driver_version=OLDER.upstream) == 0
    assert host.plays(ROLE) == 0, "what is installed stays"
    assert host.ok("cat /sys/module/nvidia/version").strip() == OLDER.upstream
    assert host.ok("nvidia-smi --query-gpu=persistence_mode --format=csv,noheader").strip() == "Enabled"
    assert "linux-generic" in host.ok("apt-mark showhold")
    said = host.ok("apt-get -o APT::Default-Release= -s dist-upgrade")
    assert re.search(r"^0 upgraded, 0 newly installed, 0 to remove", said, re.MULTILINE), said
    assert host.sh("ls /run/hostproof/apt")[0] != 0


def test_the_trap_of_half_a_set_does_not_spring(host: GpuHost) -> None:
    """Nothing of it moves with an upgrade, so the next boot has its module: facts page, 5b."""
    host.ok("apt-get -o APT::Default-Release= -qq -y upgrade --with-new-pkgs")
    assert host.sh(f"ls /boot/vmlinuz-{NEXT}")[0] != 0
    assert host.plays(ROLE) == 0


# Power


def test_a_limit_out_of_range_is_refused_with_the_card_s_own(host: GpuHost) -> None:
    said = host.refused(ROLE, nvidia_driver_power_limit_watts=400)
    assert "a power limit of 400 W is out of range" in said and "This card takes 250 to 325 W." in said


def test_a_limit_is_set_read_back_and_comes_with_the_next_boot(host: GpuHost) -> None:
    wish = {"nvidia_driver_power_limit_watts": 275, "nvidia_driver_clocks_mhz": "300,2400"}
    limit = "nvidia-smi --query-gpu=power.limit --format=csv,noheader,nounits"
    assert host.plays(ROLE, **wish) == 2
    assert host.plays(ROLE, **wish) == 0
    assert host.ok(limit).strip() == "275.00"
    host.boot()
    assert host.ok(f"systemctl is-system-running --wait; {limit}").split() == ["running", "275.00"]
    assert "2400" in host.ok("lab-gpu show | grep locked_highest")
    assert host.plays(ROLE, **wish) == 0


@pytest.mark.parametrize(
    ("fault", "says"),
    [("power-denied", "Insufficient Permissions"), ("power-not-supported", "asked 260, reads back 275")],
)
def test_a_limit_that_the_driver_refuses_is_refused_in_its_words(
    host: GpuHost, fault: str, says: str
) -> None:
    host.ok(f"lab-gpu fault {fault}")
    said = host.refused(ROLE, nvidia_driver_power_limit_watts=260)
    host.ok("lab-gpu set power_refused 0")
    assert says in said
    assert "power_limit 260" not in host.ok("cat /etc/hostproof/gpu.conf"), (
        "it would be an error at every boot"
    )


# Upgrades


def test_an_upgrade_stops_what_uses_the_gpu_and_starts_it_after(host: GpuHost) -> None:
    host.ok(UNIT)
    first = host.ok(SINCE)
    assert host.plays(ROLE, nvidia_driver_version=NEWER.upstream, nvidia_driver_units=[USER]) > 3
    then = host.ok(SINCE)
    assert "ActiveState=active" in then and then != first
    assert host.ok("cat /sys/module/nvidia/version").strip() == NEWER.upstream, "without a boot"
    names = host.ok(f"dpkg-query -W -f '${{Package}} ${{Version}}\\n' | grep nvidia; ls /boot/vmlinuz-{NEXT}")
    assert OLDER.upstream not in names and f"linux-modules-nvidia-580-server-open-{NEXT}" in names
    assert host.plays(ROLE, nvidia_driver_units=[USER]) == 0


def test_a_driver_that_was_changed_by_hand_under_a_server_waits_for_a_boot_where_it_is_in_use(
    host: GpuHost,
) -> None:
    """The libraries go back a version, the module stays in memory, and somebody holds it."""
    packages = " ".join(
        f"{line}={OLDER.version}"
        for line in host.ok(
            "dpkg-query -W -f '${Package}\\n' | grep -E '^(lib)?nvidia' | grep -v firmware"
        ).split()
    )
    modules = f"'linux-modules-nvidia-580-server-open-{KERNEL}=*+{OLDER.upstream}' linux-modules-nvidia-580-server-open-generic-"
    host.ok(
        f"{INSTALL} --allow-change-held-packages {packages} {modules} linux-modules-nvidia-580-server-open-{NEXT}-"
    )
    host.ok(f"apt-get -o APT::Default-Release= -qq -y purge linux-image-{NEXT} && {BUSY}")
    status, said = host.play(ROLE, nvidia_driver_version=OLDER.upstream, nvidia_driver_units=[USER])
    assert status == 0, said
    assert f"The driver needs a boot: {NEWER.upstream} stays in memory, since it is in use" in said
    assert f"{USER} would find libraries and module of two versions, and rests until then." in flat(said)
    assert "ActiveState=inactive" in host.ok(SINCE)
    status, said = host.play(ROLE, nvidia_driver_version=OLDER.upstream, nvidia_driver_units=[USER])
    assert status == 0 and "The driver needs a boot" in said, "asked again, it says so again"


def test_the_boot_brings_it_about(host: GpuHost) -> None:
    host.boot()
    assert host.ok("cat /sys/module/nvidia/version").strip() == OLDER.upstream
    assert host.plays(ROLE, nvidia_driver_version=OLDER.upstream) == 0


def test_a_gpu_that_does_not_answer_is_refused(host: GpuHost) -> None:
    host.ok("lab-gpu fault lost")
    said = host.refused(ROLE)
    host.ok("lab-gpu clear")
    assert "The driver is not usable: the driver does not bring up" in said


# Back


def test_undo_brings_back_what_was_there(host: GpuHost, before: str) -> None:
    changed = host.plays(ROLE, nvidia_driver_state="absent", nvidia_driver_units=[USER])
    assert changed >= 2
    after, first = (
        {line for line in text.splitlines() if not left(line)} for text in (host.ok(BARE), before)
    )
    assert (after - first, first - after) == (set(), set()), (
        "what is there now alone, and what was there first alone"
    )
    assert host.sh("ls /sys/module/nvidia")[0] != 0
    assert host.plays(ROLE, nvidia_driver_state="absent", nvidia_driver_units=[USER]) == 0


def test_a_driver_that_somebody_else_had_installed_comes_back_as_it_was(host: GpuHost) -> None:
    host.driver(OLDER)
    # The kernel that came along stays; configuration of packages that are gone is none of the driver's.
    kernels = "grep -v 'linux-image\\|rc $'"
    packages = f"dpkg-query --show --showformat='${{Package}} ${{Version}} ${{db:Status-Abbrev}}\\n' | {kernels}; apt-mark showhold"
    was = host.ok(packages)
    assert host.plays(ROLE, nvidia_driver_version=NEWER.upstream) > 3
    assert host.ok(packages) != was
    assert host.plays(ROLE, nvidia_driver_state="absent") >= 2
    assert host.ok(packages) == was
    assert host.ok("nvidia-smi --query-gpu=driver_version --format=csv,noheader").strip() == OLDER.upstream


def left(line: str) -> bool:
    """What remembers (journal, note of what rested), apt's own lists, and the daemon's user: packages leave theirs behind."""
    users = line.endswith(
        tuple(f"/etc/{name}{end}" for name in ("passwd", "group", "shadow", "gshadow") for end in ("", "-"))
    )
    users = users or line.endswith(("/etc/subuid", "/etc/subgid", "/etc/subuid-", "/etc/subgid-"))
    notes = (
        "/var/lib/hostproof/journal" in line or line == "driver-servers.json" or "'/run/hostproof'" in line
    )
    # Podman writes /etc/hosts at each start of the lab host; a package that a test removed leaves its configuration behind.
    others = line.endswith(("  /etc/hosts", " config-files")) or line.startswith("/var/lib/apt/lists")
    return users or notes or others
