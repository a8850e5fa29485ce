"""Knobs as areas would make them."""

from __future__ import annotations

from hostproof.shared.knob import Knob
from tests.unit.knobs.fake_host import CPUFREQ, THP


def knob(kind: str, key: str, wanted: str, area: str = "numa", group: str = "") -> Knob:
    return Knob(area, kind, key, wanted, "why", "source", group=group)


SWAPPINESS = knob("sysctl", "vm.swappiness", "10")
BALANCING = knob("sysctl", "kernel.numa_balancing", "0")
DIRTY = knob("sysctl", "vm.dirty_bytes", "536870912")
ENABLED = knob("sysfs", THP, "always", "hugepages")
NODE_0 = knob("pool", "node0/2048kB", "512", "hugepages")
NODE_1 = knob("pool", "node1/2048kB", "256", "hugepages")
EPP = knob("sysfs", f"{CPUFREQ}/policy*/energy_performance_preference", "performance", "cpu_power", "power")
GOVERNOR = knob("sysfs", f"{CPUFREQ}/policy*/scaling_governor", "performance", "cpu_power", "power")
IOMMU = knob("cmdline", "iommu", "pt", "kernel_cmdline")
GIANT = knob("cmdline", "hugepagesz=1G hugepages", "0:4,1:4", "hugepages")
FIRMWARE = knob("modprobe", "nvidia NVreg_EnableGpuFirmware", "1", "kernel_cmdline")
SYSTEM_MEMLOCK = knob("limit", "system/DefaultLimitMEMLOCK", "infinity", "limits")
USER_MEMLOCK = knob("limit", "user/DefaultLimitMEMLOCK", "infinity", "limits")
LLAMA_MEMLOCK = knob("limit", "limits.d/llama/memlock", "unlimited", "limits")
EVERYTHING = (
    *(SWAPPINESS, BALANCING, DIRTY, ENABLED, NODE_0, NODE_1, EPP, GOVERNOR, IOMMU, GIANT, FIRMWARE),
    *(SYSTEM_MEMLOCK, USER_MEMLOCK, LLAMA_MEMLOCK),
)
