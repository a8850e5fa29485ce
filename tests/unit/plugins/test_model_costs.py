"""What a token costs: the seed's models by hand, and what a header may do to the count."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest

from hostproof.shared import checkpoint, gguf, model_costs
from hostproof.shared.gguf import GgufError
from hostproof.shared.model_costs import Cache, Costs

from . import checkpoints, gguf_files
from .gguf_files import COMMAND_A, IQUEST, MOE

SMALL: dict[str, Any] = {
    "block_count": 4,
    "embedding_length": 256,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.key_length": 64,
    "attention.value_length": 64,
}


def costs(architecture: str, about: Mapping[str, Any], tensors: gguf_files.Listed) -> Costs:
    data = gguf_files.header(architecture, about, tensors)
    return model_costs.of_gguf(gguf.read(io.BytesIO(data), "m.gguf")[0], "m.gguf")


def small(about: Mapping[str, Any], architecture: str = "llama", **how: Any) -> Costs:
    made = SMALL | about
    return costs(architecture, made, gguf_files.dense(made, 512, 1024, "F16", **how))


def test_the_seeds_40b_in_q5_k_m() -> None:
    tensors = gguf_files.q5_k_m(gguf_files.dense(IQUEST, 27648, 76800, "Q5_K"), 80)
    found = costs("llama", IQUEST, tensors)
    # A layer: q and output 5120², k and v 5120 × 1024, three of 5120 × 27648.
    linear = 80 * (2 * 5120**2 + 2 * 5120 * 1024 + 3 * 5120 * 27648)
    assert linear == 39_007_027_200
    assert found.multiplied == linear
    assert found.head == 5120 * 76800
    assert found.parameters == pytest.approx(39.79e9, rel=0.001)
    # 40 layers have values and ffn_down in Q6_K: 6.5625 bits; the rest 5.5 bits; a row of the embedding.
    six = 40 * (5120 * 1024 + 27648 * 5120) + 5120 * 76800
    by_hand = six * 210 / 256 + (linear + 5120 * 76800 - six) * 176 / 256
    norms = 81 * 5120 * 4
    assert found.read_bytes == pytest.approx(by_hand + norms + 5120 * 176 / 256, abs=1)
    assert found.read_bytes / 1e9 == pytest.approx(27.92, abs=0.01)
    assert found.weights_bytes / 1e9 == pytest.approx(28.2, abs=0.05)  # the facts' file has 28.4 GB
    assert 614.4e9 / found.read_bytes == pytest.approx(22.0, abs=0.05)  # and 21.6 by the file's size
    assert found.caches == (Cache(80, 2 * 8 * 128, 2 * 40 * 128),)
    assert found.main_type == "Q5_K"


def test_the_seeds_40b_in_nvfp4_costs_the_same_multiplications() -> None:
    found = model_costs.of_checkpoint(checkpoint.read(checkpoints.seed()))
    assert found.read_bytes == pytest.approx(22.73e9, rel=0.001)
    assert found.multiplied == 39_007_027_200
    assert found.head == 5120 * 76800
    assert found.caches == (Cache(80, 2 * 8 * 128, 2 * 40 * 128),)
    assert 2 * (found.multiplied + found.head) == pytest.approx(78.8e9, rel=0.001)  # the facts' GFLOP a token


def test_the_loop_variant_is_multiplied_and_read_twice() -> None:
    config = checkpoints.SEED | {"loop_num": 2, "loop_window_size": 64}
    told = config | {"quantization_config": checkpoints.MODELOPT}
    loop = checkpoints.files(told, checkpoints.shard(checkpoints.nvfp4(config)))
    found = model_costs.of_checkpoint(checkpoint.read(loop))
    assert found.passes == 2
    assert found.multiplied == 2 * 39_007_027_200
    assert 1792e9 / found.read_bytes == pytest.approx(40.1, abs=0.1)
    assert found.caches == (Cache(80, 2048, 10240), Cache(80, 2048, 10240, 64))
    data = gguf_files.dense(IQUEST, 27648, 76800, "Q5_K")
    as_gguf = costs("iquestloopcoder", IQUEST | {"loop_num": 2, "loop_window_size": 64}, data)
    once = costs("llama", IQUEST, data)
    outside = sum(gguf_files.size(kind, shape) for name, kind, shape in data if name == "output.weight")
    assert as_gguf.multiplied == 2 * once.multiplied
    assert as_gguf.read_bytes == pytest.approx(2 * once.read_bytes - outside, rel=1e-6)
    assert as_gguf.caches == found.caches


def test_command_a_reads_its_tied_embedding_and_keeps_a_window_in_three_of_four_layers() -> None:
    found = costs("cohere2", COMMAND_A, gguf_files.dense(COMMAND_A, 36864, 256000, "Q4_K", tied=True))
    # A layer: q and output 12288², k and v 12288 × 1024, three of 12288 × 36864; embedding 256000 × 12288.
    linear = 64 * (2 * 12288**2 + 2 * 12288 * 1024 + 3 * 12288 * 36864)
    assert found.multiplied == linear
    assert found.parameters == pytest.approx(111.06e9, rel=0.001)
    assert found.read_bytes == pytest.approx((linear + 256000 * 12288) * 4.5 / 8, rel=0.001)
    assert found.read_bytes / 1e9 == pytest.approx(62.5, abs=0.1)
    assert set(found.caches) == {Cache(48, 2048, 24576, 4096), Cache(16, 2048, 24576)}


def test_a_229b_reads_its_ten_active_billions() -> None:
    found = costs("minimax-m2", MOE, gguf_files.experts(MOE, 1536, 200064, "Q4_K"))
    # Experts: 62 × 256 × three of 3072 × 1536, 8 of 256 used; attention 62 × (2 × 3072 × 6144 + 2 × 3072 × 1024); router.
    all_experts = 62 * 256 * 3 * 3072 * 1536
    rest = 62 * (2 * 3072 * 6144 + 2 * 3072 * 1024)
    router = 62 * 3072 * 256
    assert found.parameters == pytest.approx(228.7e9, rel=0.001)
    assert found.multiplied == all_experts * 8 // 256 + rest + router
    assert (found.multiplied + found.head) / 1e9 == pytest.approx(10.4, abs=0.05)
    by_hand = (all_experts * 8 / 256 + rest + 3072 * 200064) * 4.5 / 8 + router * 4
    assert found.read_bytes == pytest.approx(by_hand, rel=0.001)
    assert found.weights_bytes / found.read_bytes == pytest.approx(21.3, abs=0.3)
    assert (found.experts_used, found.experts) == (8, 256)


def test_a_tied_embedding_is_read_whole_and_one_beside_an_output_is_a_row() -> None:
    both, tied = small({}), small({}, tied=True)
    assert both.read_bytes == tied.read_bytes + 256 * 2
    assert both.head == tied.head == 256 * 1024


def test_layers_that_predict_further_tokens_are_not_read() -> None:
    plain, more = small({"block_count": 3}), small({"nextn_predict_layers": 1})
    assert more.read_bytes == plain.read_bytes
    assert more.multiplied == plain.multiplied
    assert more.weights_bytes > plain.weights_bytes


@pytest.mark.parametrize(
    ("about", "architecture", "caches"),
    [
        ({}, "llama", {Cache(4, 256, 512)}),
        ({"attention.sliding_window": 128}, "llama", {Cache(4, 256, 512)}),
        ({"attention.sliding_window": 128}, "gemma2", {Cache(2, 256, 512, 128), Cache(2, 256, 512)}),
        (
            {"attention.sliding_window": 128, "attention.sliding_window_pattern": 4},
            "new",
            {Cache(3, 256, 512, 128), Cache(1, 256, 512)},
        ),
        (
            {
                "attention.sliding_window": 128,
                "attention.sliding_window_pattern": [True, False, False, True],
            },
            "gemma2",
            {Cache(2, 256, 512, 128), Cache(2, 256, 512)},
        ),
        ({"attention.head_count_kv": [2, 0, 4, 0]}, "hybrid", {Cache(1, 256, 512), Cache(1, 512, 512)}),
        ({"full_attention_interval": 4}, "qwen3next", {Cache(1, 256, 512)}),
        (
            {"attention.key_length": 576, "attention.value_length": 512, "attention.key_length_mla": 192},
            "deepseek2",
            {Cache(4, 576, 4 * 1088)},
        ),
    ],
    ids=["full", "ignored", "every second", "period", "list", "hybrid", "interval", "latent"],
)
def test_what_a_layer_keeps(about: dict[str, Any], architecture: str, caches: set[Cache]) -> None:
    tensors = gguf_files.dense(SMALL, 512, 1024, "F16")
    assert set(costs(architecture, SMALL | about, tensors).caches) == caches


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"block_count": "four"}, "m.gguf has no usable llama.block_count ('four')"),
        ({"block_count": 0}, "m.gguf has no usable llama.block_count (0)"),
        ({"attention.head_count_kv": [1, 2]}, "m.gguf has no usable llama.attention.head_count_kv ([1, 2])"),
    ],
)
def test_what_is_no_decoder_is_refused(about: dict[str, Any], words: str) -> None:
    with pytest.raises(GgufError) as error:
        costs("llama", SMALL | about, gguf_files.dense(SMALL, 512, 1024, "F16"))
    assert words in str(error.value)
