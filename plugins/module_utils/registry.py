"""The kinds there are, by name."""

from __future__ import annotations

from typing import Final

from .kind import Kind
from .kinds import cmdline, limit, modprobe, pool, sysctl, sysfs

KINDS: Final[dict[str, Kind]] = {
    module.KIND.name: module.KIND for module in (sysctl, sysfs, pool, cmdline, modprobe, limit)
}
