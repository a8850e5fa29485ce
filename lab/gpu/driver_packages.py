"""NVIDIA's driver as Ubuntu 24.04 packages it, and the kernels it belongs to: names, relations, maintainer scripts. Pure.

Relations as in Canonical's 580-server branch for noble (2026-04-28). `nvidia-smi` is no dependency of the headless set,
user space is tied to `nvidia-kernel-common` of its own version, and the metapackage of modules follows the newest kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lab.gpu.package import Package

BRANCH: Final = "580-server"
OLD_BRANCH: Final = "570-server"
"""Its packages are transitional: they lead to BRANCH, as Canonical's do when a branch ends."""
LIBRARIES: Final = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Compiled:
    """What the compiler made for one driver version."""

    nvml: bytes
    cuda: bytes
    smi: bytes
    persistenced: bytes
    modules: Mapping[tuple[str, str], bytes]
    """By module name and flavour (`open`, `proprietary`)."""


@dataclass(frozen=True)
class Driver:
    upstream: str
    debian: str

    @property
    def version(self) -> str:
        return f"{self.upstream}-{self.debian}"


OLDER: Final = Driver("580.95.05", "0ubuntu0.24.04.2")
NEWER: Final = Driver("580.173.02", "0ubuntu0.24.04.1")


@dataclass(frozen=True)
class Kernel:
    """`release` is what uname says, `version` how dpkg orders it."""

    release: str
    version: str

    @property
    def suffix(self) -> str:
        """As far as a package's name may hold it."""
        return re.sub(r"[^a-z0-9+.-]", "-", self.release.lower())


def kernels(running: str) -> tuple[Kernel, Kernel]:
    """The running one and the one that an upgrade brings: `6.8.0-87-generic` → `6.8.1-87-generic`."""
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", running)
    major, minor, patch = (int(one or 0) for one in numbers.groups()) if numbers else (6, 8, 0)
    rest = running[numbers.end() :] if numbers else f"-{running}"
    following = f"{major}.{minor}.{patch + 1}{rest}"
    return Kernel(running, f"{major}.{minor}.{patch}-1"), Kernel(following, f"{major}.{minor}.{patch + 1}-1")


def suites(running: str, made: Mapping[str, Compiled]) -> dict[str, list[Package]]:
    """`noble` has the older driver for the running kernel; `noble-updates` the newer one, for it and for the next kernel."""
    now, following = kernels(running)
    first, second = made[OLDER.upstream], made[NEWER.upstream]
    return {
        "noble": [
            *_kernel(now),
            *_user_space(OLDER, first),
            *_modules(OLDER, [now], first),
            *_meta(OLDER, now),
        ],
        "noble-updates": [
            *_kernel(following),
            *_user_space(NEWER, second),
            *_modules(NEWER, [now, following], second),
            *_meta(NEWER, following),
            *_transitional(),
        ],
    }


def _kernel(kernel: Kernel) -> Iterator[Package]:
    image = f"linux-image-{kernel.suffix}"
    yield Package(
        image,
        kernel.version,
        description="a kernel by name only: the lab host runs its machine's",
        section="kernel",
        files={
            f"boot/vmlinuz-{kernel.release}": "hostproof lab: not a kernel\n",
            f"usr/lib/modules/{kernel.release}/modules.order": "",
            f"usr/lib/modules/{kernel.release}/modules.builtin": "",
        },
        scripts={"postinst": f"depmod {kernel.release}\n"},
    )
    yield Package("linux-image-generic", kernel.version, (image,), section="metapackages")
    yield Package("linux-headers-generic", kernel.version, section="metapackages")
    both = (f"linux-image-generic (= {kernel.version})", f"linux-headers-generic (= {kernel.version})")
    yield Package("linux-generic", kernel.version, both, section="metapackages")


