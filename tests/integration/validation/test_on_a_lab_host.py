"""The whole role on a lab host with a real llama-server: `playbooks/validate.yml` by hand, as a user would run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import hosts

from .conftest import ROOT

pytestmark = pytest.mark.lab
NAME = "validated"
LIMIT_SECONDS = 600
QUICK = {"cpu": {"title": "A: CPU", "server": "llama_server", "workload": "quick"}}
THRESHOLDS = """\
schema: hostproof.thresholds/2
hardware: lab
setup: cpu
model: gemma-3-270m-q4_k_m
workload: quick
source: a test
thresholds:
  - {cell: decode, metric: generation_throughput, statistic: median, min: 0.01, unit: tok/s}
  - {cell: decode, metric: failed_requests, statistic: max, max: 0, unit: requests}
"""
QUADLET = "/etc/containers/systemd/llama-server.container"
SNAPSHOT = (
    "systemctl is-active llama-server.service; systemctl list-units --all --no-legend 'hostproof-measure*';"
    "sudo find /opt /etc/hostproof /run/hostproof /var/lib/hostproof | sort"
)


@dataclass(frozen=True)
class Host:
    """A provisioned lab host of a checkout of its own."""

    place: Path

    def command(self, playbook: str, **extra: Any) -> list[str]:
        given = {
            "validation_setups": QUICK,
            "validation_thresholds_dir": str(self.place / "thresholds"),
            "vllm_server_model": "",
            **extra,
        }
        return [
            *[str(Path(sys.executable).with_name("ansible-playbook")), str(ROOT / "playbooks" / playbook)],
            *["-i", str(ROOT / "inventory"), "-i", str(self.place / "inventory/lab.yml"), "--limit", NAME],
            *["-e", json.dumps(given)],
        ]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}

    def play(self, playbook: str, *words: str, **extra: Any) -> tuple[int, str]:
        done = subprocess.run(
            [*self.command(playbook, **extra), *words],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
            cwd=ROOT,
        )
        return done.returncode, done.stdout + done.stderr

    def validate(self, run: Path, *words: str, **extra: Any) -> tuple[int, str]:
        return self.play("validate.yml", *words, validation_run_dir=str(run), **extra)

    def sh(self, line: str) -> str:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from lab import hosts; from pathlib import Path; import sys; "
                f"sys.exit(hosts.ssh({NAME!r}, [sys.argv[1]], checkout=Path({str(self.place)!r})))",
                line,
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    place = tmp_path_factory.mktemp("checkout")
    (place / "thresholds").mkdir()
    (place / "thresholds/cpu.yml").write_text(THRESHOLDS)
    made = Host(place)
    try:
        hosts.up(NAME, checkout=place)
        subprocess.run(
            [sys.executable, "-m", "lab.parts.llama_image"], check=True, cwd=ROOT, timeout=LIMIT_SECONDS
        )
        status, said = made.play("provision.yml")
        assert status == 0, said
        yield made
    finally:
        hosts.down([NAME], checkout=place)


@pytest.fixture
def broken(host: Host) -> Iterator[Host]:
    """Its server cannot start any more."""
    host.sh(f"sudo cp {QUADLET} /root/quadlet; sudo sed -i s/gemma-3-270m-q4_k_m.gguf/gone.gguf/ {QUADLET}")
    host.sh("sudo systemctl daemon-reload; sudo systemctl stop llama-server")
    yield host
    host.sh(
        f"sudo cp /root/quadlet {QUADLET}; sudo systemctl daemon-reload; sudo systemctl restart llama-server"
    )


def verdict(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "verdict.json").read_text())
    return found


def test_a_good_server_is_proven_and_the_host_is_left_as_it_was(host: Host, tmp_path: Path) -> None:
    status, said = host.validate(tmp_path / "first")
    assert status == 0, said
    assert "PROVEN — 2 thresholds: 2 proven." in said
    assert "Comparison summary" in said
    found = json.loads((tmp_path / "first/results" / NAME / "cpu.json").read_text())
    assert found["setup"]["model"] == "gemma-3-270m-q4_k_m"
    assert all(check["passed"] for check in found["checks"]), found["checks"]
    before = host.sh(SNAPSHOT)
    assert "/opt/hostproof/hostproof.pyz" in before
    assert before.startswith("active\n")
    status, said = host.validate(tmp_path / "second")
    assert status == 0, said
    assert "changed=0" in said, "the instrument is brought once"
    assert host.sh(SNAPSHOT) == before


def test_a_stopped_server_is_started_and_stopped_again(host: Host, tmp_path: Path) -> None:
    host.sh("sudo systemctl stop llama-server")
    status, said = host.validate(tmp_path)
    state = host.sh("systemctl is-active llama-server")
    host.sh("sudo systemctl start llama-server")
    assert status == 0, said
    assert state == "inactive\n"


def test_check_mode_leaves_no_trace(host: Host, tmp_path: Path) -> None:
    before = host.sh(SNAPSHOT)
    status, said = host.validate(tmp_path / "run", "--check")
    assert status == 0, said
    assert "Nothing was measured in check mode" in said
    assert host.sh(SNAPSHOT) == before
    assert not (tmp_path / "run").exists()


def test_a_server_that_dies_at_start_shows_the_end_of_its_log(broken: Host, tmp_path: Path) -> None:
    status, said = broken.validate(tmp_path)
    assert status == 2
    assert "llama-server.service does not serve: it ended at start" in said
    assert "gone.gguf" in said
    assert verdict(tmp_path)["outcome"] == "unmeasured"
    assert broken.sh("systemctl is-active llama-server") == "inactive\n"


def test_a_server_that_never_answers_meets_the_time_limit(host: Host, tmp_path: Path) -> None:
    host.sh("sudo systemctl kill --signal=STOP llama-server")
    try:
        status, said = host.validate(tmp_path, validation_ready_seconds=10)
    finally:
        host.sh("sudo systemctl kill --signal=CONT llama-server")
    assert status == 2
    assert "did not answer within the time limit" in said
    assert verdict(tmp_path)["outcome"] == "unmeasured"


def test_a_deadline_that_passes_is_unmeasured_not_proven(host: Host, tmp_path: Path) -> None:
    status, _ = host.validate(tmp_path, validation_deadline_seconds=6)
    assert status == 2
    assert verdict(tmp_path)["outcome"] in {"unmeasured", "inconclusive"}


def test_an_unknown_setup_is_refused_before_the_host_is_touched(host: Host, tmp_path: Path) -> None:
    before = host.sh(SNAPSHOT)
    status, said = host.validate(tmp_path, validation_only="cpuu")
    assert status == 2
    assert "unknown setup 'cpuu'" in said
    assert "Did you mean cpu?" in said
    assert host.sh(SNAPSHOT) == before


def test_a_second_run_is_refused_while_another_holds_the_lock(host: Host, tmp_path: Path) -> None:
    lock = {
        "schema": "hostproof.run_lock/1",
        "run_id": "other",
        "controller_id": "them",
        "since": "2026-11-24T10:00:00Z",
        "boot_id": host.sh("cat /proc/sys/kernel/random/boot_id").strip(),
        "session": None,
    }
    host.sh(f"sudo mkdir -p /run/hostproof; echo '{json.dumps(lock)}' | sudo tee /run/hostproof/run.lock")
    try:
        status, said = host.validate(tmp_path)
    finally:
        host.sh("sudo rm /run/hostproof/run.lock")
    assert status == 2
    assert "Another run is changing this host: run other of them" in said


def test_a_run_that_was_killed_is_tidied_up_after(host: Host, tmp_path: Path) -> None:
    """The controller is gone in the middle of measuring; what `./inv` does after Ctrl-C lets the host go."""
    host.sh("sudo systemctl stop llama-server")
    run = subprocess.Popen(
        host.command("validate.yml", validation_run_dir=str(tmp_path), hostproof_run_id="killed"),
        env=host.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=ROOT,
    )
    try:
        deadline = time.monotonic() + 120
        while host.sh("systemctl is-active hostproof-measure.service") != "active\n":
            assert run.poll() is None, "the run ended before it measured"
            assert time.monotonic() < deadline
            time.sleep(1)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    status, said = host.play("_interrupted.yml", hostproof_run_id="killed", hostproof_controller_id="")
    state = host.sh("systemctl is-active llama-server hostproof-measure.service; ls /run/hostproof")
    host.sh("sudo systemctl start llama-server")
    assert status == 0, said
    assert state == "inactive\ninactive\n", "the server rests again, no unit, no note, no lock"


def test_absent_takes_the_instrument_away_once(host: Host, tmp_path: Path) -> None:
    first = host.validate(tmp_path, validation_state="absent")
    second = host.validate(tmp_path, validation_state="absent")
    assert (first[0], second[0]) == (0, 0)
    assert "changed=0" not in first[1]
    assert "changed=0" in second[1]
    assert "hostproof.pyz" not in host.sh("ls -R /opt")
