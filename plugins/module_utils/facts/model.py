"""What a host is: the facts, in the field's terms. `docs/facts.md` describes every key. Types only.

Units are in the names. An unknown text is empty and an unknown count 0, where neither can be real; what may truly be 0,
false or absent is None when unknown. The reason is then in `Facts.unreadable`, by path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .gpu_model import Driver, Gpu

SCHEMA = "hostproof.facts/1"


@dataclass(frozen=True)
class L3Domain:
    """CPUs that share one level 3 cache."""

    id: int
    """Counted from 0 in the order of the first CPU."""
    cpus: str
    """In the kernel's list format, as everywhere here: `0-5,48-53`."""
    size_bytes: int
    socket: int
    node: int | None = None
    """The NUMA node of its CPUs; None if they are in several, or in none."""


@dataclass(frozen=True)
class Cpu:
    model: str = ""
    vendor: str = ""
    family: int = 0
    model_number: int = 0
    stepping: int | None = None
    microcode: str = ""
    sockets: int = 0
    cores: int = 0
    """Physical cores with at least one CPU online, all sockets together."""
    threads: int = 0
    """Logical CPUs online, all sockets together."""
    threads_per_core: int = 0
    """The most that a core has online."""
    ccds: int | None = None
    """Core dies, worked out; None where that is not known (not AMD's Zen)."""
    ccds_why: str = ""
    online: str = ""
    offline: str = ""
    isolated: str = ""
    nohz_full: str = ""
    smt_active: bool | None = None
    smt_control: str = ""
    l3_domains: tuple[L3Domain, ...] = ()
    l3_bytes: int = 0
    core_cpus: tuple[str, ...] = ()
    """The CPUs of each core, in the order of the first one."""
    flags: tuple[str, ...] = ()
    """Only those that decide something here (`cpu.FLAGS`)."""


@dataclass(frozen=True)
class Pool:
    """Explicit huge pages of one size, in pages. Reserved and overcommit exist for the whole host only."""

    total: int
    free: int
    surplus: int = 0
    reserved: int | None = None
    overcommit: int | None = None


@dataclass(frozen=True)
class Node:
    id: int
    cpus: str
    memory_bytes: int
    free_bytes: int
    distances: tuple[int, ...] = ()
    """To every node that is online, in the order of their ids."""
    hugepages: Mapping[str, Pool] = field(default_factory=dict)
    """By page size as in sysfs: `2048kB`, `1048576kB`."""


@dataclass(frozen=True)
class Numa:
    nodes: tuple[Node, ...] = ()
    nps: int | None = None
    """Nodes with memory per socket, as EPYC's firmware calls it; 0: several sockets are one node; None: unknown."""
    nps_why: str = ""
    l3_as_numa: bool | None = None
    """Whether every L3 domain is a node of its own."""


@dataclass(frozen=True)
class Dimm:
    """One populated slot."""

    slot: str
    bank: str
    size_bytes: int
    type: str
    rated_mts: int
    """Mega-transfers a second that it can do; 0 if not said."""
    configured_mts: int
    """Mega-transfers a second that it runs at; 0 if not said."""
    manufacturer: str = ""
    part: str = ""


@dataclass(frozen=True)
class Edac:
    """The memory controllers' own count of errors."""

    controllers: int
    corrected_errors: int
    uncorrected_errors: int


@dataclass(frozen=True)
class Thp:
    """Transparent huge pages: the words in brackets."""

    enabled: str = ""
    defrag: str = ""
    shmem_enabled: str = ""


@dataclass(frozen=True)
class Memory:
    total_bytes: int = 0
    available_bytes: int = 0
    swap_bytes: int | None = None
    dimms: tuple[Dimm, ...] = ()
    slots: int = 0
    """Populated or not; 0 if the firmware's table could not be read."""
    channels: int | None = None
    """Populated channels, from the slots' names; None if those do not say."""
    channels_why: str = ""
    rated_mts: int = 0
    configured_mts: int = 0
    """Of the slowest DIMM: the controller runs all alike."""
    peak_bandwidth_bytes_per_second: int | None = None
    """channels × configured_mts × 8 bytes; None without those."""
    edac: Edac | None = None
    hugepages: Mapping[str, Pool] = field(default_factory=dict)
    default_hugepage: str = ""
    thp: Thp = field(default_factory=Thp)


@dataclass(frozen=True)
class IdleState:
    name: str
    latency_us: int
    disabled_on: int
    """CPUs on which it is switched off."""
    index: int


