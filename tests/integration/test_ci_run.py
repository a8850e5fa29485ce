"""`.ci/run` around a stand-in for `./inv`: what it says last, what it exits with, what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 60
INV = """#!/usr/bin/env bash
echo "$HOSTPROOF_PYTHON $*" >>calls
echo "unit: == 3 passed in 0.10s =="
echo "tests: $(wc -l <calls) passed in 0.10s"
echo "failed or not."
exit "$(cat status)"
"""
LAB = """#!/usr/bin/env bash
# `python -m lab status`, and `down` that writes down whom it took away.
case "$3" in
  status) sed 's/$/\\trunning\\t1/' hosts ;;
  down) echo "$5" >>gone ;;
esac
"""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    (root / ".ci").mkdir(parents=True)
    shutil.copy2(ROOT / ".ci" / "run", root / ".ci" / "run")
    script(root / "inv", INV)
    (root / "status").write_text("0\n")
    programs = tmp_path / "programs"
    for version in ("3.11", "3.12"):
        script(
            programs / f"python{version}",
            f"#!/bin/sh\n# As asked by .ci/run: where it is, and whether it is {version}.\necho /py/{version}\n",
        )
    # A container runs, so this machine's own settings are left alone.
    script(programs / "podman", "#!/bin/sh\necho 0123456789ab\n")
    return root


def env(checkout: Path) -> dict[str, str]:
    temporary = checkout.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    path = f"{checkout.parent / 'programs'}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(checkout), "CI": "true", "TMPDIR": str(temporary)}


def run(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / ".ci" / "run"],
        cwd="/",
        env=env(checkout),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_all_on_one_python_and_the_quick_tests_on_another(checkout: Path) -> None:
    done = run(checkout)
    assert done.returncode == 0, done.stderr
    assert (checkout / "calls").read_text().splitlines() == [
        "/py/3.11 test",
        "/py/3.12 test --stage unit,molecule",
    ]
    said = done.stdout.splitlines()
    assert said[-1] == "1 passed in 0.10s", "the count of the first run"
    assert "ci: Python 3.12: 2 passed in 0.10s" in said
    assert list((checkout.parent / "tmp").iterdir()) == []


def test_a_failed_stage_fails_it_and_the_count_is_still_last(checkout: Path) -> None:
    (checkout / "status").write_text("1\n")
    done = run(checkout)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == [
        "ci: failed: ./inv test ./inv test on Python 3.12",
        "1 passed in 0.10s",
    ]


def test_only_the_hosts_that_it_brought_up_go(checkout: Path) -> None:
    script(checkout / ".venv" / "bin" / "python", LAB)
    (checkout / "hosts").write_text("mine\nwork\n")
    script(checkout / "inv", INV.replace("echo", "printf 'e2e\\n' >>hosts; echo", 1))
    assert run(checkout).returncode == 0
    assert set((checkout / "gone").read_text().split()) == {"e2e"}


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_all_of_it(checkout: Path, sent: signal.Signals, status: int) -> None:
    script(checkout / "inv", "#!/usr/bin/env bash\nsleep 100 & echo $! >child; wait\n")
    with subprocess.Popen(
        [checkout / ".ci" / "run"],
        env=env(checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as running:
        child = checkout / "child"
        deadline = time.monotonic() + SECONDS
        while not (child.exists() and child.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(running.pid, sent)
        running.communicate(timeout=SECONDS)
    assert running.returncode == status
    pid = int(child.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert list((checkout.parent / "tmp").iterdir()) == []


def test_ip_forwarding_is_put_back_when_no_container_needs_it(checkout: Path) -> None:
    """In a network namespace of its own, which has its own setting."""
    own = ["unshare", "--net"]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root may make a network namespace")
    script(checkout / "inv", INV.replace("echo", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo", 1))
    look = (
        f"echo 0 >/proc/sys/net/ipv4/ip_forward; '{checkout}/.ci/run' >&2; cat /proc/sys/net/ipv4/ip_forward"
    )

    def after() -> str:
        done = subprocess.run(
            [*own, "sh", "-c", look],
            env=env(checkout),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        return done.stdout.strip()

    assert after() == "1", "a container runs"
    script(checkout.parent / "programs" / "podman", "#!/bin/sh\n")
    assert after() == "0"
