"""What can go wrong on a host, for real: each is one clear sentence, nothing is half done, and the next run goes on."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from hostproof.exits import ExitStatus
from hostproof.play import verbs
from hostproof.play.checkout import Checkout
from lab import hosts, inventory
from lab.parts import paths
from lab.records import Record

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[3]
LIMIT_SECONDS = 120
SHARED = ("ansible.cfg", "hostproof", "lab", "playbooks", "plugins", "roles", ".collections")
TINY = {"tiny.gguf": "9c08f5618ba147bbce3c6c1815c0f90216bcfa202e8bab9d446bbe711132c9fb"}
PORT = 8081

PROGRAM = """
import json, sys
from pathlib import Path
from rich.console import Console
from hostproof.errors import HostproofError
from hostproof.play import verbs
from hostproof.play.checkout import Checkout
try:
    ended = verbs.provision(Checkout(Path(sys.argv[1])), Console(), ["faults"], json.loads(sys.argv[2])).ending
except HostproofError as error:
    sys.exit(f"refused: {error}")
print(ended.sentence)
sys.exit(int(ended.status))
"""


def a_checkout(root: Path) -> Checkout:
    """This repository under another path: its runs, locks and lab hosts are its own."""
    root.mkdir()
    for name in SHARED:
        (root / name).symlink_to(ROOT / name)
    (root / "inventory").mkdir()
    (root / "inventory" / "group_vars").symlink_to(ROOT / "inventory" / "group_vars")
    return Checkout(root)


@dataclass(frozen=True)
class Bench:
    """A lab host, and the checkout that it belongs to."""

    checkout: Checkout
    record: Record

    def ssh(self, line: str) -> str:
        argv = inventory.ssh_argv(self.record, [line])
        argv[1:1] = ["-o", "BatchMode=yes"]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout.strip()

    def provision(self, **extra: object) -> tuple[verbs.Ended, str]:
        console = Console(file=io.StringIO(), width=400)
        ended = verbs.provision(self.checkout, console, ["faults"], {"vllm_server_model": "", **extra})
        assert isinstance(console.file, io.StringIO)
        return ended, console.file.getvalue()

    def refused(self, **extra: object) -> str:
        ended, shown = self.provision(**extra)
        assert ended.ending.status is ExitStatus.COULD_NOT, shown
        return shown

    def begin(self, checkout: Checkout | None = None, **extra: object) -> subprocess.Popen[str]:
        root = (checkout or self.checkout).root
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(root), json.dumps({"vllm_server_model": "", **extra})],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    checkout = a_checkout(tmp_path_factory.mktemp("faults") / "checkout")
    record = hosts.up("faults", checkout=checkout.root)[0]
    try:
        yield Bench(checkout, record)
    finally:
        hosts.down(checkout=checkout.root)


@pytest.fixture(scope="module")
def served(bench: Bench) -> Bench:
    """The host as it should be: llama-server answers."""
    ended, shown = bench.provision()
    assert ended.ending.status is ExitStatus.YES, shown
    return bench


def a_tiny_model(source: Mapping[str, Any], **more: object) -> dict[str, object]:
    """Variables for a host that wants one model of 115 bytes, and no server."""
    entry = {
        "format": "gguf",
        "parameters_billion": 0.001,
        "size_bytes": 115,
        "main": "tiny.gguf",
        "files": TINY,
    }
    return {
        "llama_server_model": "",
        "model_store_wanted": ["tiny"],
        "model_store_catalogue": {"tiny": {**entry, "source": source, **more}},
    }


# Before anything is on the host.


def test_a_port_that_is_taken_names_who_has_it(bench: Bench) -> None:
    bench.ssh(f"sudo systemd-run --unit=squatter python3 -m http.server {PORT} --bind 127.0.0.1")
    try:
        wait_until(lambda: str(PORT) in bench.ssh("ss --listening --tcp --numeric --no-header"))
        shown = bench.refused()
    finally:
        bench.ssh("sudo systemctl stop squatter")
    assert f"port {PORT}" in shown
    assert "squatter.service" in shown, shown
    assert "nothing was touched" in shown


def test_a_disk_that_is_too_small_is_found_before_anything_is_fetched(bench: Bench) -> None:
    bench.ssh("sudo mkdir -p /var/lib/hostproof && sudo mount -t tmpfs -o size=60m tmpfs /var/lib/hostproof")
    try:
        shown = bench.refused(preflight_disk_reserve_bytes=0)
        assert bench.ssh("sudo find /var/lib/hostproof -type f") == ""
    finally:
        bench.ssh("sudo umount /var/lib/hostproof")
    assert "- disk: " in shown
    assert "/var/lib/hostproof" in shown


def test_an_unknown_model_is_named_with_the_nearest(bench: Bench) -> None:
    shown = bench.refused(llama_server_model="gemma-3-270m-q4_k_n")
    assert "gemma-3-270m-q4_k_n" in shown
    assert "gemma-3-270m-q4_k_m" in shown


def test_a_model_with_another_checksum_is_never_served(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"x" * 115)
    shown = bench.refused(**a_tiny_model({"kind": "controller", "path": str(tmp_path)}))
    assert "tiny.gguf" in shown
    assert "sha256" in shown
    assert bench.ssh("sudo find /var/lib/hostproof/models -name tiny.gguf 2>/dev/null || true") == ""


def test_a_model_that_is_not_there_says_where_it_was_looked_for(bench: Bench, tmp_path: Path) -> None:
    shown = bench.refused(**a_tiny_model({"kind": "controller", "path": str(tmp_path / "nowhere")}))
    assert str(tmp_path / "nowhere") in shown


def test_an_image_archive_that_is_missing_is_named(bench: Bench, tmp_path: Path) -> None:
    shown = bench.refused(llama_server_image_archive=str(tmp_path / "none.tar"))
    assert "it is not there" in shown
    assert str(tmp_path / "none.tar") in shown


def test_an_image_archive_that_was_cut_short_is_not_pushed(bench: Bench, tmp_path: Path) -> None:
    whole = paths.llama_server_image_archive()
    with whole.open("rb") as source, (tmp_path / "cut.tar").open("wb") as target:
        target.write(source.read(1 << 20))
    shown = bench.refused(llama_server_image_archive=str(tmp_path / "cut.tar"))
    assert "no whole tar file" in shown
    with tarfile.open(tmp_path / "other.tar", "w") as other:
        other.add(__file__, "other.txt")
    assert "no image archive" in bench.refused(llama_server_image_archive=str(tmp_path / "other.tar"))


# On a host that serves.


def test_a_second_provision_changes_nothing(served: Bench) -> None:
    ended, shown = served.provision()
    assert ended.ending.sentence == "0 changed: host is as wanted.", shown


def test_a_flag_that_the_image_lacks_leaves_the_server_alone(served: Bench) -> None:
    before = served.ssh("systemctl show --property=ExecMainPID llama-server")
    shown = served.refused(llama_server_extra_args=["--mlock"])
    assert "--mlock (nearest: --load-mode)" in shown
    assert served.ssh("systemctl show --property=ExecMainPID llama-server") == before


def test_a_server_that_dies_at_start_shows_its_last_words_and_the_next_run_mends_it(served: Bench) -> None:
    shown = served.refused(llama_server_extra_args=["--chat-template-file", "/none.jinja"])
    assert "llama-server.service" in shown
    assert "/none.jinja" in shown
    assert "to resume: ./inv provision --host faults" in shown
    ended, shown = served.provision()
    assert ended.ending.status is ExitStatus.YES, shown
    assert served.ssh("systemctl is-active llama-server") == "active"


def test_a_server_that_never_answers_ends_at_its_time_limit(served: Bench) -> None:
    # In place of llama-server: something that stays up and says nothing.
    mute = ["--entrypoint=/usr/bin/sleep"]
    shown = served.refused(
        llama_server_podman_args=mute, llama_server_start_limit_seconds=10, llama_server_extra_args=["600"]
    )
    assert "did not answer within the time limit" in shown or "ended at start" in shown
    ended, shown = served.provision()
    assert ended.ending.status is ExitStatus.YES, shown


# Runs that meet, and runs that end early.


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[dict[str, object], Path]]:
    """Variables for a run that stays in the middle, holding the host's lock, and the file that tells it is there."""
    mark = tmp_path / "started"
    code = f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(317)"
    extra = a_tiny_model({"kind": "generator", "argv": ["python", "-c", code]})
    yield {**extra, "model_store_cache": str(tmp_path / "cache")}, mark


