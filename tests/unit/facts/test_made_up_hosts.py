"""What no recording shows: an EPYC 9175F, made up (`synthetic.py`), in the states its firmware can be in."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.shared.facts import gather
from hostproof.shared.facts.model import Facts
from tests.unit.facts.synthetic import Machine, build, dmi_table


def facts_of(folder: Path, machine: Machine) -> Facts:
    return gather.gather(build(folder / "host", machine))


def test_the_seed_s_host(root: Path) -> None:
    facts = gather.gather(root)
    assert facts.unreadable == {}
    assert (facts.cpu.sockets, facts.cpu.ccds, facts.cpu.cores, facts.cpu.threads) == (1, 16, 16, 16)
    assert facts.cpu.smt_active is False
    assert facts.cpu.l3_bytes == 512 * 1024**2
    assert (facts.numa.nps, facts.numa.l3_as_numa, len(facts.numa.nodes)) == (1, False, 1)
    assert (facts.memory.slots, len(facts.memory.dimms), facts.memory.channels) == (12, 12, 12)
    # 12 channels × 6,400 MT/s × 8 bytes.
    assert facts.memory.peak_bandwidth_bytes_per_second == 614_400_000_000
    assert sum(dimm.size_bytes for dimm in facts.memory.dimms) == 768 * 1024**3
    assert (facts.os.glibc, facts.os.cgroup, facts.os.hypervisor) == ("2.39", "v2", False)
    assert facts.kernel.secure_boot is False
    assert facts.os.memlock.pid1_hard == "8388608"


def test_smt_on_doubles_threads_and_nothing_else(tmp_path: Path) -> None:
    cpu = facts_of(tmp_path, Machine(smt=True)).cpu
    assert (cpu.cores, cpu.threads, cpu.threads_per_core, cpu.smt_active) == (16, 32, 2, True)
    assert len(cpu.l3_domains) == 16
    assert cpu.core_cpus[3] == "3,19"


@pytest.mark.parametrize("nodes", [2, 4])
def test_nps(tmp_path: Path, nodes: int) -> None:
    numa = facts_of(tmp_path, Machine(nodes=nodes)).numa
    assert (numa.nps, numa.l3_as_numa) == (nodes, False)


def test_l3_as_numa_is_no_nps(tmp_path: Path) -> None:
    numa = facts_of(tmp_path, Machine(nodes=16)).numa
    assert (numa.nps, numa.l3_as_numa) == (None, True)
    assert "L3-as-NUMA" in numa.nps_why


def test_half_the_dimms_are_half_the_bandwidth(tmp_path: Path) -> None:
    memory = facts_of(tmp_path, Machine(dimms=6, mts=4800)).memory
    assert (memory.slots, len(memory.dimms), memory.channels) == (12, 6, 6)
    assert (memory.rated_mts, memory.configured_mts) == (6400, 4800)
    assert memory.peak_bandwidth_bytes_per_second == 6 * 4_800_000_000 * 8


def test_amd_pstate_has_a_preference(tmp_path: Path) -> None:
    power = facts_of(tmp_path, Machine(driver="amd-pstate-epp")).power
    assert power.epp == {"balance_performance": 16}
    assert power.governors_available == ("performance", "powersave")
    assert power.amd_pstate == "active"


def test_a_gpu_at_rest(root: Path) -> None:
    (gpu,) = gather.gather(root).pci.devices
    assert (gpu.kind, gpu.driver, gpu.iommu_group, gpu.node) == ("gpu", "nvidia", 24, 0)
    assert gpu.link
    assert (gpu.link.speed_gts, gpu.link.maximum_speed_gts, gpu.link.width) == (2.5, 32.0, 16)
    assert gpu.link.read == "without load"
    assert gpu.bar1_bytes == gpu.bar1_possible_bytes == 128 * 1024**3


def test_who_else_tunes(tmp_path: Path) -> None:
    (tuner,) = facts_of(tmp_path, Machine(tuned="hpc-compute")).os.tuners
    assert (tuner.name, tuner.state, tuner.detail) == ("tuned", "active", "profile hpc-compute")


def test_an_enabled_tuner_is_told_from_an_installed_one(root: Path) -> None:
    unit = "power-profiles-daemon.service"
    (root / "usr/lib/systemd/system").mkdir(parents=True)
    (root / "usr/lib/systemd/system" / unit).touch()
    assert [(t.name, t.state) for t in gather.gather(root).os.tuners] == [
        ("power-profiles-daemon", "installed")
    ]
    wants = root / "etc/systemd/system/graphical.target.wants"
    wants.mkdir(parents=True)
    (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")
    assert [(t.name, t.state) for t in gather.gather(root).os.tuners] == [
        ("power-profiles-daemon", "enabled")
    ]


def test_memlock_rules_of_all_three_places(root: Path) -> None:
    for path, text in {
        "etc/systemd/system.conf.d/90-x.conf": "[Manager]\nDefaultLimitMEMLOCK=infinity\nDefaultTasksMax=5\n",
        "etc/systemd/user.conf": "[Manager]\n#DefaultLimitMEMLOCK=8M\nDefaultLimitMEMLOCK=8M\n",
        "etc/security/limits.d/llm.conf": "# x\nllm - memlock unlimited # all\nllm hard nofile 5\nbroken memlock\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    rules = [(r.file, r.who, r.kind, r.value) for r in gather.gather(root).os.memlock.rules]
    assert rules == [
        ("/etc/systemd/system.conf.d/90-x.conf", "system", "-", "infinity"),
        ("/etc/systemd/user.conf", "user", "-", "8M"),
        ("/etc/security/limits.d/llm.conf", "llm", "-", "unlimited"),
    ]


def test_a_running_server_s_own_limit(root: Path) -> None:
    group = root / "sys/fs/cgroup/system.slice/llama-server.service"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("812\n", encoding="utf-8")
    (root / "proc/812").mkdir()
    limits = "Limit  Soft Limit\nMax locked memory         unlimited            unlimited            bytes\n"
    (root / "proc/812/limits").write_text(limits, encoding="utf-8")
    assert gather.gather(root).os.memlock.services == {"llama-server": "unlimited"}


def test_grub_drop_ins_are_read_in_update_grub_s_order(root: Path) -> None:
    folder = root / "etc/default/grub.d"
    folder.mkdir()
    (folder / "90-b.cfg").write_text('GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"\n')
    (folder / "10-a.cfg").write_text("GRUB_TIMEOUT=1\npassword_pbkdf2 root grub.pbkdf2.sha512.AAAA\n")
    grub = gather.gather(root).kernel.grub
    assert grub.drop_ins == ("10-a.cfg", "90-b.cfg")
    assert [name for _, name, _ in grub.assignments][-2:] == ["GRUB_TIMEOUT", "GRUB_CMDLINE_LINUX_DEFAULT"]


def test_slots_whose_names_say_no_channel_give_a_reason(root: Path) -> None:
    table = dmi_table(12, 6400).replace(b"P0 CHANNEL ", b"BANK NUMBER").replace(b"DIMM ", b"SLOT ")
    (root / "sys/firmware/dmi/tables/DMI").write_bytes(table)
    memory = gather.gather(root).memory
    assert len(memory.dimms) == 12
    assert memory.channels is None
    assert memory.peak_bandwidth_bytes_per_second is None
    assert "SLOT A1" in memory.channels_why


def test_a_guest_has_no_clock_to_set(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, Machine(driver="", hypervisor=True))
    assert (facts.power.driver, facts.power.policies, facts.os.hypervisor) == ("", 0, True)
    assert facts.unreadable == {"/sys/firmware/dmi/tables/DMI": "not there"}