def _user_space(driver: Driver, made: Compiled) -> Iterator[Package]:
    same, up = f"(= {driver.version})", driver.upstream
    virtual = f"nvidia-kernel-common-{BRANCH}-{up}"
    firmware = f"nvidia-firmware-{BRANCH}-{up}"
    yield Package(
        firmware,
        driver.version,
        files={f"usr/lib/firmware/nvidia/{up}/gsp_{chip}.bin": f"{up}\n" for chip in ("ga10x", "tu10x")},
    )
    yield Package(
        f"nvidia-kernel-common-{BRANCH}",
        driver.version,
        (firmware,),
        (virtual,),
        files={"usr/lib/modprobe.d/nvidia-graphics-drivers.conf": NOUVEAU_OFF},
        scripts={"postinst": "if command -v update-initramfs > /dev/null; then update-initramfs -u; fi\n"},
    )
    for flavour in ("", "-open"):
        yield Package(f"nvidia-kernel-source-{BRANCH}{flavour}", driver.version)
        parts = ("libnvidia-cfg1", "libnvidia-compute", "nvidia-compute-utils", "nvidia-kernel-common")
        needs = (
            *(f"{part}-{BRANCH} {same}" for part in parts),
            f"nvidia-kernel-source-{BRANCH}{flavour} {same}",
        )
        yield Package(f"nvidia-headless-no-dkms-{BRANCH}{flavour}", driver.version, needs)
    yield Package(f"libnvidia-cfg1-{BRANCH}", driver.version)
    yield Package(
        f"libnvidia-compute-{BRANCH}",
        driver.version,
        (virtual, "libc6"),
        ("libnvidia-ml1", "libnvidia-ml.so.1", "libcuda1"),
        files={
            f"{LIBRARIES}/libnvidia-ml.so.{up}": made.nvml,
            f"{LIBRARIES}/libnvidia-ml.so.1": f"-> libnvidia-ml.so.{up}",
            f"{LIBRARIES}/libcuda.so.{up}": made.cuda,
            f"{LIBRARIES}/libcuda.so.1": f"-> libcuda.so.{up}",
        },
        scripts={"triggers": "activate-noawait ldconfig\n"},
    )
    yield Package(
        f"nvidia-compute-utils-{BRANCH}",
        driver.version,
        (f"libnvidia-compute-{BRANCH}",),
        files={
            "usr/bin/nvidia-persistenced": made.persistenced,
            "usr/lib/systemd/system/nvidia-persistenced.service": PERSISTENCED_UNIT,
        },
        scripts={"postinst": PERSISTENCED_POSTINST},
    )
    yield Package(
        f"nvidia-utils-{BRANCH}",
        driver.version,
        (f"libnvidia-compute-{BRANCH} {same}",),
        files={"usr/bin/nvidia-smi": made.smi},
    )


def _modules(driver: Driver, of: list[Kernel], made: Compiled) -> Iterator[Package]:
    for kernel in of:
        for flavour in ("", "-open"):
            kind = "open" if flavour else "proprietary"
            folder = f"usr/lib/modules/{kernel.release}/kernel/nvidia-{BRANCH}{flavour}"
            objects = {f"{folder}/bits/{name}.o": made.modules[name, kind] for name in MODULES}
            yield Package(
                f"linux-modules-nvidia-{BRANCH}{flavour}-{kernel.suffix}",
                f"{kernel.version}+{driver.upstream}",
                (f"linux-image-{kernel.suffix}", f"nvidia-kernel-common-{BRANCH} (>= {driver.upstream})"),
                section="restricted/kernel",
                files=objects,
                scripts=_module_scripts(folder, kernel.release),
            )


def _module_scripts(folder: str, release: str) -> dict[str, str]:
    """As Canonical's: the modules are linked when installed, and a plain .ko stands beside its parts."""
    names = " ".join(MODULES)
    return {
        "postinst": f"""if [ "$1" = configure ]; then
  echo "constructing .ko files"
  for name in {names}; do
    cp /{folder}/bits/$name.o /{folder}/$name.ko
    echo "$name.ko: OK"
  done
  depmod {release}
fi
""",
        "prerm": f"for name in {names}; do rm -f /{folder}/$name.ko; done\n",
        "postrm": f'if [ "$1" = remove ] && [ -d /usr/lib/modules/{release} ]; then depmod {release}; fi\n',
    }


def _meta(driver: Driver, kernel: Kernel) -> Iterator[Package]:
    for flavour in ("", "-open"):
        name = f"linux-modules-nvidia-{BRANCH}{flavour}"
        needs = (
            f"{name}-{kernel.suffix} (>= {kernel.version}+{driver.upstream})",
            f"nvidia-kernel-common-{BRANCH} (>= {driver.upstream})",
        )
        yield Package(
            f"{name}-generic", f"{kernel.version}+{driver.upstream}", needs, section="restricted/kernel"
        )


def _transitional() -> Iterator[Package]:
    for stem, flavour in (("nvidia-headless-no-dkms", "-open"), ("nvidia-utils", "")):
        target = f"{stem}-{BRANCH}{flavour}"
        yield Package(
            f"{stem}-{OLD_BRANCH}{flavour}",
            NEWER.version,
            (target,),
            description=f"Transitional package for {target}",
        )


MODULES: Final = ("nvidia", "nvidia-modeset", "nvidia-drm", "nvidia-uvm")
NOUVEAU_OFF: Final = """blacklist nouveau
blacklist lbm-nouveau
blacklist nova
blacklist nova_core
alias nouveau off
alias lbm-nouveau off
options nvidia_drm modeset=1
options nvidia NVreg_PreserveVideoMemoryAllocations=1 NVreg_TemporaryFilePath=/var
"""
# No [Install], and persistence mode is switched off: both are Ubuntu's own.
PERSISTENCED_UNIT: Final = """[Unit]
Description=NVIDIA Persistence Daemon
Wants=syslog.target
StopWhenUnneeded=true
Before=systemd-backlight@backlight:nvidia_0.service

[Service]
Type=forking
ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --no-persistence-mode --verbose
ExecStopPost=/bin/rm -rf /var/run/nvidia-persistenced
"""
PERSISTENCED_POSTINST: Final = """if [ "$1" = configure ]; then
  if ! getent passwd nvidia-persistenced > /dev/null; then
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nvidia-persistenced
  fi
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi
"""
