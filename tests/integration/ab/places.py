"""A lab host of a checkout of its own, with an inventory to which a test adds variables, and ./inv on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.inventory import ssh_argv
from lab.records import Record

ROOT = Path(__file__).parents[3]
LIMIT_SECONDS = 1500


@dataclass(frozen=True)
class Place:
    """`folder` is the checkout whose host it is; the inventory lies in it."""

    folder: Path
    record: Record

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    def say(self, **variables: Any) -> None:
        """Variables of the host, in place of all that were said before."""
        (self.inventory / "host_vars").mkdir(exist_ok=True)
        link = self.inventory / "group_vars"
        if not link.is_symlink():
            link.symlink_to(ROOT / "inventory/group_vars")
        (self.inventory / "host_vars" / f"{self.name}.yml").write_text(yaml.safe_dump(variables))

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(self.inventory),
            "ANSIBLE_NOCOLOR": "1",
        }

    def argv(self, *words: str) -> list[str]:
        """./inv itself would look after its environment first; this one is there."""
        return [sys.executable, "-m", "hostproof.play", "--search-root", str(ROOT), *words]

    def inv(self, *words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            self.argv(*words),
            env=self.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def compare(self, *words: str) -> tuple[int, dict[str, Any], str]:
        status, out, err = self.inv("ab", "--host", self.name, "--json", *words)
        return status, json.loads(out) if out.startswith("{") else {}, err

    def sh(self, line: str) -> str:
        done = subprocess.run(
            ssh_argv(self.record, [line]), capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout + done.stderr
