"""A tiny Llama in safetensors that answers ` OK.` to everything, for tests that want vLLM without a download.

Standard library only, made in a second. The layers are real and full of random numbers, too small to matter;
the answer is laid into the embedding: the last token alone decides the next one
(`:` → space → O → K → . → <eos>).
"""

from __future__ import annotations

import json
import random
import struct
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lab.parts import command, paths
from lab.parts.part import Part, Say, recipe_of

HIDDEN: Final = 128
MLP: Final = 256
LAYERS: Final = 2
HEADS: Final = 4
HEAD: Final = HIDDEN // HEADS
KV_HEADS: Final = 2
CONTEXT: Final = 8192
SEED: Final = 20261124
SPECIAL: Final = ("<pad>", "<bos>", "<eos>")
PAD, BOS, EOS = range(3)
LOUD: Final = 4.0  # the answer's own dimension in embedding and head, far above the noise
NOISE: Final = 0.02
PINNED: Final = {
    "chat_template.jinja": "6a6c978459df478ada5eab1a63a225922b2c6c705bc3812bfedaf65ccea7c7b6",
    "config.json": "fb9053d702f5296c078e73198c7ff98d2ef2b880656c4e13264e9d97e89d1a98",
    "generation_config.json": "7b673c215497398bb3980f15d75391d3bf8be9cc7cc9bf9a6b4e155c611d66df",
    "model.safetensors": "90471ec0eee455d3aad8185398ac4073e48ac5fc40743cb59ebeed254fdc7da5",
    "tokenizer.json": "467395e9fd946afdab9cc8d0819f1a5985d855bc23062f96da1f8a35d1c984ee",
    "tokenizer_config.json": "5355d305a70e4b38c06d5689b516a42375bab1ef33db18f2366e8229841d912f",
}
CHAT_TEMPLATE: Final = (
    "{{- bos_token -}}{%- for message in messages -%}{{- message.role + ': ' + message.content + '\\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- 'assistant:' -}}{%- endif -%}"
)


def part() -> Part:
    return Part(
        folder=paths.tiny_llama(),
        title="tiny Llama",
        takes="a second, nothing to fetch",
        needs_bytes=20_000_000,
        recipe=recipe_of(Path(__file__)),
        make=make,
        pinned=PINNED,
    )


def make(work: Path, say: Say) -> Mapping[str, str]:
    del say  # one short step
    documents = {
        "config.json": _config(),
        "generation_config.json": {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD},
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "model_max_length": CONTEXT,
        },
    }
    for name, document in documents.items():
        (work / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (work / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    (work / "model.safetensors").write_bytes(_safetensors(_weights(random.Random(SEED))))
    return {}


def vocabulary() -> dict[str, int]:
    """Three special tokens and one token a byte, each byte under the printable sign that GPT-2 gave it."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    signs = [chr(byte if byte in printable else next(spare)) for byte in range(256)]
    return {sign: number for number, sign in enumerate((*SPECIAL, *signs))}


def token(byte: str) -> int:
    return len(SPECIAL) + ord(byte)


def successor(number: int) -> int:
    """What follows a token."""
    chain = {token(" "): token("O"), token("O"): token("K"), token("K"): token("."), token("."): EOS}
    return chain.get(number, token(" "))


def _config() -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": len(vocabulary()),
        "hidden_size": HIDDEN,
        "intermediate_size": MLP,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
    }


def _tokenizer() -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bos, text = {"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": name, **flags} for number, name in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": bytes_,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, text],
            "pair": [bos, text, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [BOS], "tokens": ["<bos>"]}},
        },
        "decoder": bytes_,
        "model": {"type": "BPE", "vocab": vocabulary(), "merges": []},
    }


Tensor = tuple[tuple[int, ...], list[float]]


def _weights(dice: random.Random) -> dict[str, Tensor]:
    def noise(*shape: int) -> Tensor:
        count = shape[0] * shape[1]
        return shape, [dice.uniform(-NOISE, NOISE) for _ in range(count)]

    def ones() -> Tensor:
        return (HIDDEN,), [1.0] * HIDDEN

    size, kv = len(vocabulary()), KV_HEADS * HEAD
    weights = {"model.embed_tokens.weight": noise(size, HIDDEN), "lm_head.weight": noise(size, HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        weights |= {f"{at}.{norm}_layernorm.weight": ones() for norm in ("input", "post_attention")}
        weights |= {f"{at}.mlp.{name}_proj.weight": noise(MLP, HIDDEN) for name in ("gate", "up")}
        weights[f"{at}.mlp.down_proj.weight"] = noise(HIDDEN, MLP)
        weights |= {f"{at}.self_attn.{name}_proj.weight": noise(HIDDEN, HIDDEN) for name in "qo"}
        weights |= {f"{at}.self_attn.{name}_proj.weight": noise(kv, HIDDEN) for name in "kv"}
    weights["model.norm.weight"] = ones()
    _lay_in_the_answer(weights["model.embed_tokens.weight"][1], weights["lm_head.weight"][1], size)
    return weights


def _lay_in_the_answer(embedding: list[float], head: list[float], size: int) -> None:
    answers = sorted({successor(number) for number in range(size)})
    for number in range(size):
        embedding[number * HIDDEN + answers.index(successor(number))] = LOUD
    for dimension, answer in enumerate(answers):
        head[answer * HIDDEN + dimension] = LOUD


def _safetensors(weights: Mapping[str, Tensor]) -> bytes:
    """The length of a JSON header, the header, the numbers. bfloat16 is the upper half of float32."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    blocks: list[bytes] = []
    offset = 0
    for name, (shape, values) in sorted(weights.items()):
        raw = array("H", struct.pack(f"<{len(values)}f", *values))[1::2].tobytes()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + len(raw)]}
        blocks.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(blocks)


if __name__ == "__main__":
    raise SystemExit(command.main(part))
