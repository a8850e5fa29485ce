"""The kinds there are, by name."""

from __future__ import annotations

from typing import Final

from .kind import Kind
from .kinds import (
    boot_unit,
    cmdline,
    environment,
    gpu,
    limit,
    modprobe,
    packages,
    pool,
    sysctl,
    sysfs,
    whole_file,
)

KINDS: Final[dict[str, Kind]] = {
    module.KIND.name: module.KIND
    for module in (
        *(sysctl, sysfs, pool, cmdline, modprobe, limit, environment),
        *(packages, whole_file, boot_unit, gpu),
    )
}
