"""A made-up host, file by file: an EPYC 9175F as its owners describe it, NOT recorded from one.

16 CCDs of one core, 32 MiB level 3 each, 12 × 64 GiB DDR5-6400, one socket, one GPU. Sources: AMD's product page for the
9175F; for SMT, DIMMs and system the seed's own description. What no source says (names of files aside) is the plainest guess.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

CCD_L3_KIB = 32768
DIMM_BYTES = 64 * 1024**3
CPU = "sys/devices/system/cpu"
GPU = "0000:41:00.0"
ACPI_GOVERNORS = "conservative ondemand userspace powersave performance schedutil"
EPP_WORDS = "default performance balance_performance balance_power power"


@dataclass(frozen=True)
class Machine:
    cores: int = 16
    smt: bool = False
    nodes: int = 1
    driver: str = "acpi-cpufreq"
    """Empty: no cpufreq, as in a guest."""
    governor: str = ""
    dimms: int = 12
    mts: int = 6400
    node_bytes: int = 0
    """0: the DIMMs' bytes in equal parts."""
    cmdline: str = (
        "BOOT_IMAGE=/vmlinuz-6.8.0-87-generic root=UUID=5d2f3bb1-7ab0-4b0e-9a3c-7f5c2b1c1a11 ro quiet"
    )
    tuned: str = ""
    """Active profile."""
    gpu: bool = True
    hypervisor: bool = False
    thp: str = "madvise"

    @property
    def threads(self) -> int:
        return self.cores * (2 if self.smt else 1)

    def siblings(self, cpu: int) -> str:
        core = cpu % self.cores
        return f"{core},{core + self.cores}" if self.smt else str(core)

    def node_cpus(self, node: int) -> str:
        each = self.cores // self.nodes
        low = node * each
        first = f"{low}-{low + each - 1}" if each > 1 else str(low)
        if not self.smt:
            return first
        high = low + self.cores
        return f"{first},{high}-{high + each - 1}" if each > 1 else f"{first},{high}"

    @property
    def bytes_of_a_node(self) -> int:
        return self.node_bytes or self.dimms * DIMM_BYTES // self.nodes


def build(root: Path, machine: Machine = Machine()) -> Path:
    """Writes the tree and returns its root."""
    files = {
        **_cpu_files(machine),
        **_node_files(machine),
        **_power_files(machine),
        **_system_files(machine),
    }
    if machine.gpu:
        files |= _gpu_files()
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())
    if machine.gpu:
        for name, target in (("driver", "drivers/nvidia"), ("iommu_group", "iommu_groups/24")):
            (root / "sys/bus/pci/devices" / GPU / name).symlink_to(f"../../../../{target}")
    if machine.tuned:
        (root / "sys/fs/cgroup/system.slice/tuned.service").mkdir(parents=True)
    return root


