"""Checkpoints of real sizes, made from shapes alone: headers without weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hostproof.shared import checkpoint
from hostproof.shared.checkpoint import Files, Shard

SEED: dict[str, Any] = {
    "architectures": ["IQuestCoderForCausalLM"],
    "model_type": "iquestcoder",
    "auto_map": {"AutoConfig": "configuration_iquestcoder.IQuestCoderConfig"},
    "num_hidden_layers": 80,
    "hidden_size": 5120,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 27648,
    "vocab_size": 76800,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
"""Of IQuestLab/IQuest-Coder-V1-40B-Base (shared facts)."""
MODELOPT: dict[str, Any] = {
    "quant_method": "modelopt",
    "quant_algo": "NVFP4",
    "group_size": 16,
    "ignore": ["lm_head"],
    "kv_cache_scheme": None,
}
COMPRESSED: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "nvfp4-pack-quantized",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16},
            "input_activations": {
                "num_bits": 4,
                "type": "float",
                "strategy": "tensor_group",
                "group_size": 16,
            },
        }
    },
}
BYTES = checkpoint.DTYPE_BYTES


def linears(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Name → out, in."""
    hidden, size = config["hidden_size"], config["head_dim"]
    kv, inner = config["num_key_value_heads"] * size, config["intermediate_size"]
    heads = config["num_attention_heads"] * size
    one = {
        "self_attn.q_proj": (heads, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, heads),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    layers = range(config["num_hidden_layers"])
    return {f"model.layers.{n}.{name}": shape for n in layers for name, shape in one.items()}


def plain(config: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What stays in 16 bits: embedding, norms, head."""
    vocabulary, hidden = config["vocab_size"], config["hidden_size"]
    found: dict[str, tuple[str, tuple[int, ...]]] = {
        "model.embed_tokens.weight": ("BF16", (vocabulary, hidden)),
        "model.norm.weight": ("BF16", (hidden,)),
    }
    for n in range(config["num_hidden_layers"]):
        found[f"model.layers.{n}.input_layernorm.weight"] = ("BF16", (hidden,))
    if not config.get("tie_word_embeddings"):
        found["lm_head.weight"] = ("BF16", (vocabulary, hidden))
    return found


def nvfp4(config: Mapping[str, Any], weight: str = "weight") -> dict[str, tuple[str, tuple[int, ...]]]:
    """As ModelOpt stores it; with `weight_packed` as compressed-tensors does."""
    found = plain(config)
    for name, (out, into) in linears(config).items():
        found[f"{name}.{weight}"] = ("U8", (out, into // 2))
        found[f"{name}.weight_scale"] = ("F8_E4M3", (out, into // 16))
        found[f"{name}.weight_scale_2"] = ("F32", ())
        found[f"{name}.input_scale"] = ("F32", ())
    return found


def bf16(config: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {**plain(config), **{f"{name}.weight": ("BF16", shape) for name, shape in linears(config).items()}}


def head(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> tuple[bytes, int]:
    """The beginning of a file, and how long the whole would be."""
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = int(math.prod(shape) * BYTES[dtype])
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(table).encode()
    data = len(text).to_bytes(8, "little") + text
    return data, len(data) + at


def shard(tensors: Mapping[str, tuple[str, tuple[int, ...]]], name: str = "model.safetensors") -> Shard:
    data, whole = head(tensors)
    return checkpoint.header(data, name, whole)


def files(config: Mapping[str, Any], *shards: Shard, **more: Any) -> Files:
    return Files(**{"config": config, "quantisation": None, "index": None, "shards": shards, **more})


def seed(**quantisation: Any) -> Files:
    """The seed's model in NVFP4."""
    return files({**SEED, "quantization_config": {**MODELOPT, **quantisation}}, shard(nvfp4(SEED)))


def write(folder: Path, found: Mapping[str, tuple[str, tuple[int, ...]]], config: Mapping[str, Any]) -> None:
    """On a disk, with a hole in place of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    data, whole = head(found)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(data)
        file.truncate(whole)