def wait_until(seen: Callable[[], bool], run: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not seen():
        if run is not None and run.poll() is not None:
            pytest.fail(f"the run ended early: {run.communicate()[0]}")
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def sleepers(mark: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(mark) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def locked(bench: Bench) -> bool:
    return bench.ssh("test -e /run/hostproof/run.lock && echo yes || echo no") == "yes"


def test_a_second_controller_is_refused_by_the_host_itself(
    served: Bench, slow: tuple[dict[str, object], Path], tmp_path: Path
) -> None:
    extra, mark = slow
    other = a_checkout(tmp_path / "another")
    shutil.copy(served.checkout.root / "inventory" / "lab.yml", other.root / "inventory")
    first = served.begin(**extra)
    try:
        wait_until(mark.exists, first)
        second = served.begin(other)
        said, _ = second.communicate(timeout=LIMIT_SECONDS)
        assert second.returncode == 1
        assert "- busy: " in said
        assert "provision-faults" in said, "it is told which run has the host"
        third = served.begin()
        said, _ = third.communicate(timeout=LIMIT_SECONDS)
        assert third.returncode == 1
        assert said.startswith("refused: "), (
            "a run from the same checkout is refused before it reaches the host"
        )
    finally:
        os.kill(first.pid, signal.SIGINT)
        first.communicate(timeout=LIMIT_SECONDS)


def test_ctrl_c_leaves_no_process_and_no_lock_and_the_next_run_goes_on(
    served: Bench, slow: tuple[dict[str, object], Path]
) -> None:
    extra, mark = slow
    run = served.begin(**extra)
    wait_until(mark.exists, run)
    assert locked(served)
    os.kill(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=LIMIT_SECONDS)
    assert run.returncode == 1
    assert "To continue: ./inv provision --host faults" in said
    assert sleepers(mark) == []
    assert not locked(served)
    ended, shown = served.provision()
    assert ended.ending.sentence == "0 changed: host is as wanted.", shown


def test_a_killed_run_blocks_nobody(served: Bench, slow: tuple[dict[str, object], Path]) -> None:
    extra, mark = slow
    run = served.begin(**extra)
    wait_until(mark.exists, run)
    for process in [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]:
        process.kill()
    run.communicate(timeout=LIMIT_SECONDS)
    for process in sleepers(mark):
        process.kill()
    assert locked(served), "nobody was left to release it"
    ended, shown = served.provision()
    assert ended.ending.status is ExitStatus.YES, shown
    assert not locked(served)
