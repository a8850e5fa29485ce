"""What a token costs, from a model's own header: bytes of weights and of cache, multiplications. Pure.

Of GGUF here, of safetensors from what checkpoint.py has read. Left out: activations, norms' arithmetic, what is written (all together
below 1 % of a dense model). A generated token reads every weight once, but of an embedding beside an output matrix one row; of experts
those that are used; of a model that runs its layers several times, as often. A prompt token is multiplied with all of them but the
output matrix, which the last one alone needs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .checkpoint import Checkpoint
from .gguf import Gguf, GgufError, Tensor

ROWS: Final = re.compile(r"^(token_embd|per_layer_token_embd|position_embd|token_types)\.weight$")
"""Tables of which a token looks a row up."""
HEAD: Final = "output.weight"
EMBEDDING: Final = "token_embd.weight"
_BLOCK = re.compile(r"^blk\.(\d+)\.")
_EXPERTS = re.compile(r"_exps\.")

WINDOW_PERIODS: Final[Mapping[str, int]] = {
    "afmoe": 4, "cohere2": 4, "exaone-moe": 4, "exaone4": 4, "gemma2": 2, "gemma3": 6, "gpt-oss": 2,
}  # fmt: skip
"""Architecture → of so many layers all but the last have the window, where the file has no `sliding_window_pattern`: as llama.cpp
sets it (src/models/*.cpp, `set_swa_pattern`). Of any other the window is left out, which counts too many bytes, never too few."""


@dataclass(frozen=True)
class Cache:
    """Layers that keep the same for each token."""

    layers: int
    elements: int
    """Of keys and values, for each token and layer."""
    multiplied: int
    """For each earlier token and layer: scores and values over all heads."""
    window: int = 0
    """Tokens that are kept; 0: all."""


@dataclass(frozen=True)
class Costs:
    architecture: str
    parameters: int
    weights_bytes: int
    """All tensors."""
    read_bytes: int
    """Of weights, for one generated token at batch 1."""
    multiplied: int
    """Weights that a prompt token is multiplied with: twice that is its FLOP, attention left out."""
    head: int
    """Weights of the output matrix: a generated token is multiplied with them too."""
    caches: tuple[Cache, ...]
    passes: int = 1
    experts_used: int = 0
    experts: int = 0
    read_by_type: Mapping[str, int] = field(default_factory=dict)
    """Type of tensor → its share of `read_bytes`; empty where it was not counted."""

    @property
    def main_type(self) -> str:
        """In which most of the bytes are read; empty: not counted."""
        return max(self.read_by_type, key=lambda name: self.read_by_type[name], default="")


def of_checkpoint(found: Checkpoint) -> Costs:
    layers = found.layers
    width = 2 * layers.kv_heads * layers.head_size
    worked = 2 * layers.heads * layers.head_size
    caches = (
        Cache(layers.full, width, worked),
        *([Cache(layers.sliding, width, worked, layers.window)] if layers.sliding else []),
    )
    return Costs(
        architecture=found.architecture,
        parameters=found.parameters,
        weights_bytes=found.weights_bytes,
        read_bytes=found.read_bytes_per_token,
        multiplied=found.multiplied,
        head=found.head,
        caches=caches,
        passes=found.passes,
        experts_used=found.experts_used,
        experts=found.experts,
    )


def of_gguf(found: Gguf, name: str) -> Costs:
    """Raises GgufError if the metadata does not describe a decoder."""
    about = _About(found.metadata, name)
    used, experts = about.number("expert_used_count", 0), about.number("expert_count", 0)
    share = used / experts if used and experts else 1.0
    passes = max(1, about.number("loop_num", 1))
    served = about.number("block_count") - about.number("nextn_predict_layers", 0)
    tied = not any(tensor.name == HEAD for tensor in found.tensors)
    read: Counter[str] = Counter()
    multiplied = 0.0
    for tensor in found.tensors:
        block = _BLOCK.match(tensor.name)
        if block and int(block[1]) >= served:
            continue  # predicts further tokens, and is left out unless speculation is asked for
        times = (passes if block else 1) * (share if _EXPERTS.search(tensor.name) else 1.0)
        read[tensor.kind.name] += round(_read(tensor, tied=tied) * times)
        if block and len(tensor.shape) > 1 and tensor.name.endswith(".weight"):
            multiplied += tensor.elements * times
    return Costs(
        architecture=about.architecture,
        parameters=sum(tensor.elements for tensor in found.tensors),
        weights_bytes=sum(tensor.size_bytes for tensor in found.tensors),
        read_bytes=sum(read.values()),
        multiplied=round(multiplied),
        head=sum(t.elements for t in found.tensors if t.name == (EMBEDDING if tied else HEAD)),
        caches=tuple(_caches(about, served, passes)),
        passes=passes,
        experts_used=used,
        experts=experts,
        read_by_type=dict(read),
    )


def _read(tensor: Tensor, *, tied: bool) -> float:
    """A tied embedding is the output matrix as well, so all of it is read."""
    if ROWS.match(tensor.name) and not (tied and tensor.name == EMBEDDING):
        rows = tensor.shape[1] if len(tensor.shape) > 1 else 1
        return tensor.size_bytes / max(1, rows)
    return tensor.size_bytes


@dataclass(frozen=True)
class _About:
    """Metadata under the architecture's name."""

    metadata: Mapping[str, object]
    name: str

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def get(self, key: str) -> object:
        return self.metadata.get(f"{self.architecture}.{key}")

    def number(self, key: str, otherwise: int | None = None) -> int:
        value = self.get(key)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, int) or isinstance(value, bool) or value < (otherwise is None):
            raise self.unusable(key, value)
        return value

    def each(self, key: str, count: int, otherwise: int | None = None) -> list[int]:
        """A number for every layer, or one for all."""
        value = self.get(key)
        if isinstance(value, list):
            if len(value) < count or not all(isinstance(one, int) and one >= 0 for one in value):
                raise self.unusable(key, value)
            return [int(one) for one in value[:count]]
        return [self.number(key, otherwise)] * count

    def unusable(self, key: str, value: object) -> GgufError:
        return GgufError(
            f"{self.name} has no usable {self.architecture or 'general.architecture'}.{key} ({value!r}): "
            "that is no decoder that can be served. Fetch it again, or convert it with a current llama.cpp."
        )


def _caches(about: _About, layers: int, passes: int) -> Iterator[Cache]:
    heads = about.each("attention.head_count", layers)
    kv_heads = about.each("attention.head_count_kv", layers, heads[0] if heads else 0)
    size = about.number("embedding_length") // max(1, *heads) if heads else 0
    key = about.number("attention.key_length", size)
    value = about.number("attention.value_length", size)
    latent = about.get("attention.key_length_mla") is not None
    windows = _windows(about, layers)
    interval = about.number("full_attention_interval", 0)
    groups: Counter[tuple[int, int, int]] = Counter()
    for layer in range(layers):
        if not kv_heads[layer] or (interval and (layer + 1) % interval):
            continue  # linear attention: its state does not grow with the tokens
        # A latent cache (MLA) holds what keys and values are both made of, once.
        kept = key if latent else kv_heads[layer] * (key + value)
        groups[kept, heads[layer] * (key + value), windows[layer]] += 1
    for (kept, worked, window), count in groups.items():
        yield Cache(count, kept, worked, window)
        if passes > 1:  # each later pass keeps a window beside the first one's tokens
            yield Cache(count * (passes - 1), kept, worked, about.number("loop_window_size", 0) or window)


def _windows(about: _About, layers: int) -> list[int]:
    """Of each layer; 0: it keeps all tokens."""
    window = about.number("attention.sliding_window", 0)
    pattern = about.get("attention.sliding_window_pattern")
    if isinstance(pattern, list) and window:
        return [window if each else 0 for each in (*pattern, *[0] * layers)[:layers]]
    period = pattern if isinstance(pattern, int) else WINDOW_PERIODS.get(about.architecture, 0)
    if not window or not period:
        return [0] * layers
    return [0 if layer % period == period - 1 else window for layer in range(layers)]