def _cpu_files(machine: Machine) -> dict[str, str]:
    flags = "fpu sse2 avx2 avx512f avx512vbmi avx512_vnni avx512_bf16 constant_tsc nonstop_tsc cppc hw_pstate"
    if machine.hypervisor:
        flags += " hypervisor"
    block = (
        "processor\t: {0}\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\n"
        "model name\t: AMD EPYC 9175F 16-Core Processor\nstepping\t: 1\nmicrocode\t: 0xb002147\n"
        f"physical id\t: 0\ncore id\t\t: {{1}}\nflags\t\t: {flags}\n"
    )
    files = {
        "proc/cpuinfo": "\n".join(block.format(cpu, cpu % machine.cores) for cpu in range(machine.threads)),
        f"{CPU}/online": f"0-{machine.threads - 1}",
        f"{CPU}/offline": "",
        f"{CPU}/isolated": "",
        f"{CPU}/nohz_full": "(null)",
        f"{CPU}/smt/active": str(int(machine.smt)),
        f"{CPU}/smt/control": "on" if machine.smt else "notsupported",
        f"{CPU}/vulnerabilities/spectre_v2": "Mitigation: Enhanced / Automatic IBRS",
    }
    for cpu in range(machine.threads):
        here = f"{CPU}/cpu{cpu}"
        files |= {
            f"{here}/topology/core_cpus_list": machine.siblings(cpu),
            f"{here}/topology/package_cpus_list": f"0-{machine.threads - 1}",
            f"{here}/topology/physical_package_id": "0",
            f"{here}/cache/index2/level": "2",
            f"{here}/cache/index2/size": "1024K",
            f"{here}/cache/index2/shared_cpu_list": machine.siblings(cpu),
            f"{here}/cache/index3/level": "3",
            f"{here}/cache/index3/size": f"{CCD_L3_KIB}K",
            f"{here}/cache/index3/shared_cpu_list": machine.siblings(cpu),
        }
        for state, (name, latency) in enumerate((("POLL", 0), ("C1", 1), ("C2", 100))):
            files |= {
                f"{here}/cpuidle/state{state}/name": name,
                f"{here}/cpuidle/state{state}/latency": str(latency),
                f"{here}/cpuidle/state{state}/disable": "0",
            }
    return files


def _node_files(machine: Machine) -> dict[str, str]:
    files: dict[str, str] = {}
    kib = machine.bytes_of_a_node // 1024
    for node in range(machine.nodes):
        here = f"sys/devices/system/node/node{node}"
        distances = " ".join("10" if node == other else "12" for other in range(machine.nodes))
        files |= {
            f"{here}/cpulist": machine.node_cpus(node),
            f"{here}/distance": distances,
            f"{here}/meminfo": f"Node {node} MemTotal:       {kib} kB\nNode {node} MemFree:        {kib * 9 // 10} kB",
        }
        for size in (2048, 1048576):
            for name in ("nr", "free", "surplus"):
                files[f"{here}/hugepages/hugepages-{size}kB/{name}_hugepages"] = "0"
    for size in (2048, 1048576):
        for name in ("nr", "free", "surplus", "resv", "nr_overcommit"):
            files[f"sys/kernel/mm/hugepages/hugepages-{size}kB/{name}_hugepages"] = "0"
    words = ("always", "madvise", "never")
    enabled = " ".join(f"[{word}]" if word == machine.thp else word for word in words)
    thp = "sys/kernel/mm/transparent_hugepage"
    return files | {
        "proc/meminfo": f"MemTotal:       {kib * machine.nodes} kB\nMemFree:        1 kB\n"
        f"MemAvailable:   {kib * machine.nodes * 9 // 10} kB\nSwapTotal:      8388604 kB\nHugepagesize:       2048 kB",
        f"{thp}/enabled": enabled,
        f"{thp}/defrag": "always defer defer+madvise [madvise] never",
        f"{thp}/shmem_enabled": "always within_size advise [never] deny force",
        "sys/kernel/mm/ksm/run": "0",
        "sys/devices/system/edac/mc/mc0/ce_count": "0",
        "sys/devices/system/edac/mc/mc0/ue_count": "0",
    }


def _power_files(machine: Machine) -> dict[str, str]:
    files = {f"{CPU}/cpuidle/current_driver": "acpi_idle", f"{CPU}/cpuidle/current_governor": "menu"}
    if not machine.driver:
        return files
    epp = machine.driver == "amd-pstate-epp"
    governor = machine.governor or ("powersave" if epp else "schedutil")
    for cpu in range(machine.threads):
        here = f"{CPU}/cpufreq/policy{cpu}"
        files |= {
            f"{here}/scaling_driver": machine.driver,
            f"{here}/scaling_governor": governor,
            f"{here}/scaling_available_governors": "performance powersave" if epp else ACPI_GOVERNORS,
            f"{here}/scaling_min_freq": "1500000",
            f"{here}/scaling_max_freq": "4200000",
        }
        if epp:
            files |= {
                f"{here}/energy_performance_preference": "balance_performance",
                f"{here}/energy_performance_available_preferences": EPP_WORDS,
            }
    if machine.driver.startswith("amd-pstate"):
        files[f"{CPU}/amd_pstate/status"] = "active" if epp else "passive"
    return files | {f"{CPU}/cpufreq/boost": "1"}


