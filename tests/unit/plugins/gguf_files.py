"""GGUF files made from shapes alone: headers without weights, of real sizes."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hostproof.shared.ggml_types import BY_NAME, KINDS

NUMBERS = {kind.name: number for number, kind in KINDS.items()}
Shape = tuple[int, ...]
Listed = Sequence[tuple[str, str, Shape]]

IQUEST = {
    "block_count": 80,
    "embedding_length": 5120,
    "attention.head_count": 40,
    "attention.head_count_kv": 8,
    "attention.key_length": 128,
    "attention.value_length": 128,
}
"""IQuest-Coder-V1-40B is arch `llama` to llama.cpp (shared facts)."""
COMMAND_A = {
    "block_count": 64,
    "embedding_length": 12288,
    "attention.head_count": 96,
    "attention.head_count_kv": 8,
    "attention.key_length": 128,
    "attention.value_length": 128,
    "attention.sliding_window": 4096,
}
"""command-a-reasoning, 111B: arch `cohere2`, output tied to the embedding."""
MOE = {
    "block_count": 62,
    "embedding_length": 3072,
    "attention.head_count": 48,
    "attention.head_count_kv": 8,
    "attention.key_length": 128,
    "attention.value_length": 128,
    "expert_count": 256,
    "expert_used_count": 8,
}
"""229B with 10B active: arch `minimax-m2`."""


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(what: Any) -> bytes:
    if isinstance(what, bool):
        return struct.pack("<I?", 7, what)
    if isinstance(what, int):
        return struct.pack("<II", 4, what)
    if isinstance(what, float):
        return struct.pack("<If", 6, what)
    if isinstance(what, str):
        return struct.pack("<I", 8) + text(what)
    inner = [value(each) for each in what]
    kind = inner[0][:4] if inner else struct.pack("<I", 4)
    return struct.pack("<I", 9) + kind + struct.pack("<Q", len(inner)) + b"".join(one[4:] for one in inner)


def size(kind: str, shape: Shape) -> int:
    found = BY_NAME[kind.lower()]
    return math.prod(shape) // found.block * found.size_bytes


def header(architecture: str, about: Mapping[str, Any], tensors: Listed, **general: Any) -> bytes:
    """`about` under the architecture's name; `general` as it stands, dots written as two underscores."""
    pairs = {"general.architecture": architecture}
    pairs |= {f"{architecture}.{key}": each for key, each in about.items()}
    pairs |= {key.replace("__", "."): each for key, each in general.items()}
    out = io.BytesIO()
    out.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)))
    for key, each in pairs.items():
        out.write(text(key) + value(each))
    offset = 0
    for name, kind, shape in tensors:
        out.write(text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape))
        out.write(struct.pack("<IQ", NUMBERS[kind], offset))
        offset += -(-size(kind, shape) // 32) * 32
    return out.getvalue()


def dense(
    about: Mapping[str, Any], inner: int, vocabulary: int, kind: str, *, tied: bool = False
) -> list[Any]:
    """A llama's tensors, all of one type."""
    hidden = about["embedding_length"]
    found = [("token_embd.weight", kind, (hidden, vocabulary)), ("output_norm.weight", "F32", (hidden,))]
    found += [] if tied else [("output.weight", kind, (hidden, vocabulary))]
    for layer in range(about["block_count"]):
        found += attention(about, layer, kind)
        found += [(f"blk.{layer}.ffn_{name}.weight", kind, (hidden, inner)) for name in ("gate", "up")]
        found += [(f"blk.{layer}.ffn_down.weight", kind, (inner, hidden))]
    return found


def attention(about: Mapping[str, Any], layer: int, kind: str) -> Iterator[tuple[str, str, Shape]]:
    hidden, head = about["embedding_length"], about["attention.key_length"]
    asking, kept = about["attention.head_count"] * head, about["attention.head_count_kv"] * head
    yield f"blk.{layer}.attn_norm.weight", "F32", (hidden,)
    yield f"blk.{layer}.attn_q.weight", kind, (hidden, asking)
    yield f"blk.{layer}.attn_k.weight", kind, (hidden, kept)
    yield f"blk.{layer}.attn_v.weight", kind, (hidden, kept)
    yield f"blk.{layer}.attn_output.weight", kind, (asking, hidden)


def experts(about: Mapping[str, Any], inner: int, vocabulary: int, kind: str) -> list[Any]:
    hidden, count = about["embedding_length"], about["expert_count"]
    found = [("token_embd.weight", kind, (hidden, vocabulary)), ("output.weight", kind, (hidden, vocabulary))]
    for layer in range(about["block_count"]):
        found += attention(about, layer, kind)
        found += [(f"blk.{layer}.ffn_gate_inp.weight", "F32", (hidden, count))]
        found += [(f"blk.{layer}.ffn_{n}_exps.weight", kind, (hidden, inner, count)) for n in ("gate", "up")]
        found += [(f"blk.{layer}.ffn_down_exps.weight", kind, (inner, hidden, count))]
    return found


def q5_k_m(tensors: Listed, layers: int) -> list[Any]:
    """As llama-quantize mixes it: Q6_K for the output, and for values and ffn_down of half of the layers."""
    return [(name, _mixed(name, layers) if len(shape) > 1 else kind, shape) for name, kind, shape in tensors]


def _mixed(name: str, layers: int) -> str:
    if name == "output.weight":
        return "Q6_K"
    if not name.endswith(("attn_v.weight", "ffn_down.weight")):
        return "Q5_K"
    layer, eighth = int(name.split(".")[1]), layers // 8
    return "Q6_K" if layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2 else "Q5_K"
