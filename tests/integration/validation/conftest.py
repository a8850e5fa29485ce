"""Plays over the collection as it lies here, on this machine, with tools of its own in place of systemd's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
LIMIT_SECONDS = 120
TOOLS = Path(__file__).parent / "tools"


@dataclass(frozen=True)
class Played:
    """How ansible-playbook ended, and what each task returned."""

    status: int
    said: str
    returned: tuple[tuple[str, Mapping[str, Any]], ...]

    def of(self, task: str) -> Mapping[str, Any]:
        return next(result for name, result in reversed(self.returned) if name == task)

    @property
    def message(self) -> str:
        """Of the last task that failed."""
        return next(str(r["msg"]) for _, r in reversed(self.returned) if r.get("failed"))


@dataclass(frozen=True)
class Site:
    """A folder with a collection path, an inventory of one local host, and a fake systemd."""

    folder: Path

    @property
    def units(self) -> Path:
        return self.folder / "units.json"

    def play(
        self,
        *tasks: Mapping[str, Any],
        hosts: Sequence[str] = ("h1",),
        check: bool = False,
        without_hostproof: bool = False,
    ) -> Played:
        play = {"hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (self.folder / "hosts.yml").write_text(
            yaml.safe_dump({"all": {"hosts": dict.fromkeys(hosts, local)}})
        )
        arguments = ["ansible-playbook", "-i", str(self.folder / "hosts.yml"), str(self.folder / "play.yml")]
        block = "sys.modules['hostproof'] = None; " if without_hostproof else ""
        program = f"import sys; {block}from ansible.cli.playbook import main; main(sys.argv[1:])"
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "FAKE_UNITS": str(self.units),
        }
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments, *(["--check"] if check else [])],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
            cwd=self.folder,
        )
        return Played(done.returncode, done.stdout + done.stderr, _returned(done.stdout))

    def set(self, **units: Mapping[str, Any]) -> None:
        """Units of the fake systemd, `a` for `a.service`."""
        self.units.write_text(json.dumps({f"{name}.service": dict(unit) for name, unit in units.items()}))

    def state(self, name: str) -> str:
        unit = json.loads(self.units.read_text()).get(f"{name}.service")
        return str(unit["active"]) if unit else "gone"


def _returned(text: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Everything from the first brace on is the callback's; displayed lines come before it."""
    start = text.find("{\n")
    if start < 0:
        return ()
    raw, _ = json.JSONDecoder().raw_decode(text[start:])
    return tuple(
        (task["task"]["name"], result)
        for play in raw["plays"]
        for task in play["tasks"]
        for result in task["hosts"].values()
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    link = tmp_path / "collections" / "ansible_collections" / "hostproof" / "core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    made = Site(tmp_path)
    made.set()
    return made
