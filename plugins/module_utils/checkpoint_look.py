"""Reads a checkpoint's folder as checkpoint.py wants it: config.json, the index, the beginning of every shard. No weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import checkpoint
from .checkpoint import CheckpointError, Files, Shard


def look(folder: Path) -> Files:
    """Raises CheckpointError, OSError."""
    config = _document(folder / "config.json")
    if config is None:
        raise CheckpointError("there is no config.json. Fetch the whole model, or name its folder.")
    return Files(
        config=config,
        quantisation=_document(folder / "hf_quant_config.json"),
        index=_document(folder / "model.safetensors.index.json"),
        shards=[_shard(path) for path in sorted(folder.glob("*.safetensors"))],
        code=[path.name for path in folder.glob("*.py")],
    )


def _document(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path.name} is no JSON ({error}). Fetch it again.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path.name} is no mapping. Fetch it again.")
    return found


def _shard(path: Path) -> Shard:
    """Its header alone."""
    with path.open("rb") as file:
        first = file.read(checkpoint.HEADER_LENGTH_BYTES)
        rest = file.read(checkpoint.header_length(first, path.name))
    return checkpoint.header(first + rest, path.name, path.stat().st_size)
