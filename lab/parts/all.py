"""Makes every part of the lab, one after the other: `python -m lab.parts.all`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from lab.parts import (
    command,
    gemma_gguf,
    gemma_safetensors,
    llama_image,
    part,
    tiny_llama,
    vllm_wheelhouse,
)
from lab.parts.part import Say

PARTS: Final = {
    "gemma_gguf": gemma_gguf.part,
    "llama_image": llama_image.part,
    "vllm_wheelhouse": vllm_wheelhouse.part,
    "gemma_safetensors": gemma_safetensors.part,  # from the GGUF, and torch is in uv's cache by now
    "tiny_llama": tiny_llama.part,
}


def build_all(progress: Say, names: Sequence[str] = tuple(PARTS)) -> None:
    """Makes what is missing, in the order of PARTS, after one look at the disk for all of it."""
    if unknown := sorted(set(names) - set(PARTS)):
        raise HostproofError(
            f"no such part: {', '.join(unknown)}",
            where="lab.parts.all",
            mend=f"There are: {', '.join(PARTS)}.",
        )
    wanted = [make() for name, make in PARTS.items() if name in names]
    part.check_space([one for one in wanted if not one.folder.exists()])
    for one in wanted:
        part.obtain(one, say=progress)


def main() -> int:
    try:
        build_all(command.say)
    except HostproofError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.status)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing half made is left, run it again\n")
        return int(ExitStatus.COULD_NOT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
