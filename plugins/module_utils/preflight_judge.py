"""Facts of a host against wishes for it: every finding at once, each with its fix. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from . import catalogue
from .preflight_types import IDS, Facts, Finding, Listener, Server, Space, Wishes

QUADLET_SINCE = (4, 4)
GIB = 1024**3


def judge(facts: Facts, wishes: Wishes, sudo_problem: str = "") -> list[Finding]:
    """All findings, failures first, with skipped ones turned into warnings that carry their reason."""
    found = [finding for check in CHECKS for finding in check(facts, wishes)]
    if sudo_problem:
        found.insert(0, _no_sudo(sudo_problem))
    found = [*_skips(wishes.skip), *(_skipped(finding, wishes.skip) for finding in found)]
    return sorted(found, key=lambda finding: finding.severity != "fail")


def failures(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "fail"]


def _skipped(finding: Finding, skip: Mapping[str, str]) -> Finding:
    reason = skip.get(finding.id, "").strip()
    if not reason:
        return finding
    return replace(finding, severity="warn", fix=f"Skipped: {reason}")


def _skips(skip: Mapping[str, str]) -> Iterator[Finding]:
    for name, reason in skip.items():
        if name not in IDS or name == "skip":
            close = difflib.get_close_matches(name, IDS, n=1)
            yield _fail(
                "skip",
                f"there is no finding {name!r} to skip",
                "preflight_skip",
                f"Did you mean {close[0]}?" if close else f"Known: {', '.join(IDS[:-1])}.",
            )
        elif not reason.strip():
            yield _fail("skip", f"{name!r} is skipped without a reason", "preflight_skip", "Write down why.")


def _fail(name: str, what: str, where: str, fix: str) -> Finding:
    return Finding(name, "fail", what, where, fix)


def _warn(name: str, what: str, where: str, fix: str) -> Finding:
    return Finding(name, "warn", what, where, fix)


def _no_sudo(problem: str) -> Finding:
    fix = "Allow the user passwordless sudo on the host, or put ansible_become_password into a vault."
    return _fail("sudo", "the user cannot become root", problem.strip() or "become", fix)


def _busy(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    if facts.lock_holder:
        yield Finding(
            "busy",
            "warn" if wishes.reads_only else "fail",
            f"another run is changing this host: {facts.lock_holder}",
            "/run/hostproof/run.lock",
            "Wait until it ends. If it is dead, remove that file on the host.",
        )


def _system(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    if facts.version not in wishes.systems.get(facts.system, ()):
        known = ", ".join(f"{name} {v}" for name, versions in wishes.systems.items() for v in versions)
        yield _fail(
            "system",
            f"{facts.system_title or 'this operating system'} is not supported",
            "/etc/os-release",
            f"Supported: {known}.",
        )


def _architecture(facts: Facts, _wishes: Wishes) -> Iterator[Finding]:
    if facts.architecture != "x86_64":
        yield _fail(
            "architecture",
            f"{facts.architecture} is not supported",
            "uname -m",
            "Use an x86_64 host: images, wheels and knobs are made for it.",
        )


def _init(facts: Facts, _wishes: Wishes) -> Iterator[Finding]:
    if facts.init != "systemd":
        yield _fail(
            "init",
            f"PID 1 is {facts.init or 'unknown'}, not systemd",
            "/proc/1/comm",
            "Boot the host with systemd: the servers are its units.",
        )


def _cgroups(facts: Facts, _wishes: Wishes) -> Iterator[Finding]:
    if not facts.cgroup2:
        yield _fail(
            "cgroups",
            "there is no pure cgroup v2 tree",
            "/sys/fs/cgroup",
            "Remove systemd.unified_cgroup_hierarchy=0 from the kernel's command line and reboot.",
        )


def _podman(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    """Refused before anything is installed: the containers are quadlets, which podman has since 4.4."""
    if not any(server.unit == "llama-server.service" for server in wishes.servers):
        return
    old_system = (facts.system, facts.version) == ("debian", "12") and not facts.podman_version
    if old_system or (facts.podman_version and _version(facts.podman_version) < QUADLET_SINCE):
        which = facts.podman_version or "4.3.1, the one that Debian 12 has,"
        yield _fail(
            "podman",
            f"podman {which} has no quadlets (they came with 4.4)",
            facts.system_title,
            'Use Ubuntu 24.04 or Debian 13, or leave out the container server here: llama_server_model: "".',
        )


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0,)


def _cpu(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    for server in wishes.servers:
        if server.threads > facts.cpus:
            yield _fail(
                "cpu",
                f"{server.name} asks for {server.threads} threads of {facts.cpus} CPUs",
                facts.cpu_model,
                f"Set {server.name}_threads to {facts.cores} or less.",
            )
        elif server.threads > facts.cores:
            yield _warn(
                "cpu",
                f"{server.name} asks for {server.threads} threads of {facts.cores} cores: "
                "threads that share a core slow each other down",
                facts.cpu_model,
                f"Set {server.name}_threads to {facts.cores} or less.",
            )


def _model(_facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    for name in wishes.models:
        for complaint in catalogue.complaints(name, wishes.catalogue):
            yield _fail(
                "model",
                f"model {name!r} cannot be had: {complaint}",
                "model_store_catalogue",
                "Correct its entry, or choose another model.",
            )


def _model_bytes(wishes: Wishes, name: str) -> int:
    entry = wishes.catalogue.get(name)
    size = entry.get("size_bytes") if isinstance(entry, Mapping) else None
    return size if isinstance(size, int) else 0


def _memory(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    models = sum(_model_bytes(wishes, name) for name in wishes.models)
    needed = models + wishes.memory_reserve_bytes
    if facts.memory < needed:
        yield _fail(
            "memory",
            f"{_gb(needed)} are needed ({_gb(models)} of models), the host has {_gb(facts.memory)}",
            "/proc/meminfo",
            "Choose smaller models or fewer servers.",
        )


def _disk(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    """Needs on the same file system are one need."""
    by_device: dict[int, tuple[Space, list[tuple[str, int]]]] = {}
    for what, path, size in disk_needs(facts, wishes):
        space = facts.spaces[path]
        by_device.setdefault(space.device, (space, []))[1].append((what, size))
    for space, needs in by_device.values():
        needed = sum(size for _, size in needs)
        if needed and needed + wishes.disk_reserve_bytes > space.free:
            parts = ", ".join(f"{what} {_gb(size)}" for what, size in needs)
            yield _fail(
                "disk",
                f"{_gb(needed)} are needed ({parts}) and {_gb(wishes.disk_reserve_bytes)} must stay free, "
                f"{_gb(space.free)} are free",
                space.path,
                "Free some space there, or mount a larger disk.",
            )


def disk_needs(facts: Facts, wishes: Wishes) -> Iterator[tuple[str, str, int]]:
    """(what, path, bytes still to come); nothing for what is on the host already."""
    for name in wishes.models:
        missing = _model_bytes(wishes, name) - facts.sizes.get(model_folder(wishes, name), 0)
        if missing > 0:
            yield f"model {name}", wishes.model_root, missing
    for server in wishes.servers:
        if server.install_bytes and not (server.installed and server.installed in facts.sizes):
            yield server.name, server.install_path, server.install_bytes


def model_folder(wishes: Wishes, name: str) -> str:
    return f"{wishes.model_root}/{name}"


def _port(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    seen: dict[int, Server] = {}
    for server in wishes.servers:
        where = f"{server.name}_port: {server.port}"
        if other := seen.get(server.port):
            yield _fail(
                "port", f"{other.name} and {server.name} want the same port", where, "Give one another port."
            )
        seen[server.port] = server
        for listener in facts.listeners:
            if listener.port == server.port and server.unit not in listener.units:
                yield _taken(server, listener, where)
                break


def _taken(server: Server, by: Listener, where: str) -> Finding:
    who = ", ".join([f"process {by.pid}", *by.units])
    owner = f"by {by.program} ({who})" if by.pid else "by a process that cannot be seen without root"
    fix = f"Stop it there, or choose another {server.name}_port."
    return _fail("port", f"port {server.port} is taken {owner}", where, fix)


def _clock(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    offset = facts.clock_offset
    if offset is not None and abs(offset) > wishes.clock_limit_seconds:
        way = "ahead of" if offset > 0 else "behind"
        yield _fail(
            "clock",
            f"the host's clock is {abs(offset):.0f} s {way} the controller's",
            "clock",
            "Set it (`timedatectl set-ntp true`): certificates and records rely on it.",
        )
    elif facts.clock_synchronised is False:
        yield _warn(
            "clock",
            "the clock is not synchronised",
            "timedatectl",
            "`timedatectl set-ntp true`, or install chrony.",
        )


def _owners(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    for unit in wishes.owners:
        if unit in facts.active_units:
            yield _fail(
                "owners",
                f"{unit} is active and writes the same kernel settings",
                "systemctl is-active",
                f"`systemctl disable --now {unit}` on the host.",
            )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


CHECKS: Final[tuple[Callable[[Facts, Wishes], Iterator[Finding]], ...]] = (
    _busy,
    _system,
    _architecture,
    _init,
    _cgroups,
    _podman,
    _cpu,
    _memory,
    _model,
    _disk,
    _port,
    _clock,
    _owners,
)
