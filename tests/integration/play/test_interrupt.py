"""Ctrl-C at any moment, and two runs at once: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hostproof.play import record

from .conftest import Far, Site

LIMIT_SECONDS = 60
PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from hostproof.errors import HostproofError
from hostproof.play import verbs
from hostproof.play.checkout import Checkout
try:
    ended = verbs.provision(Checkout(Path(sys.argv[1])), Console(), ["h1"]).ending
except HostproofError as error:
    sys.exit(f"refused: {error}")
print(ended.sentence)
sys.exit(int(ended.status))
"""


def start(site: Site) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(site.checkout.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path, run: subprocess.Popen[str]) -> None:
    wait_until(path.exists, run, path.name)


def wait_until(seen: Callable[[], bool], run: subprocess.Popen[str], name: str = "its mark") -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not seen():
        if run.poll() is not None:
            pytest.fail(f"the run ended before it wrote {name}: {run.communicate()[0]}")
        if time.monotonic() > deadline:
            run.kill()
            pytest.fail(f"{name} was not written: {run.communicate()[0]}")
        time.sleep(0.05)


def taking_long(site: Site, name: str, mark: str) -> dict[str, object]:
    """A task that writes the file `mark` and then goes on for longer than any test waits."""
    return {
        "name": name,
        "ansible.builtin.shell": f"touch {site.host_folder / mark}; exec sleep 313",
        "changed_when": True,
    }


def left_behind(site: Site) -> list[str]:
    """Command lines on the controller that belong to a run of this checkout: Ansible, its workers, ssh."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(str(folder) in word for word in words for folder in (site.checkout.root, site.temporary)):
            found.append(" ".join(words))
    return found


@pytest.fixture(autouse=True)
def no_sleepers() -> object:
    """What a remote task leaves running is the test's own to end."""
    yield
    for process in psutil.process_iter():
        try:
            if process.cmdline() == ["sleep", "313"]:
                process.kill()
        except psutil.Error:
            continue


@pytest.mark.lab
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing_and_says_how_to_go_on(site: Site, far: Far, number: int) -> None:
    site.inventory(h1=far.host())
    site.playbook("provision", taking_long(site, "Take long", "started"))
    let_go = {"path": str(site.host_folder / "let-go"), "state": "touch", "mode": "0644"}
    site.playbook("_interrupted", {"name": "Let go", "ansible.builtin.file": let_go})
    run = start(site)
    wait_until(lambda: far.read(site.host_folder / "started") is not None, run)
    os.kill(run.pid, number)
    said, _ = run.communicate(timeout=LIMIT_SECONDS)
    assert run.returncode == 1
    assert "interrupted; the host was let go" in said
    assert "To continue: ./inv provision --host h1" in said
    assert far.read(site.host_folder / "let-go") is not None
    assert left_behind(site) == []
    kept = record.load(site.checkout.runs / "latest")
    assert kept is not None
    assert (kept.exit_status, kept.interrupted) == (1, True)


def test_the_next_run_goes_on_after_an_interrupted_one(site: Site) -> None:
    site.playbook("provision", taking_long(site, "Take long", "started"))
    run = start(site)
    wait_for(site.host_folder / "started", run)
    os.kill(run.pid, signal.SIGINT)
    run.communicate(timeout=LIMIT_SECONDS)
    site.playbook("provision", {"name": "Go on", "ansible.builtin.command": "true", "changed_when": True})
    again = start(site)
    said, _ = again.communicate(timeout=LIMIT_SECONDS)
    assert again.returncode == 0, said
    assert "1 changed" in said


def test_a_second_interrupt_ends_the_letting_go_too(site: Site) -> None:
    site.playbook("provision", taking_long(site, "Take long", "started"))
    site.playbook("_interrupted", taking_long(site, "Let go slowly", "letting-go"))
    run = start(site)
    wait_for(site.host_folder / "started", run)
    os.kill(run.pid, signal.SIGINT)
    wait_for(site.host_folder / "letting-go", run)
    os.kill(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=LIMIT_SECONDS)
    assert run.returncode == 1
    assert "interrupted; the host could not be asked to let go" in said
    assert left_behind(site) == []


def test_a_second_run_of_the_host_is_refused_while_the_first_goes_on(site: Site) -> None:
    site.playbook("provision", taking_long(site, "Take long", "started"))
    first = start(site)
    wait_for(site.host_folder / "started", first)
    second = start(site)
    said, _ = second.communicate(timeout=LIMIT_SECONDS)
    assert second.returncode == 1
    assert "refused: host h1 is held by another run" in said
    assert f"process {first.pid}" in said
    assert first.poll() is None, "the first run goes on"
    os.kill(first.pid, signal.SIGINT)
    first.communicate(timeout=LIMIT_SECONDS)
    assert left_behind(site) == []


def test_a_killed_run_does_not_block_the_next(site: Site) -> None:
    site.playbook("provision", taking_long(site, "Take long", "started"))
    first = start(site)
    wait_for(site.host_folder / "started", first)
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.communicate(timeout=LIMIT_SECONDS)
    site.playbook("provision", {"name": "Go on", "ansible.builtin.command": "true", "changed_when": False})
    second = start(site)
    said, _ = second.communicate(timeout=LIMIT_SECONDS)
    for child in children:
        if child.is_running():
            child.kill()
    assert second.returncode == 0, said