def _gpu_files() -> dict[str, str]:
    here = f"sys/bus/pci/devices/{GPU}"
    bar1 = 0x10000000000
    return {
        f"{here}/class": "0x030000",
        f"{here}/vendor": "0x10de",
        f"{here}/device": "0x2bb4",
        f"{here}/numa_node": "0",
        f"{here}/current_link_speed": "2.5 GT/s PCIe",
        f"{here}/max_link_speed": "32.0 GT/s PCIe",
        f"{here}/current_link_width": "16",
        f"{here}/max_link_width": "16",
        f"{here}/resource": f"0x00000000b0000000 0x00000000b3ffffff 0x0000000000040200\n"
        f"0x{bar1:016x} 0x{bar1 + 128 * 1024**3 - 1:016x} 0x000000000014220c",
        f"{here}/resource1_resize": "000000000003ffc0",
        "sys/kernel/iommu_groups/24/type": "DMA-FQ",
    }


def _system_files(machine: Machine) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {
        "proc/cmdline": machine.cmdline,
        "proc/sys/kernel/osrelease": "6.8.0-87-generic",
        "proc/sys/kernel/arch": "x86_64",
        "proc/sys/kernel/numa_balancing": str(int(machine.nodes > 1)),
        "proc/sys/vm/swappiness": "60",
        "proc/sys/vm/zone_reclaim_mode": "0",
        "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1",
        "proc/1/comm": "systemd",
        "proc/1/limits": "Max locked memory         8388608              8388608              bytes",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
        "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc",
        "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": b"\x06\0\0\0\0",
        "sys/module/pcie_aspm/parameters/policy": "[default] performance powersave powersupersave",
        "etc/os-release": 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nVERSION_ID="24.04"',
        "etc/default/grub": 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet splash"\nGRUB_CMDLINE_LINUX=""',
        "var/lib/dpkg/status": "Package: bash\nVersion: 5.2\n\nPackage: libc6\nStatus: install ok installed\n"
        "Version: 2.39-0ubuntu8.6\n\nPackage: zlib1g\nVersion: 1",
    }
    if not machine.hypervisor:
        files["sys/class/iommu/ivhd0/devices/x"] = ""
        files["sys/firmware/dmi/tables/DMI"] = dmi_table(machine.dimms, machine.mts)
    if machine.tuned:
        files["etc/tuned/active_profile"] = machine.tuned
    return files


def dmi_table(populated: int, mts: int, slots: int = 12) -> bytes:
    """SMBIOS 3.3 memory devices as the specification lays them out, one a channel, and the end mark."""
    structures = []
    for number in range(slots):
        there = number < populated
        letter = chr(ord("A") + number)
        strings = [f"DIMM {letter}1", f"P0 CHANNEL {letter}"]
        strings += ["Samsung", f"SERIAL{number:04}", f"ASSET{number:04}", "M321R8GA0PB2-CCP"] if there else []
        fixed = struct.pack(
            "<BBHHHHHHBBBBBHHBBBBBIH",
            *(17, 0x5C, 0x1100 + number, 0x1000, 0xFFFE, 80 if there else 0, 64 if there else 0),
            *(0x7FFF if there else 0, 0x09, 0, 1, 2, 0x22, 0x80, 6400 if there else 0),
            *((3, 4, 5, 6) if there else (0, 0, 0, 0)),
            *(2, 65536 if there else 0, mts if there else 0),
        )
        structures.append(fixed.ljust(0x5C, b"\0") + b"\0".join(s.encode() for s in strings) + b"\0\0")
    return b"".join(structures) + bytes([127, 4, 0, 0x7F, 0, 0])