@dataclass(frozen=True)
class Power:
    driver: str = ""
    """cpufreq's `scaling_driver`; empty: the host has none (a guest, mostly)."""
    policies: int = 0
    governors: Mapping[str, int] = field(default_factory=dict)
    """Governor in use → on how many policies."""
    governors_available: tuple[str, ...] = ()
    epp: Mapping[str, int] = field(default_factory=dict)
    """Energy performance preference in use → on how many policies; empty: the driver has none."""
    epp_available: tuple[str, ...] = ()
    boost: bool | None = None
    boost_path: str = ""
    """The file that switches it, empty if none does."""
    amd_pstate: str = ""
    """`active`, `passive`, `guided`, `disable`; empty: another driver."""
    minimum_khz: int = 0
    maximum_khz: int = 0
    idle_driver: str = ""
    idle_governor: str = ""
    idle_states: tuple[IdleState, ...] = ()


@dataclass(frozen=True)
class Grub:
    """What /etc/default/grub and its drop-ins assign, in the order in which they are read."""

    assignments: tuple[tuple[str, str, str], ...] = ()
    """File, variable, value as written."""
    drop_ins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kernel:
    release: str = ""
    cmdline: str = ""
    """Of this boot; UUIDs and hardware addresses are replaced by `[hidden]`."""
    clocksource: str = ""
    clocksources_available: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Those that hostproof may set, or that decide here."""
    vulnerabilities: Mapping[str, str] = field(default_factory=dict)
    grub: Grub = field(default_factory=Grub)
    efi: bool | None = None
    secure_boot: bool | None = None
    ksm: bool | None = None
    pressure: bool | None = None
    """Whether the kernel keeps pressure figures (/proc/pressure)."""


@dataclass(frozen=True)
class Iommu:
    units: tuple[str, ...] = ()
    groups: int = 0
    types: Mapping[str, int] = field(default_factory=dict)
    """Type of a group's domain → how many: `identity` is what iommu=pt gives."""


@dataclass(frozen=True)
class Link:
    """A PCIe link, read without load: GPUs lower their speed when idle."""

    speed_gts: float
    width: int
    maximum_speed_gts: float
    maximum_width: int
    read: str = "without load"


@dataclass(frozen=True)
class PciDevice:
    """A GPU, a drive or a network card."""

    address: str
    kind: str
    """`gpu`, `accelerator`, `nvme`, `network`."""
    vendor: str
    device: str
    """Ids as `10de`, `2bb4`."""
    driver: str = ""
    node: int | None = None
    iommu_group: int | None = None
    link: Link | None = None
    bar1_bytes: int | None = None
    """GPUs: what the CPU sees of the VRAM at once."""
    bar1_possible_bytes: int | None = None
    """The largest BAR1 that the card offers (resizable BAR)."""
    vram_bytes: int | None = None
    """From the driver's sysfs; NVIDIA's has none there, gpu_facts asks NVML."""


@dataclass(frozen=True)
class Acs:
    """Access control services on the PCIe bridges: redirection sends peer-to-peer traffic through the root complex."""

    bridges: int
    capable: int
    redirecting: int


@dataclass(frozen=True)
class Pci:
    devices: tuple[PciDevice, ...] = ()
    acs: Acs | None = None
    aspm: str = ""


@dataclass(frozen=True)
class Tuner:
    """Software that writes the same settings."""

    name: str
    state: str
    """`active`, `enabled` or `installed`."""
    detail: str = ""


@dataclass(frozen=True)
class MemlockRule:
    """One line that sets a memlock limit."""

    file: str
    who: str
    """limits.d: user, @group or *; systemd: `system` or `user`."""
    kind: str
    """`soft`, `hard` or `-`; systemd's lines set both unless written soft:hard."""
    value: str


@dataclass(frozen=True)
class Memlock:
    """Limits are bytes, or `unlimited`."""

    pid1_soft: str = ""
    pid1_hard: str = ""
    """What services inherit from the running systemd, unless their unit says otherwise."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Server → the hard limit of its running process."""
    rules: tuple[MemlockRule, ...] = ()


@dataclass(frozen=True)
class System:
    id: str = ""
    version: str = ""
    title: str = ""
    architecture: str = ""
    glibc: str = ""
    init: str = ""
    cgroup: str = ""
    """`v2`, `v1`, `hybrid`, empty if unknown."""
    hypervisor: bool | None = None
    container: str = ""
    """What systemd or the runtime calls it; empty: not in one, as far as can be seen."""
    tuners: tuple[Tuner, ...] = ()
    memlock: Memlock = field(default_factory=Memlock)


@dataclass(frozen=True)
class Facts:
    cpu: Cpu = field(default_factory=Cpu)
    numa: Numa = field(default_factory=Numa)
    memory: Memory = field(default_factory=Memory)
    power: Power = field(default_factory=Power)
    kernel: Kernel = field(default_factory=Kernel)
    iommu: Iommu = field(default_factory=Iommu)
    pci: Pci = field(default_factory=Pci)
    os: System = field(default_factory=System)
    gpus: tuple[Gpu, ...] = ()
    driver: Driver | None = None
    """None: nobody looked (the module host_facts leaves that to gpu_facts)."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Path → why nothing was read from it."""
    schema: str = SCHEMA
