"""NVML's stand-in, compiled into a temporary folder and driven by the lab's own profiles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.gpu import profiles, repository

ROOT = Path(__file__).parents[3]
VERSION = "580.95.05"


@dataclass(frozen=True)
class Nvml:
    """A library and the folder it answers from, as a host would have them."""

    library: Path
    state: Path

    def up(self, profile: str, loaded: str = VERSION) -> None:
        """What `lab-gpu load` does."""
        cards = profiles.load(profile).cards
        self.write("driver.json", {"loaded": loaded, "count": len(cards)})
        for number, card in enumerate(cards):
            self.write(f"gpu-{number}.json", card["gpu"])

    def write(self, name: str, values: dict[str, Any]) -> None:
        (self.state / name).write_text(json.dumps(values, indent=1), encoding="utf-8")

    def change(self, name: str, **values: Any) -> None:
        self.write(name, {**json.loads((self.state / name).read_text(encoding="utf-8")), **values})

    def python(self, text: str) -> Any:
        """What a fresh process prints as JSON."""
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(self.library),
            "HOSTPROOF_NVML_STATE": str(self.state),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-c", f"import json, pynvml\nfrom hostproof.shared.facts import nvml\n{text}"],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ask(self, seconds: float = 30) -> Any:
        return self.python(f"print(json.dumps(nvml.ask_apart(seconds={seconds})))")


def compile_library(folder: Path, source: Path, *flags: str) -> Path:
    folder.mkdir()
    target = str(folder / "libnvidia-ml.so.1")
    gcc = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1", *flags, "-o", target, str(source)]
    subprocess.run(gcc, check=True, timeout=60)
    return folder


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvml") / "now"
    return compile_library(folder, repository.SOURCE / "nvml.c", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvml") / "old"
    return compile_library(folder, repository.SOURCE / "nvml.c", "-DOLD_LIBRARY")


@pytest.fixture
def host(library: Path, tmp_path: Path) -> Nvml:
    """One with an RTX PRO 6000 Max-Q."""
    state = tmp_path / "state"
    state.mkdir()
    made = Nvml(library, state)
    made.up("rtx-pro-6000-max-q")
    return made
