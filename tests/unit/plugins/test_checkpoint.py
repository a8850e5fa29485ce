"""What a checkpoint is, and what keeps it from being served."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostproof.shared import ceilings, checkpoint
from hostproof.shared.checkpoint import CheckpointError, Files, Wanted

from . import checkpoints
from .checkpoints import COMPRESSED, MODELOPT, SEED

MAX_Q = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"
ROOT = Path(__file__).parents[3]
GIB = 1024**3
REGISTRY = """
_TEXT_GENERATION_MODELS = {"LlamaForCausalLM": ("llama", "LlamaForCausalLM"), "IQuestCoderForCausalLM": ("llama", "X")}
_MULTIMODAL_MODELS: dict[str, tuple[str, str]] = {"Gemma3ForConditionalGeneration": ("gemma3_mm", "X")}
_PREVIOUSLY_SUPPORTED_MODELS = {"Phi3SmallForCausalLM": "0.9.2"}
_VLLM_MODELS = {**_TEXT_GENERATION_MODELS, **_MULTIMODAL_MODELS}
"""


def refusals(files: Files, **wanted: Any) -> str:
    return "\n".join(str(each) for each in checkpoint.refusals(files, Wanted(**wanted), "/models/coder"))


def test_the_seeds_model_costs_what_the_facts_derive() -> None:
    found = checkpoint.read(checkpoints.seed())
    assert found.parameters == pytest.approx(39.79e9, rel=0.001)
    assert found.weights_bytes / GIB == pytest.approx(21.90, abs=0.01)
    assert found.read_bytes_per_token == pytest.approx(22.73e9, rel=0.001)
    assert found.kv_bytes_per_token() == 327_680
    assert found.kv_bytes_per_token("fp8") == 163_840
    assert found.kv_bytes(32_768) == 10 * GIB
    assert found.quantisation.kind == "nvfp4-w4a4"
    assert found.quantisation.native is True
    assert found.remote_code


def test_the_seeds_ceiling_and_its_own_figures_beside_it() -> None:
    found, card = checkpoint.read(checkpoints.seed()), ceilings.gpu(MAX_Q)
    assert card is not None
    made = ceilings.generation(found.read_bytes_per_token, found.kv_bytes_per_token(), card)
    assert made.tokens_per_second == pytest.approx(78.8, abs=0.1)
    assert made.why == "22.73 GB a token at 1,792 GB/s (28 Gbit/s GDDR7 on 512 bits)"
    assert made.usual == (pytest.approx(43.4, abs=0.1), pytest.approx(55.2, abs=0.1))
    assert 25 / made.tokens_per_second == pytest.approx(0.317, abs=0.001)
    assert 28 / made.tokens_per_second == pytest.approx(0.355, abs=0.001)
    late = ceilings.generation(found.read_bytes_per_token, found.kv_bytes_per_token(), card, tokens=16_384)
    assert late.tokens_per_second == pytest.approx(63.8, abs=0.2)  # 5.4 GB more a token


def test_the_loop_variant_reads_its_layers_twice() -> None:
    loop = {**SEED, "architectures": ["IQuestLoopCoderForCausalLM"], "loop_num": 2, "loop_window_size": 64}
    config = {**loop, "quantization_config": MODELOPT}
    found = checkpoint.read(checkpoints.files(config, checkpoints.shard(checkpoints.nvfp4(SEED))))
    card = ceilings.gpu(MAX_Q)
    assert card is not None
    made = ceilings.generation(found.read_bytes_per_token, found.kv_bytes_per_token(), card)
    assert made.tokens_per_second == pytest.approx(40.1, abs=0.1)
    assert (found.layers.full, found.layers.sliding, found.layers.window) == (80, 80, 64)
    assert [each.what for each in checkpoint.notes(found)] == ["Each token goes through its layers 2 times."]
    shorter = ceilings.first_token_seconds(found.parameters, 4640, card)
    assert ceilings.first_token_seconds(found.parameters, 4640, card, passes=2) == pytest.approx(
        2 * (shorter or 0)
    )


def test_prefill_cannot_be_shorter_than_its_operations() -> None:
    card = ceilings.gpu(MAX_Q)
    assert card is not None
    seconds = ceilings.first_token_seconds(39_790_000_000, 4640, card)
    assert seconds is not None
    assert 4640 / seconds == pytest.approx(
        22_050, rel=0.01
    )  # facts: 22.3k tok/s with 39.4e9 of them computed


def test_an_unknown_card_is_unknown_unless_its_bandwidth_is_given() -> None:
    assert ceilings.gpu("NVIDIA Imaginary 9000") is None
    card = ceilings.gpu("NVIDIA Imaginary 9000", 1e12)
    assert card is not None
    assert ceilings.generation(10**10, 0, card).tokens_per_second == 100
    assert ceilings.first_token_seconds(10**9, 100, card) is None
    with pytest.raises(ValueError, match="reads nothing"):
        ceilings.generation(0, 0, card)


def test_every_card_has_a_source() -> None:
    for name, card in ceilings.GPUS.items():
        assert name.startswith("NVIDIA ")
        assert card.source
        assert 1e11 < card.bytes_per_second < 1e13
        assert bool(card.fp4_flops) == bool(card.flops_source)


def test_bf16_has_no_quantisation_and_its_ceiling_is_a_third() -> None:
    found = checkpoint.read(checkpoints.files(SEED, checkpoints.shard(checkpoints.bf16(SEED))))
    card = ceilings.gpu(MAX_Q)
    assert card is not None
    assert found.quantisation.kind == "none"
    assert found.parameters == pytest.approx(39.79e9, rel=0.001)
    assert ceilings.generation(found.read_bytes_per_token, 0, card).tokens_per_second == pytest.approx(
        22.7, abs=0.1
    )


def test_a_tied_embedding_is_the_head_and_is_read() -> None:
    small = {**SEED, "num_hidden_layers": 1, "tie_word_embeddings": True}
    found = checkpoint.read(checkpoints.files(small, checkpoints.shard(checkpoints.bf16(small))))
    assert found.read_bytes_per_token == found.weights_bytes


def test_of_experts_the_active_ones_are_read() -> None:
    config = {
        **SEED,
        "num_hidden_layers": 1,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "tie_word_embeddings": True,
    }
    shape = ("BF16", (100, 100))
    tensors = {f"model.layers.0.mlp.experts.{n}.up_proj.weight": shape for n in range(8)}
    tensors["model.layers.0.mlp.shared_expert.up_proj.weight"] = shape
    found = checkpoint.read(checkpoints.files(config, checkpoints.shard(tensors)))
    assert found.weights_bytes == 9 * 20_000
    assert found.read_bytes_per_token == 3 * 20_000


def test_sliding_layers_keep_their_window_alone() -> None:
    config = {
        **SEED,
        "num_hidden_layers": 6,
        "sliding_window": 512,
        "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
    }
    found = checkpoint.read(checkpoints.files(config, checkpoints.shard(checkpoints.bf16(config))))
    a_layer = 2 * 8 * 128 * 2
    assert found.kv_bytes_per_token() == a_layer
    assert found.kv_bytes(8192) == a_layer * (8192 + 5 * 512)
    assert found.kv_bytes(100) == a_layer * 600


def test_vram_is_weights_cache_and_overhead() -> None:
    least, most = checkpoint.read(checkpoints.seed()).vram_bytes(32_768, 1)
    assert least / GIB == pytest.approx(21.9 + 10 + 1.5, abs=0.02)
    assert most / GIB == pytest.approx(21.9 + 10 + 3, abs=0.02)


def test_a_cache_of_an_unknown_type_cannot_be_sized() -> None:
    with pytest.raises(CheckpointError, match="int3"):
        checkpoint.read(checkpoints.seed()).kv_bytes_per_token("int3")


def without_activations(config: dict[str, Any]) -> dict[str, Any]:
    groups = {name: {**group, "input_activations": None} for name, group in config["config_groups"].items()}
    return {**config, "config_groups": groups}


GROUP = COMPRESSED["config_groups"]["group_0"]
FP8 = {
    "weights": {"num_bits": 8, "type": "float", "strategy": "channel"},
    "input_activations": {"num_bits": 8},
}


@pytest.mark.parametrize(
    ("told", "kind", "native"),
    [
        (MODELOPT, "nvfp4-w4a4", True),
        ({**MODELOPT, "quant_method": "modelopt_fp4"}, "nvfp4-w4a4", True),
        ({**MODELOPT, "quant_algo": "W4A16_NVFP4"}, "nvfp4-w4a16", False),
        (without_activations({**MODELOPT, "config_groups": COMPRESSED["config_groups"]}), "nvfp4-w4a16", False),
        ({**MODELOPT, "quant_algo": "FP8"}, "fp8", None),
        (
            {
                **MODELOPT,
                "quant_algo": "MIXED_PRECISION",
                "quantized_layers": {"a": {"quant_algo": "NVFP4"}, "b": {"quant_algo": "W4A16_NVFP4"}},
            },
            "nvfp4-mixed",
            False,
        ),
        ({**MODELOPT, "quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "FP8"}}}, "mixed_precision", None),
        (COMPRESSED, "nvfp4-w4a4", True),
        (without_activations(COMPRESSED), "nvfp4-w4a16", False),
        ({**COMPRESSED, "config_groups": {"a": GROUP, "b": FP8}}, "nvfp4-mixed", False),
        ({**COMPRESSED, "config_groups": {"a": FP8}, "format": "float-quantized"}, "float-quantized", None),
        (
            {**COMPRESSED, "format": "mxfp4-pack-quantized", "config_groups": {"a": {"weights": {**GROUP["weights"], "group_size": 32}}}},
            "mxfp4-pack-quantized",
            None,
        ),
        ({"quant_method": "awq", "bits": 4}, "awq", None),
        (None, "none", None),
    ],
)  # fmt: skip
def test_a_quantisation_is_what_its_files_say(
    told: dict[str, Any] | None, kind: str, native: bool | None
) -> None:
    found = checkpoint.quantisation({**SEED, "quantization_config": told}, None)
    assert (found.kind, found.native) == (kind, native), found.why


def test_older_modelopt_tells_it_in_a_file_of_its_own() -> None:
    separate = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": ["lm_head"]},
    }  # fmt: skip
    found = checkpoint.quantisation(SEED, separate)
    assert (found.kind, found.kv_cache, found.group_size, found.excluded) == (
        "nvfp4-w4a4",
        "fp8",
        16,
        ("lm_head",),
    )


def test_weight_only_is_said_before_it_is_served() -> None:
    files = checkpoints.seed(quant_algo="W4A16_NVFP4")
    assert refusals(files, quantisation="nvfp4", trust_remote_code=True) == ""
    assert "by design" in str(next(checkpoint.notes(checkpoint.read(files))))
    assert "nvfp4-w4a4 is wanted" in refusals(files, quantisation="nvfp4-w4a4", trust_remote_code=True)


def test_a_good_checkpoint_is_not_refused() -> None:
    known = frozenset({"IQuestCoderForCausalLM"})
    wanted = {"quantisation": "nvfp4", "architectures": known, "trust_remote_code": True, "context": 32_768}
    assert refusals(checkpoints.seed(), **wanted) == ""


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"quantisation": "none"}, "/models/coder is quantised as nvfp4-w4a4 (quant_algo is NVFP4), and none is wanted."),
        ({"architectures": frozenset({"X"}), "build": "vLLM 0.11.0"}, "vLLM 0.11.0 does not serve IQuestCoderForCausalLM."),
        ({"trust_remote_code": False}, "brings Python of its own (auto_map: no .py file beside it)"),
        ({"context": 200_000}, "A context of 200,000 tokens is wanted, and the model has 131,072."),
    ],
)  # fmt: skip
def test_what_is_not_as_wanted_is_refused(wanted: dict[str, Any], said: str) -> None:
    assert said in refusals(checkpoints.seed(), **{"trust_remote_code": True, **wanted})


def shards(count: int, total: int) -> list[checkpoint.Shard]:
    one = {"model.embed_tokens.weight": ("BF16", (10, 10))}
    return [checkpoints.shard(one, f"model-{n:05}-of-{total:05}.safetensors") for n in range(1, count + 1)]


def test_missing_shards_are_named_by_the_index() -> None:
    index = {"weight_map": {f"t{n}": f"model-{n:05}-of-00005.safetensors" for n in range(1, 6)}}
    said = refusals(checkpoints.files(SEED, *shards(2, 5), index=index))
    assert "lacks 3 of 5 shards: model-00003-of-00005.safetensors" in said
    assert "trust" not in said  # nothing else is said of half a model


def test_missing_shards_are_named_by_the_numbers_alone() -> None:
    assert "lacks 1 of 3 shards: model-00003-of-00003.safetensors." in refusals(
        checkpoints.files(SEED, *shards(2, 3))
    )


def test_a_cut_shard_is_named_with_both_sizes() -> None:
    whole = checkpoints.shard(checkpoints.nvfp4(SEED))
    cut = dataclasses.replace(whole, size_bytes=whole.needs_bytes - 1)
    assert f"has {whole.needs_bytes - 1:,} bytes, and its header says {whole.needs_bytes:,}" in refusals(
        checkpoints.files(SEED, cut)
    )


def test_a_tensor_that_the_index_names_must_be_there() -> None:
    names = ("model.embed_tokens.weight", "lm_head.weight")
    index = {"weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")}
    assert "lacks 1 tensors that its index names: lm_head.weight" in refusals(
        checkpoints.files(SEED, *shards(1, 1), index=index)
    )


def test_no_weights_at_all() -> None:
    assert "has no .safetensors file" in refusals(checkpoints.files(SEED))


@pytest.mark.parametrize(
    "data", [b"", b"GGUF", b"\xff" * 20, (5).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]"]
)
def test_what_is_no_safetensors_file_is_said(data: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"x\.safetensors .*Fetch it again\."):
        checkpoint.header(data, "x.safetensors", len(data))


@pytest.mark.parametrize("key", ["num_hidden_layers", "num_attention_heads"])
@pytest.mark.parametrize("value", [None, 0, "80", True])
def test_a_config_that_is_no_decoder_is_said(key: str, value: object) -> None:
    files = checkpoints.files({**SEED, key: value}, checkpoints.shard(checkpoints.plain(SEED)))
    assert f"config.json has no usable {key}" in refusals(files)


@pytest.mark.parametrize(
    "told", ["nvfp4", [1], {"quant_method": "compressed-tensors", "config_groups": {"a": 1}}]
)
def test_a_quantisation_of_another_shape_is_said(told: object) -> None:
    files = checkpoints.files(
        {**SEED, "quantization_config": told}, checkpoints.shard(checkpoints.plain(SEED))
    )
    assert "not as expected" in refusals(files)


def test_architectures_are_read_from_the_builds_own_list() -> None:
    assert checkpoint.known_architectures(REGISTRY) == {
        "LlamaForCausalLM",
        "IQuestCoderForCausalLM",
        "Gemma3ForConditionalGeneration",
    }


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("collections")
    link = place / "ansible_collections/hostproof/core"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    return place


def run(collection: Path, **arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.hostproof.core.plugins.modules.checkpoint"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(collection)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_the_module_reads_a_folder(collection: Path, tmp_path: Path) -> None:
    folder, release = tmp_path / "coder", tmp_path / "release"
    checkpoints.write(folder, checkpoints.nvfp4(SEED), {**SEED, "quantization_config": MODELOPT})
    registry = release / "lib/python3.12/site-packages/vllm/model_executor/models/registry.py"
    registry.parent.mkdir(parents=True)
    registry.write_text(REGISTRY)
    given = {
        "folder": str(folder),
        "quantisation": "nvfp4",
        "release": str(release),
        "context": 32_768,
        "gpu": MAX_Q,
    }
    assert "brings Python of its own" in run(collection, **given)["msg"]
    done = run(collection, **given, trust_remote_code=True)
    assert done["changed"] is False
    assert done["found"]["w4a4"] is True
    assert done["found"]["kv_tokens"] == 32_768
    assert done["ceiling"]["tokens_per_second"] == pytest.approx(78.8, abs=0.1)
    assert done["notes"] == []


def test_the_module_says_what_is_not_there(collection: Path, tmp_path: Path) -> None:
    assert "there is no config.json" in run(collection, folder=str(tmp_path))["msg"]
    gone = str(tmp_path / "gone")
    assert run(collection, folder=gone, _ansible_check_mode=True)["found"] == {}
    (tmp_path / "config.json").write_text("{")
    assert "config.json is no JSON" in run(collection, folder=str(tmp_path))["msg"]
    (tmp_path / "config.json").write_text(json.dumps(SEED))
    (tmp_path / "model.safetensors").write_bytes(b"<html>404</html>")
    assert "model.safetensors is no safetensors file" in run(collection, folder=str(tmp_path))["msg"]
