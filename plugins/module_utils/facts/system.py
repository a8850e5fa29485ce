"""The system around the kernel: distribution, glibc, cgroups, who else tunes, how much memory may be locked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from . import dpkg
from .model import Memlock, MemlockRule, System, Tuner
from .tree import Tree

UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
CGROUP = "/sys/fs/cgroup"
TUNERS = ("tuned", "power-profiles-daemon", "cpufrequtils", "auto-cpufreq", "tlp", "ondemand", "loadcpufreq")
SERVERS = ("llama-server", "vllm-server")
LIMIT = "Max locked memory"


def read(tree: Tree, hypervisor: bool | None, x86_64: bool) -> System:
    release = _pairs(tree.text("/etc/os-release", needed=True))
    return System(
        id=release.get("ID", ""),
        version=release.get("VERSION_ID", ""),
        title=release.get("PRETTY_NAME", ""),
        architecture=tree.text("/proc/sys/kernel/arch") or ("x86_64" if x86_64 else ""),
        glibc=_glibc(tree),
        init=tree.text("/proc/1/comm"),
        cgroup=_cgroup(tree),
        hypervisor=hypervisor,
        container=tree.text("/run/systemd/container") or ("docker" if tree.exists("/.dockerenv") else ""),
        tuners=tuple(_tuners(tree)),
        memlock=_memlock(tree),
    )


def _pairs(text: str) -> dict[str, str]:
    split = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in split}


def _glibc(tree: Tree) -> str:
    """From the package's version, `2.39-0ubuntu8.4` → `2.39`: the file tells nothing without being run."""
    libc = dpkg.parse(tree.text(dpkg.STATUS, distil=dpkg.distil)).get("libc6")
    match = re.match(r"[0-9]+\.[0-9]+", libc.version) if libc else None
    return match[0] if match else ""


def _cgroup(tree: Tree) -> str:
    # In a container it may be empty.
    if tree.exists(f"{CGROUP}/cgroup.controllers"):
        return "v2"
    if tree.exists(f"{CGROUP}/unified"):
        return "hybrid"
    return "v1" if tree.exists(f"{CGROUP}/cpu") or tree.exists(f"{CGROUP}/memory") else ""


def _tuners(tree: Tree) -> Iterator[Tuner]:
    for name in TUNERS:
        unit = f"{name}.service"
        # A service that runs has a control group.
        active = tree.exists(f"{CGROUP}/system.slice/{unit}")
        enabled = _enabled(tree, unit)
        installed = any(tree.exists(f"{folder}/{unit}") for folder in UNIT_FOLDERS)
        installed = installed or tree.exists(f"/etc/init.d/{name}")
        if active or enabled or installed:
            state = "active" if active else "enabled" if enabled else "installed"
            yield Tuner(name, state, _profile(tree) if name == "tuned" else "")


def _enabled(tree: Tree, unit: str) -> bool:
    wants = tree.names("/etc/systemd/system", r".{1,80}\.target\.wants")
    return any(tree.link(f"/etc/systemd/system/{folder}/{unit}") for folder in wants)


def _profile(tree: Tree) -> str:
    profile = tree.text("/etc/tuned/active_profile")
    return f"profile {profile}" if profile else ""


def _memlock(tree: Tree) -> Memlock:
    soft, hard = _limits(tree.text("/proc/1/limits", distil=distil_limits))
    return Memlock(soft, hard, dict(_services(tree)), tuple(_rules(tree)))


def _limits(text: str) -> tuple[str, str]:
    match = re.search(rf"^{LIMIT}\s+(\w+)\s+(\w+)", text, re.MULTILINE)
    return (match[1], match[2]) if match else ("", "")


def distil_limits(raw: bytes) -> bytes:
    return b"\n".join(line for line in raw.splitlines() if line.startswith(LIMIT.encode()))


def _services(tree: Tree) -> Iterator[tuple[str, str]]:
    """The first process of each server that runs: its own limits, whatever its unit says."""
    for name in SERVERS:
        for group in (
            f"{CGROUP}/system.slice/{name}.service",
            f"{CGROUP}/system.slice/{name}.service/container",
        ):
            pid = tree.text(f"{group}/cgroup.procs").split("\n")[0]
            if re.fullmatch(r"[0-9]{1,9}", pid):
                _, hard = _limits(tree.text(f"/proc/{pid}/limits", distil=distil_limits))
                if hard:
                    yield name, hard
                    break


def _rules(tree: Tree) -> Iterator[MemlockRule]:
    for who, base in (("system", "/etc/systemd/system.conf"), ("user", "/etc/systemd/user.conf")):
        for file in (base, *_drop_ins(tree, f"{base}.d")):
            for line in tree.text(file, distil=distil_systemd).splitlines():
                yield MemlockRule(file, who, "-", line.partition("=")[2].strip())
    for file in ("/etc/security/limits.conf", *_drop_ins(tree, "/etc/security/limits.d")):
        for line in tree.text(file, distil=distil_limits_d).splitlines():
            who, kind, _item, value = line.split()
            yield MemlockRule(file, who, kind, value)


def _drop_ins(tree: Tree, folder: str) -> Iterable[str]:
    return [f"{folder}/{name}" for name in sorted(tree.names(folder, r".{1,100}\.conf"))]


def distil_systemd(raw: bytes) -> bytes:
    lines = (line.strip() for line in raw.splitlines())
    return b"\n".join(line for line in lines if line.startswith(b"DefaultLimitMEMLOCK="))


def distil_limits_d(raw: bytes) -> bytes:
    """The lines for memlock: user or group, soft or hard, item, value."""
    words = (line.split(b"#")[0].split() for line in raw.splitlines())
    return b"\n".join(b" ".join(line) for line in words if len(line) == 4 and line[2] == b"memlock")
