"""The circumstances of a measurement, flat and printable: a figure without them says little."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from hostproof.measure import procfs
from hostproof.measure.client import Client
from hostproof.measure.config import Server
from hostproof.measure.dialect import Dialect
from hostproof.measure.errors import SampleFailed
from hostproof.measure.gpu import Gpus

OS_RELEASE = Path("/etc/os-release")


def gather(client: Client, dialect: Dialect, server: Server, gpus: Gpus, version: str) -> dict[str, str]:
    memory = procfs.kilobytes((procfs.PROC / "meminfo").read_text(encoding="ascii"), "MemTotal") or 0
    return {
        "cpu": cpu_name(),
        "cores": str(os.cpu_count() or 0),
        "memory_bytes": str(memory),
        "gpu": gpus.names(),
        "gpu_driver": gpus.driver(),
        "os": os_name(OS_RELEASE),
        "kernel": platform.release(),
        "load_before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "server_version": server_version(client, dialect) or server.release,
        "server_release": server.release,
        "hostproof": version,
        "python": platform.python_version(),
    }


def cpu_name() -> str:
    """/proc/cpuinfo has it on x86; py-cpuinfo, where it is there, knows other architectures too."""
    name = procfs.cpu_model((procfs.PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace"))
    if name:
        return name
    try:
        from cpuinfo import get_cpu_info  # noqa: PLC0415  (slow, and seldom needed)
    except ImportError:
        return platform.machine()
    return str(get_cpu_info().get("brand_raw") or platform.machine())


def os_name(file: Path) -> str:
    if not file.is_file():
        return platform.system()
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.removeprefix("PRETTY_NAME=").strip('"')
    return platform.system()


def server_version(client: Client, dialect: Dialect) -> str:
    """Empty where the server does not say."""
    try:
        told = client.get_json(dialect.version_path)
    except SampleFailed:
        return ""
    return str(told.get(dialect.version_key, "")) if isinstance(told, dict) else ""
