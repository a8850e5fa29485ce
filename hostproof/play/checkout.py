"""Where things lie in the repository; the only place that knows folder names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """One working copy of the repository (tests make their own small ones)."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "ansible.cfg"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def locks(self) -> Path:
        return self.runs / ".locks"

    @property
    def workloads(self) -> Path:
        return self.root / "inventory" / "workloads"

    def playbook(self, name: str) -> Path:
        return self.root / "playbooks" / f"{name}.yml"

    def inventory(self) -> str:
        """As Ansible itself would choose it: ANSIBLE_INVENTORY, else the folder beside ansible.cfg."""
        return os.environ.get("ANSIBLE_INVENTORY") or str(self.root / "inventory")

    def short(self, path: str) -> str:
        """A path (also `file:line`) as a reader standing in the repository would type it."""
        prefix = f"{self.root}/"
        return path.removeprefix(prefix)


def here() -> Checkout:
    """The repository that this package lies in."""
    return Checkout(Path(__file__).resolve().parents[2])
