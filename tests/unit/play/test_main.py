"""`python -m hostproof.play`, as ./inv calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hostproof import __version__

ROOT = Path(__file__).parents[3]
ARGV = [sys.executable, "-P", "-m", "hostproof.play", "--search-root", str(ROOT)]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ARGV, *words], cwd="/", capture_output=True, text=True, timeout=60, check=False)


def test_it_speaks_of_itself_as_people_type_it() -> None:
    assert run("plan", "--help").stdout.startswith("Usage: ./inv [--core-opts] plan ")
    assert run("--version").stdout == f"hostproof {__version__}\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    with subprocess.Popen(
        [*ARGV, "--list"], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1
