"""Where the parts lie on the controller."""

import os
from pathlib import Path


def cache() -> Path:
    """The root of the cache: `HOSTPROOF_CACHE`, else `~/.cache/hostproof`."""
    chosen = os.environ.get("HOSTPROOF_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "hostproof"


def gemma_gguf() -> Path:
    return cache() / "gemma-gguf"


def gemma_safetensors() -> Path:
    return cache() / "gemma-safetensors"


def tiny_llama() -> Path:
    return cache() / "tiny-llama"


def llama_server_image_archive() -> Path:
    """What `llama_server_image_archive` points at in the lab."""
    return cache() / "llama-image" / "llama-server.tar"


def vllm_server_wheelhouse(python: str = "3.11") -> Path:
    """What `vllm_server_wheelhouse` points at. The plain name is for CPython 3.11, the lab host's."""
    return cache() / ("vllm-wheelhouse" if python == "3.11" else f"vllm-wheelhouse-{python}")
