"""Runs the tools that parts are made with: a child with a time limit, and uv with a throwaway venv."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import uv

from hostproof.errors import HostproofError

TAIL_LINES: Final = 12
PYTORCH_CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
WHERE_TORCH_IS: Final = (
    "Check that PyPI answers, and that torch's CPU wheel is in a folder named by UV_FIND_LINKS or "
    f"PIP_FIND_LINKS, or that {PYTORCH_CPU_INDEX} answers."
)


def run(argv: list[str], *, mend: str, seconds: int, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a command that succeeded, or an error that shows the last lines it said."""
    where = " ".join(argv)[:400]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError as error:
        raise HostproofError(f"{argv[0]} is not installed", where=where, mend=mend) from error
    except subprocess.TimeoutExpired as error:
        raise HostproofError(f"{argv[0]} did not end within {seconds} s", where=where, mend=mend) from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-TAIL_LINES:])
        raise HostproofError(
            f"{argv[0]} failed with status {done.returncode}:\n{said}\n", where=where, mend=mend
        )
    return done.stdout


def needs(*tools: str) -> None:
    """Each tool is the name of its Debian package too."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise HostproofError(
            f"not installed: {', '.join(missing)}",
            where="this machine",
            mend=f"Install it: apt-get install {' '.join(missing)}",
        )


def uv_run(*arguments: str, seconds: int) -> str:
    """uv does not read pip's settings, so pip's find-links is handed on to it."""
    links = find_links()
    extra = {"UV_FIND_LINKS": links} if links else {}
    return run([uv.find_uv_bin(), *arguments], seconds=seconds, env=extra, mend=WHERE_TORCH_IS)


def torch_backend() -> list[str]:
    """uv's way to PyTorch's CPU index, for torch alone; not needed where a local folder has the wheel."""
    return [] if find_links() else ["--torch-backend", "cpu"]


def find_links() -> str:
    """Folders with wheels, as uv wants them: commas between, where pip has spaces."""
    return os.environ.get("UV_FIND_LINKS") or ",".join(os.environ.get("PIP_FIND_LINKS", "").split())


@contextlib.contextmanager
def throwaway_venv(beside: Path, requirements: Path) -> Iterator[Path]:
    """A venv with exactly what the lock file says; gives its Python and takes it away again."""
    with tempfile.TemporaryDirectory(dir=beside, prefix=".venv-") as folder:
        uv_run("venv", "--quiet", "--python", sys.executable, folder, seconds=120)
        python = str(Path(folder) / "bin" / "python")
        target = ["--quiet", "--python", python, "--no-deps", *torch_backend()]
        uv_run("pip", "install", *target, "--requirements", str(requirements), seconds=1200)
        yield Path(python)
