"""`python -m hostproof.play`, as ./inv calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tasks
from hostproof import __version__
from hostproof.play import __main__ as main

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


def test_the_inventory_is_read_beside_the_imports_only_where_a_task_wants_it() -> None:
    wants = main.begins_with_the_inventory
    assert wants(["--search-root", "/srv", "drift", "--host", "epyc01"])
    assert wants(["facts", "--host=epyc01", "--json"])
    assert not wants(["facts", "--root", "/tree"])
    assert not wants(["drift", "--host", "epyc01", "--help"])
    assert not wants(["lab.up", "--name", "drift"])


def test_tasks_on_hosts_are_tasks() -> None:
    assert set(main.ON_HOSTS) <= set(tasks.namespace.tasks)


def test_a_run_s_id_after_report_needs_no_option() -> None:
    run = "20261125T051539Z-validate-rpt-1+1"
    assert main.with_options(["report", run, "--against", run]) == ["report", "--run", run, "--against", run]
    for words in (["report"], ["report", "--run", run], ["report", "lint"], ["compare", run, run], []):
        assert main.with_options(words) == words
