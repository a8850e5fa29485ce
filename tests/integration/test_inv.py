"""The wrapper `inv` in a small checkout: its lock file names one package from a local folder, no network is used.

A stand-in for `hostproof.play` prints where it runs and with what, and waits or exits as it is told.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 120
NEEDED = [
    "bash",
    "cat",
    "dirname",
    "env",
    "flock",
    "grep",
    "id",
    "ln",
    "mkdir",
    "mv",
    "printf",
    "readlink",
    "realpath",
    "rm",
    "sha256sum",
    "sleep",
    "tail",
    "touch",
]
STAND_IN = """
import os, pathlib, sys, time
print("ran", *sys.argv[1:], "in", os.getcwd(), flush=True)
if "hold" in sys.argv:
    pathlib.Path(os.environ["HELD"]).touch()
    while pathlib.Path(os.environ["HELD"]).exists():
        time.sleep(0.05)
raise SystemExit(7 if "fail" in sys.argv else 0)
"""


def wheel(folder: Path, version: str = "1.0") -> str:
    """A wheel with nothing in it; returns its line of a lock file."""
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    path = folder / f"tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return f"tiny=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@dataclass
class Copy:
    """A checkout with nothing but `inv` and its lock file. Its PATH has Python, and no uv."""

    root: Path
    wheels: Path
    programs: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def inv(self) -> Path:
        return self.root / "inv"

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / ".hostproof-stamp"

    def lock(self, version: str) -> None:
        (self.root / "requirements.lock").write_text(wheel(self.wheels, version))

    def env(self, **more: str) -> dict[str, str]:
        index = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        uv = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_FIND_LINKS": str(self.wheels), "UV_NO_CACHE": "1"}
        return {"PATH": str(self.programs), "HOME": str(self.root), **index, **uv, **self.extra, **more}

    def start(self, *words: str, program: Path | None = None, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [program or self.inv, *words],
            env=self.env(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *words: str, cwd: Path | None = None, program: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program or self.inv, *words],
            cwd=cwd,
            env=self.env(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def small_checkout(tmp_path: Path) -> Copy:
    made = Copy(tmp_path / "a checkout", tmp_path / "wheels", tmp_path / "programs")
    for folder in (made.root, made.wheels, made.programs):
        folder.mkdir()
    shutil.copy2(ROOT / "inv", made.inv)
    stand_in = made.root / "hostproof" / "play" / "__main__.py"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text(STAND_IN)
    for name in NEEDED:
        found = shutil.which(name, path="/usr/bin:/bin")
        if found:
            (made.programs / name).symlink_to(found)
    program(made.programs, "python3", f'exec "{Path(sys.base_prefix) / "bin" / "python3"}" "$@"')
    made.lock("1.0")
    return made


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return small_checkout(tmp_path)


def set_up(copy: Copy) -> Copy:
    done = copy.run("--list")
    assert done.returncode == 0, done.stderr
    return copy


@pytest.fixture
def whole(copy: Copy) -> Copy:
    """A checkout with its environment, for a test that makes it stale."""
    return set_up(copy)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The same for tests that leave it as it is."""
    return set_up(small_checkout(tmp_path_factory.mktemp("ready")))


def until(path: Path, *, there: bool = True) -> None:
    deadline = time.monotonic() + SECONDS
    while path.exists() is not there:
        assert time.monotonic() < deadline, f"{path} did not {'come' if there else 'go'}"
        time.sleep(0.05)


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_a_first_run_says_one_line_and_runs_the_task(copy: Copy) -> None:
    # A package index that is not there makes pip warn: its output is of interest only when it fails.
    nowhere = f"{copy.wheels} {copy.root / 'nowhere'}"
    done = copy.run("provision", "--host", "a b", cwd=Path("/"), PIP_FIND_LINKS=nowhere)
    assert (done.returncode, done.stdout) == (
        0,
        f"ran --search-root {copy.root} provision --host a b in /\n",
    )
    assert len(lines(done.stderr)) == 1
    assert done.stderr.startswith("inv: making .venv with pip (Python 3.")


def test_a_second_run_says_nothing_and_passes_the_status_on(ready: Copy) -> None:
    before = ready.stamp.stat().st_mtime_ns
    done = ready.run("fail")
    assert (done.returncode, done.stderr) == (7, "")
    assert ready.stamp.stat().st_mtime_ns == before


