"""nvidia.ko on disk, kernel by kernel, as modinfo tells it: the file may be compressed in ways that Python cannot read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping

SEARCHED = "/usr/sbin:/sbin:/usr/bin:/bin"
SECONDS = 30
LICENSES: Mapping[str, str] = {"Dual MIT/GPL": "open", "NVIDIA": "proprietary"}
"""MODULE_LICENSE of NVIDIA's two kinds of kernel modules."""


def ask(kernels: Iterable[str]) -> dict[str, dict[str, str]]:
    """By kernel: `version` and `license`, nothing where it has no module; `problem` where it could not be asked."""
    program = shutil.which("modinfo", path=SEARCHED)
    if not program:
        return {kernel: {"problem": "modinfo is not installed"} for kernel in kernels}
    return {kernel: _one(program, kernel) for kernel in kernels}


def _one(program: str, kernel: str) -> dict[str, str]:
    try:
        done = subprocess.run(
            [program, "-k", kernel, "nvidia"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"problem": f"modinfo does not answer: {error}"}
    # 1 is "not found", which is the answer.
    return parse(done.stdout) if done.returncode == 0 else {}


def parse(text: str) -> dict[str, str]:
    """`version:        580.95.05` and the licence, of many lines."""
    split = (line.partition(":") for line in text.splitlines())
    found = {key: value.strip() for key, _, value in split}
    return {key: found[key] for key in ("version", "license") if found.get(key)}
