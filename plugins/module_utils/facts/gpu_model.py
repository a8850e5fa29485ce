"""What a host's GPUs and their driver are. Types only, units in the names; None is unknown, as in `model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class GpuMemory:
    total_bytes: int | None = None
    used_bytes: int | None = None
    free_bytes: int | None = None
    reserved_bytes: int | None = None
    """What the driver keeps for itself; part of the total, not of used."""


@dataclass(frozen=True)
class GpuLink:
    """PCIe as the card has it at this moment: at rest it lowers the generation, never the width."""

    generation: int | None = None
    width: int | None = None
    maximum_generation: int | None = None
    """What card, slot and board can do together."""
    card_generation: int | None = None
    """What the card alone could do."""
    maximum_width: int | None = None
    read: str = "unknown"
    """`idle`: the generation says nothing; `loaded`: the GPU was at work; `unknown`."""


@dataclass(frozen=True)
class GpuPower:
    draw_watts: float | None = None
    limit_watts: float | None = None
    """As set; what holds now, for whatever reason, is the enforced one."""
    enforced_watts: float | None = None
    default_watts: float | None = None
    minimum_watts: float | None = None
    maximum_watts: float | None = None


@dataclass(frozen=True)
class GpuEcc:
    enabled: bool | None = None
    pending: bool | None = None
    """From the next boot on."""
    corrected_errors: int | None = None
    """Since the driver was loaded, as the next."""
    uncorrected_errors: int | None = None


@dataclass(frozen=True)
class GpuMig:
    enabled: bool | None = None
    pending: bool | None = None


@dataclass(frozen=True)
class GpuClocks:
    graphics_mhz: int | None = None
    sm_mhz: int | None = None
    memory_mhz: int | None = None
    maximum_graphics_mhz: int | None = None
    maximum_sm_mhz: int | None = None
    maximum_memory_mhz: int | None = None
    memory_bus_bits: int | None = None
    """How wide its memory is; each line carries two bits a clock."""


@dataclass(frozen=True)
class GpuProcess:
    """A process that computes on the GPU."""

    pid: int
    name: str = ""
    vram_bytes: int | None = None


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA card: on the PCI bus, in NVML, or in both. Without a driver that works only the bus is left."""

    address: str = ""
    """As in sysfs: `0000:c1:00.0`."""
    device_id: str = ""
    """`10de:2bb4`."""
    card: str = ""
    """What the table of known cards calls that id; empty: a card that is not in it."""
    architecture: str = ""
    open_modules_only: bool | None = None
    """True: the proprietary kernel modules do not drive it (Blackwell and later)."""
    kernel_driver: str = ""
    """The kernel driver that is bound to it."""
    node: int | None = None
    """The NUMA node it hangs on."""
    answers: bool = False
    """Whether NVML told of it; if not, what follows is unknown."""
    index: int | None = None
    name: str = ""
    uuid: str = ""
    compute_capability: str = ""
    """`12.0`: the SM version."""
    vram: GpuMemory = field(default_factory=GpuMemory)
    bar1_bytes: int | None = None
    """What the CPU sees of the VRAM at once."""
    resizable_bar: bool | None = None
    """Whether BAR1 covers all of the VRAM."""
    link: GpuLink = field(default_factory=GpuLink)
    power: GpuPower = field(default_factory=GpuPower)
    persistence: bool | None = None
    ecc: GpuEcc = field(default_factory=GpuEcc)
    mig: GpuMig = field(default_factory=GpuMig)
    clocks: GpuClocks = field(default_factory=GpuClocks)
    performance_state: int | None = None
    """0 is the fastest; a GPU at rest is at 8 or below."""
    throttle: tuple[str, ...] = ()
    """What holds the clock down now, in nvidia-smi's words (`sw_power_cap`); `gpu_idle` is none of them to worry about."""
    energy_joules: float | None = None
    """Since the driver was loaded."""
    temperature_celsius: int | None = None
    utilization_percent: int | None = None
    compute_mode: int | None = None
    """0: any number of processes; 2: prohibited; 3: one."""
    vbios: str = ""
    gsp_firmware: str = ""
    """The firmware that runs on the card: empty if none does."""
    processes: tuple[GpuProcess, ...] = ()
    unsupported: tuple[str, ...] = ()
    """Questions to which this card and driver have no answer: no error."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Question → what NVML said instead of an answer."""


@dataclass(frozen=True)
class Nvml:
    """What NVIDIA's management library said when it was asked for its first word."""

    state: str = "not-asked"
    """`ok`, `not-asked`, `no-library`, `not-loaded`, `mismatch`, `no-permission`, `no-binding`, `no-answer`, `failed`."""
    said: str = ""
    code: int | None = None
    """nvmlReturn_t of nvmlInit."""
    version: str = ""
    """The library's own: `13.580.95.05`."""
    driver: str = ""
    """The version that the loaded driver told it."""
    cuda: str = ""
    """The newest CUDA that the driver speaks: `13.0`."""


@dataclass(frozen=True)
class KernelModule:
    """nvidia.ko as one installed kernel would load it."""

    kernel: str
    version: str = ""
    """Empty: that kernel has none."""
    flavour: str = ""
    """`open`, `proprietary`, empty if unknown."""
    running: bool = False


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver in its three places: loaded, on disk, wanted."""

    state: str = "not-installed"
    """`ok`, `no-card`, `not-installed`, `not-loaded`, `no-module`, `reboot-required`, `wrong-flavour`, `broken`."""
    why: str = ""
    loaded: str = ""
    """Version of the kernel module in memory; empty: none is loaded."""
    on_disk: str = ""
    """Version of the module that the running kernel would load; where it has none, of the libraries."""
    wanted: str = ""
    """What was asked for, else what apt is told to stay at (a pin of ours)."""
    flavour: str = ""
    """`open` or `proprietary`: the loaded module's, else the one on disk."""
    in_use: int | None = None
    """How many users the loaded module has."""
    library: str = ""
    """Version of libnvidia-ml.so.1 on disk."""
    modules: tuple[KernelModule, ...] = ()
    """By kernel, of every kernel that could be booted."""
    kernels_without: tuple[str, ...] = ()
    """Kernels newer than the running one, or it itself, that would boot without the driver that is installed."""
    gsp_firmware: tuple[str, ...] = ()
    """Versions in /lib/firmware/nvidia."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """NVIDIA's packages that are installed, with their versions."""
    held: tuple[str, ...] = ()
    """Packages of the driver and the kernel that apt is told to leave."""
    transitional: tuple[str, ...] = ()
    """Packages that only lead to another branch."""
    half_installed: tuple[str, ...] = ()
    toolkit: str = ""
    """Version of nvidia-container-toolkit-base."""
    foreign: tuple[str, ...] = ()
    """Installed past Ubuntu's archive: runfile, DKMS, NVIDIA's own repository."""
    nouveau: bool = False
    """Whether nouveau is loaded."""
    secure_boot: bool | None = None
    module_key: str = ""
    """The machine owner's key for modules built here: `enrolled`, `not-enrolled`, empty if there is none."""
    device_nodes: tuple[str, ...] = ()
    nvml: Nvml = field(default_factory=Nvml)


@dataclass(frozen=True)
class Seen:
    """What a look at the GPUs adds to the facts. Here, so that whoever reads facts alone needs not how a GPU is asked."""

    gpus: tuple[Gpu, ...]
    driver: Driver