def test_it_works_through_a_symlink_from_another_folder(ready: Copy, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "hp"
    link.parent.mkdir()
    link.symlink_to(os.path.relpath(ready.inv, link.parent))
    done = ready.run("plan", cwd=tmp_path, program=link)
    assert (done.returncode, done.stdout) == (0, f"ran --search-root {ready.root} plan in {tmp_path}\n")


def test_a_file_in_the_current_folder_is_no_module(ready: Copy, tmp_path: Path) -> None:
    (tmp_path / "hostproof.py").write_text("raise SystemExit('the wrong one')\n")
    assert ready.run("plan", cwd=tmp_path).returncode == 0


def test_a_changed_lock_file_makes_it_anew_also_from_the_activated_environment(whole: Copy) -> None:
    whole.lock("2.0")
    active = f"{whole.root}/.venv/bin:{whole.programs}"
    done = whole.run("plan", PATH=active, VIRTUAL_ENV=f"{whole.root}/.venv")
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stderr
    assert list((whole.root / ".venv").glob("lib/python3*/site-packages/tiny-2.0.dist-info"))


def test_a_checkout_that_moved_makes_it_anew(whole: Copy, tmp_path: Path) -> None:
    whole.root = whole.root.rename(tmp_path / "moved")
    done = whole.run("plan")
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stderr


def test_without_a_task_the_tasks_are_listed(ready: Copy) -> None:
    assert ready.run().stdout.startswith(f"ran --search-root {ready.root} --list in ")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_an_interrupted_set_up_is_never_taken_for_whole(copy: Copy, name: str) -> None:
    running = copy.start("--list")
    until(copy.root / ".venv" / "bin" / "python")
    os.killpg(running.pid, signal.Signals[name])
    out, _ = running.communicate(timeout=SECONDS)
    assert running.returncode != 0
    assert out == ""
    assert not copy.stamp.exists()
    done = copy.run("plan")
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stderr


def test_two_first_runs_at_once_make_one_environment(copy: Copy) -> None:
    pair = [copy.start("plan"), copy.start("plan")]
    said = [one.communicate(timeout=SECONDS)[1] for one in pair]
    assert [one.returncode for one in pair] == [0, 0], said
    assert "".join(said).count("making .venv") == 1


@pytest.fixture
def held(whole: Copy, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run that lasts until its file goes."""
    flag = tmp_path / "held"
    running = whole.start("hold", HELD=str(flag))
    until(flag)
    yield running, flag
    flag.unlink(missing_ok=True)
    running.communicate(timeout=SECONDS)


def test_an_environment_is_not_pulled_away_under_a_run(
    whole: Copy, held: tuple[subprocess.Popen[str], Path]
) -> None:
    running, flag = held
    before = whole.stamp.read_text()
    whole.lock("2.0")
    second = whole.start("plan")
    assert second.stderr is not None
    assert second.stderr.readline() == "inv: waiting for another ./inv that uses or makes .venv\n"
    assert whole.stamp.read_text() == before
    flag.unlink()
    assert second.communicate(timeout=SECONDS)[0].startswith("ran ")
    assert (second.returncode, running.wait(timeout=SECONDS)) == (0, 0)
    assert whole.stamp.read_text() != before


def test_runs_do_not_wait_for_each_other(whole: Copy, held: tuple[subprocess.Popen[str], Path]) -> None:
    assert whole.run("plan").stderr == ""
    assert held[0].poll() is None


def test_no_network_is_one_sentence_with_its_mend(copy: Copy) -> None:
    nowhere = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    done = copy.run("plan", **nowhere, PIP_RETRIES="0")
    assert done.returncode == 1
    last = lines(done.stderr)[-1]
    assert last.startswith("inv: requirements.lock could not be installed: no package index answers")
    assert "PIP_INDEX_URL" in last
    assert not copy.stamp.exists()


def test_a_wrong_hash_is_shown_and_refused(copy: Copy) -> None:
    (copy.root / "requirements.lock").write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    done = copy.run("plan")
    assert done.returncode == 1
    assert "HASHES" in done.stderr
    assert lines(done.stderr)[-1].startswith("inv: pip could not install requirements.lock. Mend: ")
    assert done.stdout == ""


def test_uv_is_used_where_it_is(copy: Copy) -> None:
    uv = Path(sys.prefix) / "bin" / "uv"
    if not uv.exists():
        pytest.skip("this environment has no uv")
    (copy.programs / "uv").symlink_to(uv)
    done = copy.run("plan")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("inv: making .venv with uv (Python 3.")
    assert len(lines(done.stderr)) == 1


def test_a_shim_that_answers_for_nothing_is_passed_over(copy: Copy, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    program(shims, "python3", "echo 'not installed' >&2; exit 127")
    done = copy.run("plan", PATH=f"{shims}:{copy.programs}")
    assert done.returncode == 0, done.stderr
    assert len(lines(done.stderr)) == 1


def test_no_python_is_one_sentence_with_its_mend(copy: Copy) -> None:
    (copy.programs / "python3").unlink()
    done = copy.run("provision", "--host", "demo")
    assert done.returncode == 1
    assert done.stderr == (
        "inv: no Python 3.11, 3.12 or 3.13 found (or set HOSTPROOF_PYTHON). "
        "Mend: sudo apt-get install python3 python3-venv\n"
    )


def fresh_machine(copy: Copy, install: str) -> Path:
    """No Python, and an apt-get that writes down what it was asked, and does `install`."""
    asked = copy.root.parent / "asked"
    (copy.programs / "python3").rename(copy.programs / "kept")
    program(copy.programs, "apt-get", f'echo "$@" >>"{asked}"; case "$*" in *" install "*) {install} ;; esac')
    program(copy.programs, "id", "echo 0")
    return asked


def test_a_fresh_machine_gets_its_python(copy: Copy) -> None:
    asked = fresh_machine(copy, f'mv "{copy.programs}/kept" "{copy.programs}/python3"')
    done = copy.run("demo")
    assert done.returncode == 0, done.stderr
    assert [line.rpartition("120 ")[2] for line in lines(asked.read_text())] == [
        "update",
        "install --yes python3 python3-venv",
    ]


@pytest.mark.parametrize(
    ("words", "installs"),
    [
        (("demo",), True),
        (("--no-dedupe", "test", "--stage", "unit"), True),
        (("provision", "--yes"), True),
        (("provision", "--host", "test"), False),
        ((), False),
    ],
)
def test_only_demo_and_test_and_yes_install(copy: Copy, words: tuple[str, ...], installs: bool) -> None:
    asked = fresh_machine(copy, "echo 'E: Unable to locate package'; exit 100")
    done = copy.run(*words)
    assert done.returncode == 1
    assert asked.exists() is installs
    assert ("E: Unable to locate package" in done.stderr) is installs
    assert lines(done.stderr)[-1].endswith("Mend: sudo apt-get install python3 python3-venv")


def test_a_python_that_does_not_fit_is_refused(copy: Copy) -> None:
    old = program(copy.programs, "old", "exit 1")
    done = copy.run("plan", HOSTPROOF_PYTHON=str(old))
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"inv: HOSTPROOF_PYTHON={old} is no Python 3.11, 3.12 or 3.13 that runs. Mend: "
    )


def test_another_place_for_the_environment(copy: Copy, tmp_path: Path) -> None:
    done = copy.run("plan", HOSTPROOF_VENV=str(tmp_path / "deep" / "env"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deep" / "env" / ".hostproof-stamp").is_file()
    assert not (copy.root / ".venv").exists()


def test_the_collection_link_leads_to_the_checkout(ready: Copy) -> None:
    link = ready.root / ".collections" / "ansible_collections" / "hostproof" / "core"
    assert link.samefile(ready.root)
    link.unlink()
    link.symlink_to("../..")
    assert ready.run("plan").returncode == 0
    assert link.samefile(ready.root)
    assert [path.name for path in link.parent.iterdir()] == ["core"]


def test_something_in_the_collection_links_place_is_left_alone(whole: Copy) -> None:
    link = whole.root / ".collections" / "ansible_collections" / "hostproof" / "core"
    link.unlink()
    link.mkdir()
    (link / "galaxy.yml").write_text("mine\n")
    done = whole.run("plan")
    assert done.returncode == 1
    assert done.stderr == f"inv: {link} is in the way of the link to this checkout. Mend: move it away.\n"
    assert [path.name for path in link.iterdir()] == ["galaxy.yml"]
