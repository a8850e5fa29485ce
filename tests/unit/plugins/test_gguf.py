"""The header of a GGUF file, and what it is refused for."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest

from hostproof.shared import gguf
from hostproof.shared.ggml_types import KINDS
from hostproof.shared.gguf import GgufError

from . import gguf_files

GGUF_0_19 = {
    "F32": (1, 4), "F16": (1, 2), "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34),
    "Q8_1": (32, 40), "Q2_K": (256, 2 + 2 + 16 + 64), "Q3_K": (256, 2 + 64 + 32 + 12), "Q4_K": (256, 2 + 2 + 128 + 12),
    "Q5_K": (256, 2 + 2 + 128 + 32 + 12), "Q6_K": (256, 2 + 128 + 64 + 16), "Q8_K": (256, 4 + 256 + 32),
    "IQ2_XXS": (256, 2 + 64), "IQ2_XS": (256, 2 + 64 + 8), "IQ3_XXS": (256, 2 + 64 + 32), "IQ1_S": (256, 2 + 32 + 16),
    "IQ4_NL": (32, 18), "IQ3_S": (256, 2 + 64 + 32 + 8 + 4), "IQ2_S": (256, 2 + 64 + 16), "IQ4_XS": (256, 2 + 2 + 128 + 4),
    "I8": (1, 1), "I16": (1, 2), "I32": (1, 4), "I64": (1, 8), "F64": (1, 8), "IQ1_M": (256, 32 + 16 + 8), "BF16": (1, 2),
    "TQ1_0": (256, 2 + 52), "TQ2_0": (256, 2 + 64), "MXFP4": (32, 17), "NVFP4": (64, 36), "Q1_0": (128, 18),
}  # fmt: skip
"""`GGML_QUANT_SIZES`, as llama.cpp's own package writes them: sums of a block's parts."""


def read(data: bytes) -> gguf.Gguf:
    return gguf.read(io.BytesIO(data), "m.gguf")[0]


def test_every_type_has_the_size_that_llama_cpp_gives_it() -> None:
    assert {kind.name: (kind.block, kind.size_bytes) for kind in KINDS.values()} == GGUF_0_19


@pytest.mark.parametrize("kind", GGUF_0_19)
def test_a_tensor_takes_its_blocks(kind: str) -> None:
    (tensor,) = read(gguf_files.header("llama", {}, [("blk.0.attn_q.weight", kind, (512, 24))])).tensors
    block, size = GGUF_0_19[kind]
    assert (tensor.kind.name, tensor.shape, tensor.elements) == (kind, (512, 24), 12_288)
    assert tensor.size_bytes == 512 // block * size * 24


def test_metadata_is_kept_and_vocabularies_are_passed_over() -> None:
    words = ["token"] * (gguf.LONGEST_KEPT + 1)
    found = read(
        gguf_files.header(
            "llama",
            {"block_count": 2, "attention.head_count_kv": [8, 4], "rope.freq_base": 1.5},
            [("output_norm.weight", "F32", (64,))],
            tokenizer__ggml__tokens=words,
            tokenizer__ggml__scores=[1.0] * len(words),
            general__name="last",
        )
    )
    assert found.metadata == {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.attention.head_count_kv": [8, 4],
        "llama.rope.freq_base": 1.5,
        "general.name": "last",
    }
    assert [tensor.name for tensor in found.tensors] == ["output_norm.weight"]


def test_the_whole_size_follows_from_the_header() -> None:
    data = gguf_files.header("llama", {}, [("a", "F32", (8,)), ("b", "Q8_0", (32, 3))])
    begin = -(-len(data) // 32) * 32
    assert gguf.read(io.BytesIO(data), "m.gguf")[1] == begin + 32 + 3 * 34


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no GGUF file"),
        (b"\x10\0\0\0\0\0\0\0{}", "is no GGUF file"),
        (b"GGUF" + struct.pack("<I", 1), "is GGUF version 1; known: 2 and 3"),
        (b"GGUF" + struct.pack(">I", 3), "is GGUF version 50331648; known: 2 and 3, little endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0), "ends within its header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**62, 0), "cannot be read"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60), "a text of 1,152,921,504,606,846,976 bytes"),
        (gguf_files.header("llama", {}, [("w", "Q4_K", (100, 4))]), "rows of w have 100 elements, no multiple of 256"),
    ],
    ids=["empty", "safetensors", "version 1", "big endian", "cut", "absurd", "long text", "odd rows"],
)  # fmt: skip
def test_what_is_no_gguf_is_refused_in_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(GgufError, match=r"m\.gguf") as error:
        read(data)
    assert words in str(error.value)


def test_a_type_of_the_future_is_named() -> None:
    data = gguf_files.header("llama", {}, [("w", "F32", (32,))]).replace(
        struct.pack("<QIQ", 32, 0, 0), struct.pack("<QIQ", 32, 99, 0)
    )
    with pytest.raises(GgufError, match="has w as type 99"):
        read(data)


def write(folder: Path, name: str, tensors: gguf_files.Listed, about: dict[str, Any] | None = None) -> Path:
    data = gguf_files.header("llama", about or {}, tensors)
    path = folder / name
    needs = gguf.read(io.BytesIO(data), name)[1]
    path.write_bytes(data.ljust(needs, b"\0"))
    return path


def test_a_split_model_is_read_whole(tmp_path: Path) -> None:
    first = write(tmp_path, "m-00001-of-00002.gguf", [("a", "F32", (8,))], {"block_count": 7})
    write(tmp_path, "m-00002-of-00002.gguf", [("b", "F16", (8,))])
    found = gguf.load(first)
    assert [tensor.name for tensor in found.tensors] == ["a", "b"]
    assert found.metadata["llama.block_count"] == 7


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    first = write(tmp_path, "m-00001-of-00003.gguf", [("a", "F32", (8,))])
    with pytest.raises(GgufError, match=r"lacks 2 of 3 parts: m-00002-of-00003.gguf"):
        gguf.load(first)


def test_a_file_that_was_cut_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = write(tmp_path, "m.gguf", [("a", "F32", (1000,))])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(GgufError, match=r"m.gguf has 4,\d+ bytes, and its header says 4,\d+"):
        gguf.load(path)
