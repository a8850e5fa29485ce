"""How each kind reads, compares and names what it persists, and whose file wins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hostproof.shared.families import FAMILIES, GRUB, SYSCTL
from hostproof.shared.kinds import cmdline, limit, modprobe, pool, sysctl, sysfs
from hostproof.shared.knob import KnobError, Seen
from hostproof.shared.registry import KINDS
from hostproof.shared.wishes import check
from tests.unit.knobs import fake_host, wanted
from tests.unit.knobs.fake_host import CPUFREQ, FakeHost, make, put


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return make(tmp_path)


# Values


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("sysfs", "always [madvise] never\n", "madvise"),
        ("sysfs", "[none] mq-deadline kyber \n", "none"),
        ("sysfs", "performance \n", "performance"),
        ("sysfs", "0\n", "0"),
        ("sysfs", "", ""),
        ("sysctl", "4096\t131072\t6291456\n", "4096 131072 6291456"),
        ("sysctl", "0\n", "0"),
        ("pool", "0512\n", "512"),
        ("pool", "0\n", "0"),
        ("limit", "unlimited", "infinity"),
        ("limit", "8M", "8388608"),
        ("limit", "8M:8388608", "8388608"),
        ("limit", "64K:infinity", "65536:infinity"),
        ("modprobe", '"a"', "a"),
    ],
)
def test_what_is_shown_is_compared_without_its_dress(kind: str, text: str, value: str) -> None:
    assert KINDS[kind].normalise(text) == value


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_zero_is_a_value_and_an_absence_is_none(kind: str) -> None:
    assert KINDS[kind].same("0", Seen("0"))
    assert not KINDS[kind].same("0", Seen("")) and not KINDS[kind].same("", Seen(problem="absent"))
    assert not KINDS[kind].same("0", Seen("2")), "a bit mask such as numa_balancing is compared whole"


def test_a_yes_or_no_option_is_written_1_and_read_y() -> None:
    assert modprobe.KIND.same("1", Seen("Y")) and modprobe.KIND.same("0", Seen("N"))
    assert not modprobe.KIND.same("1", Seen("N")) and not modprobe.KIND.same("2", Seen("Y"))


# Refusals


@pytest.mark.parametrize(
    ("kind", "key", "value", "says"),
    [
        ("sysctls", "vm.swappiness", "1", "unknown kind 'sysctls'.*Known kinds: sysctl, sysfs"),
        ("sysctl", "swappiness", "1", "is no sysctl key"),
        ("sysctl", "net.ipv4.conf.*.rp_filter", "1", "is no sysctl key"),
        ("sysctl", "vm.swappiness", "", "has no value of one line"),
        ("sysctl", "vm.swappiness", "1\nvm.x = 2", "has no value of one line"),
        ("sysctl", "vm.nr_hugepages", "1", "use the kind pool"),
        ("sysfs", "/proc/sys/vm/swappiness", "1", "is no path below /sys"),
        ("sysfs", "/sys/../etc/passwd", "1", "is no path below /sys"),
        ("sysfs", "/sys/a b", "1", "is no path below /sys"),
        ("sysfs", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "1", "use the kind pool"),
        ("pool", "node0", "1", "is no pool"),
        ("pool", "node0/2048kB", "-1", "no number of pages"),
        ("pool", "node0/2048kB", "²", "no number of pages"),
        ("cmdline", "hugepages", "4", "use the key `hugepagesz=1G hugepages`"),
        ("cmdline", "a b", "4", "is no word"),
        ("cmdline", "iommu", 'pt" ; rm', "cannot carry"),
        ("cmdline", "iommu", "$(id)", "cannot carry"),
        ("modprobe", "nvidia", "4", "is no `<module> <option>`"),
        ("modprobe", "nvidia a", "4 b=5", "no value without blanks"),
        ("limit", "memlock", "4", "is no limit"),
        ("limit", "limits.d/llama/memlock", "much", "a number, infinity or unlimited"),
    ],
)
def test_a_bad_wish_is_one_sentence_with_its_place(kind: str, key: str, value: str, says: str) -> None:
    with pytest.raises(KnobError, match=says) as caught:
        check([wanted.knob(kind, key, value)])
    assert f"{kind}:{key}, wanted by numa" in str(caught.value)


def test_two_owners_of_one_knob_are_refused() -> None:
    with pytest.raises(KnobError, match=r"two owners: numa wants '10', limits wants '10'"):
        check([wanted.SWAPPINESS, wanted.knob("sysctl", "vm.swappiness", "10", "limits")])


def test_a_pool_per_node_and_over_all_nodes_exclude_each_other() -> None:
    over_all = wanted.knob("pool", "global/2048kB", "100", "hugepages")
    with pytest.raises(
        KnobError, match=r"both per node and over all nodes: pool:node0/2048kB and pool:global/2048kB"
    ):
        check([wanted.NODE_0, over_all])
    with pytest.raises(KnobError, match=r"still set by an earlier run.*undo --host HOST --only hugepages"):
        check([over_all], ["pool:node0/2048kB"])
    check([wanted.NODE_0, wanted.knob("pool", "global/1048576kB", "2", "hugepages")])
    check([wanted.NODE_0], ["pool:node0/2048kB", "pool:node1/2048kB"])


# Live


def test_a_glob_names_its_files_as_cpus_count(host: FakeHost) -> None:
    places = sysfs.places(host, wanted.GOVERNOR.key)
    assert [place.split("/")[-2] for place in places] == ["policy0", "policy1", "policy2", "policy10"]
    assert sysfs.places(host, "/sys/no/such*") == ("/sys/no/such*",)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("vm.swappiness", "/proc/sys/vm/swappiness"),
        ("net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"),
        ("net/ipv4/conf/eth0.1/forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"),
    ],
)
def test_the_first_separator_of_a_sysctl_key_decides(key: str, path: str) -> None:
    assert sysctl.path_of(key) == path


def test_a_node_that_does_not_exist_is_named_with_those_that_do(host: FakeHost) -> None:
    seen = pool.read_live(host, pool.path_of("node7/2048kB"))
    assert seen.problem == "unsupported" and seen.detail.startswith(
        "node7 does not exist; this host has node0, node1"
    )
    seen = pool.read_live(host, pool.path_of("global/1048576kB"))
    assert seen.detail.startswith("no hugepages of 1048576kB; this host has 2048kB")


# The last file wins, or the first


def test_sysctl_d_as_systemd_reads_it(host: FakeHost) -> None:
    read = sysctl.read_persisted
    assert read(host, "vm.swappiness") == Seen(problem="absent")
    put(host, "/usr/lib/sysctl.d/50-default.conf", "-vm.swappiness = 30\n; no\n")
    put(host, "/etc/sysctl.d/60-a.conf", "vm/swappiness=40\n")
    put(host, "/run/sysctl.d/60-b.conf", "vm.swappiness=50\n")
    assert (read(host, "vm.swappiness").text, read(host, "vm.swappiness").owner) == (
        "50",
        "/run/sysctl.d/60-b.conf",
    )
    put(host, "/etc/sysctl.d/60-b.conf", "# hides the one of its name in /run\n")
    assert read(host, "vm.swappiness").owner == "/etc/sysctl.d/60-a.conf"
    put(host, "/etc/sysctl.d/70-not-read.txt", "vm.swappiness = 1\n")
    assert read(host, "vm.swappiness").text == "40"


def test_sysctl_d_a_plain_key_goes_before_any_pattern_and_a_dash_leaves_it_out(host: FakeHost) -> None:
    put(host, "/etc/sysctl.d/10-a.conf", "net.ipv4.conf.eth0.rp_filter = 1\n")
    put(host, "/etc/sysctl.d/20-b.conf", "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n")
    values = {
        name: str(sysctl.read_persisted(host, f"net.ipv4.conf.{name}.rp_filter"))
        for name in ("eth0", "eth1", "lo")
    }
    assert values == {"eth0": "1", "eth1": "2", "lo": "(absent)"}


TMPFILES = {
    "/etc/tmpfiles.d/a.conf": "w /sys/same - - - - 1st\nw /sys/p1/v - - - - ex1\n",
    "/etc/tmpfiles.d/b.conf": "w /sys/same - - - - 2nd\nw /sys/p*/v - - - - glb\nf /sys/made - - - - no\n",
    "/etc/tmpfiles.d/c.conf": "w /sys/p0/v - - - - ex0\nw! /sys/odd - - - - a 5%% b\n",
    "/usr/lib/tmpfiles.d/c.conf": "w /sys/hidden - - - - x\n",
}
"""Of one path the first counts; of two patterns the one that is written later stays; a name in /etc hides the others."""
EXPECTED = {"same": "1st", "p1/v": "glb", "p0/v": "ex0", "odd": "a 5% b"}


def test_tmpfiles_d_as_systemd_reads_it(host: FakeHost) -> None:
    for path, text in TMPFILES.items():
        put(host, path, text)
    assert {key: sysfs.read_persisted(host, f"/sys/{key}").text for key in EXPECTED} == EXPECTED
    assert (
        sysfs.read_persisted(host, "/sys/hidden").problem
        == sysfs.read_persisted(host, "/sys/made").problem
        == "absent"
    )
    assert sysfs.read_persisted(host, "/sys/p*/v").owner == "/etc/tmpfiles.d/b.conf"


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="systemd is not installed here")
def test_systemd_itself_says_the_same_of_these_files(host: FakeHost) -> None:
    for path, text in TMPFILES.items():
        put(host, path, text)
    for key in (*EXPECTED, "hidden"):
        put(host, f"/sys/{key}", "")
    # It truncates nothing, so a longer earlier value would shine through: none is longer here.
    create(host, "--boot")
    assert {key: host.read(f"/sys/{key}") for key in EXPECTED} == EXPECTED
    assert host.read("/sys/hidden") == ""


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="systemd is not installed here")
def test_systemd_writes_our_lines_as_they_are_meant(host: FakeHost) -> None:
    odd = wanted.knob("sysfs", "/sys/odd", r"50%i a\x41")
    put(host, "/sys/odd", "")
    put(host, "/etc/tmpfiles.d/hostproof.conf", f"{sysfs.line(odd.key, odd.wanted)}\n")
    create(host)
    assert host.read("/sys/odd") == odd.wanted == sysfs.read_persisted(host, "/sys/odd").text


def create(host: FakeHost, *more: str) -> None:
    """In the made-up tree: `--root` keeps it away from the machine."""
    command = ["systemd-tmpfiles", "--create", f"--root={host.root}", *more]
    subprocess.run(command, check=True, capture_output=True)


def test_modprobe_d_the_last_option_counts_and_dashes_are_underscores(host: FakeHost) -> None:
    put(host, "/lib/modprobe.d/a.conf", "options snd-hda x=1 y=2\nblacklist snd_hda\n")
    put(host, "/etc/modprobe.d/b.conf", "options snd_hda \\\n  x=3\n")
    assert modprobe.read_persisted(host, "snd_hda x") == Seen("3")
    assert modprobe.read_persisted(host, "snd-hda y").owner == "/lib/modprobe.d/a.conf"
    assert modprobe.read_persisted(host, "snd-hda z").problem == "absent"
    assert modprobe.read_booted(host, "nvidia NVreg_EnableGpuFirmware") == Seen("N")
    assert modprobe.read_booted(host, "nouveau x").detail == "module nouveau is not loaded"
    assert modprobe.read_booted(host, "nvidia NVreg_Hidden").problem == "unreadable"


def test_limits_the_last_line_of_each_type_for_this_very_user(host: FakeHost) -> None:
    put(host, "/etc/security/limits.conf", "llama hard memlock 64 # KiB\n* - memlock 1\n")
    put(host, "/etc/security/limits.d/10.conf", "llama soft memlock 32\n")
    assert limit.read_persisted(host, "limits.d/llama/memlock") == Seen("32:64")
    put(host, "/etc/security/limits.d/20.conf", "llama - memlock unlimited\n")
    assert limit.read_persisted(host, "limits.d/llama/memlock").owner == "/etc/security/limits.d/20.conf"
    assert limit.read_persisted(host, "limits.d/llama/nofile").problem == "absent"


def test_systemd_limits_the_last_assignment_counts(host: FakeHost) -> None:
    put(host, "/etc/systemd/system.conf", "[Manager]\nDefaultLimitMEMLOCK=8M\n")
    assert limit.read_persisted(host, "system/DefaultLimitMEMLOCK") == Seen("8388608")
    put(host, "/usr/lib/systemd/system.conf.d/50.conf", "[Manager]\nDefaultLimitMEMLOCK=infinity\n")
    assert limit.read_persisted(host, "system/DefaultLimitMEMLOCK") == Seen("infinity")
    assert limit.read_persisted(host, "user/DefaultLimitMEMLOCK").problem == "absent"


# The command line


@pytest.mark.parametrize(
    ("line", "key", "seen"),
    [
        ("ro iommu=on iommu=pt", "iommu", Seen("pt")),
        ("ro nosmt quiet", "nosmt", Seen("")),
        ("ro quiet", "nosmt", Seen(problem="absent")),
        ("hugepagesz=1G hugepages=0:4 hugepagesz=2M hugepages=9", "hugepagesz=1G hugepages", Seen("0:4")),
        ("hugepagesz=1G hugepages=0:4 hugepagesz=2M hugepages=9", "hugepagesz=2M hugepages", Seen("9")),
        ("hugepages=7 hugepagesz=1G", "hugepagesz=1G hugepages", Seen(problem="absent")),
        ('dyndbg="a b" iommu=pt', "dyndbg", Seen("a b")),
        ("transparent-hugepage=never", "transparent_hugepage", Seen("never")),
        ("iommu_x=1", "iommu", Seen(problem="absent")),
    ],
)
def test_words_of_a_command_line(line: str, key: str, seen: Seen) -> None:
    assert cmdline.value_in(line, key) == seen


def test_what_grub_will_boot_is_its_menu_and_who_put_the_word_there_is_told(host: FakeHost) -> None:
    put(host, "/etc/default/grub.d/50-cloud.cfg", 'GRUB_CMDLINE_LINUX_DEFAULT="console=ttyS0 iommu=on"\n')
    assert cmdline.read_persisted(host, "iommu").problem == "absent", "update-grub has not run"
    fake_host.write_menu(host)
    seen = cmdline.read_persisted(host, "iommu")
    assert (seen.text, seen.owner) == ("on", "/etc/default/grub.d/50-cloud.cfg")
    host.at(cmdline.MENU).unlink()
    assert cmdline.read_persisted(host, "iommu").problem == "unsupported"


def test_our_drop_in_appends_and_a_shell_reads_it_so(host: FakeHost) -> None:
    put(host, GRUB.path, GRUB.render([wanted_line() for wanted_line in (iommu_line, giant_line)]).decode())
    script = f'GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"; . {host.at(GRUB.path)}; echo "$GRUB_CMDLINE_LINUX_DEFAULT"'
    said = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
    assert said == "quiet splash iommu=pt hugepagesz=1G hugepages=0:4,1:4\n"


def iommu_line() -> str:
    return cmdline.line(wanted.IOMMU.key, wanted.IOMMU.wanted)


def giant_line() -> str:
    return cmdline.line(wanted.GIANT.key, wanted.GIANT.wanted)


# What we persist


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_file_says_what_wrote_it_and_how_to_undo_it(family) -> None:  # type: ignore[no-untyped-def]
    text = family.render(["x"]).decode()
    assert text.startswith("# Written by hostproof") and "./inv undo --host HOST" in text
    assert all(program in text for program in family.activate)
    assert family.path.startswith(family.folders[0]) and family.path.endswith(family.suffix)


@pytest.mark.parametrize("knob", wanted.EVERYTHING, ids=lambda knob: knob.name)
def test_what_is_written_is_read_again_as_what_was_wanted(host: FakeHost, knob) -> None:  # type: ignore[no-untyped-def]
    kind = KINDS[knob.kind]
    family = kind.family(knob.key)
    put(host, family.path, family.render([kind.line(knob.key, knob.wanted)]).decode())
    fake_host.write_menu(host)
    seen = kind.reads["persisted"](host, knob.key)
    assert kind.same(knob.wanted, seen), seen
    assert seen.owner == family.path


def test_a_link_to_dev_null_reads_as_empty(host: FakeHost) -> None:
    host.at("/etc/sysctl.d/60-a.conf").symlink_to("/dev/null")
    put(host, "/usr/lib/sysctl.d/60-a.conf", "vm.swappiness = 5\n")
    assert sysctl.read_persisted(host, "vm.swappiness").problem == "absent"
    assert SYSCTL.path not in fake_host.ours(host)


def test_the_governor_files_are_where_the_fake_host_has_them(host: FakeHost) -> None:
    assert sysfs.read_live(host, f"{CPUFREQ}/policy0/scaling_governor") == Seen("powersave")
