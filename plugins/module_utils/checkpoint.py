"""What a safetensors checkpoint is, from its config.json, hf_quant_config.json, index and headers: quantisation, size, costs. Pure.

Sizes are bytes, 1 GiB = 1024³. `read` is the one way in; `refusals` says what keeps it from being served as wanted.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .proof_types import Finding

W4A4: Final = "nvfp4-w4a4"
W4A16: Final = "nvfp4-w4a16"
MIXED: Final = "nvfp4-mixed"
NONE: Final = "none"
ANY: Final = "any"

DTYPE_BYTES: Final[Mapping[str, float]] = {
    "F64": 8, "I64": 8, "U64": 8,
    "F32": 4, "I32": 4, "U32": 4,
    "BF16": 2, "F16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I8": 1, "U8": 1, "BOOL": 1,
    "F6_E2M3": 0.75, "F6_E3M2": 0.75, "F4": 0.5,
}  # fmt: skip
"""As the safetensors format names them."""
KV_DTYPE_BYTES: Final[Mapping[str, float]] = {"bfloat16": 2, "float16": 2, "fp8": 1, "nvfp4": 0.5625}
"""Per element; nvfp4 with a scale of one byte for 16."""

HEADER_LENGTH_BYTES: Final = 8
HEADER_LIMIT: Final = 100_000_000
"""The format's own limit."""
OVERHEAD_BYTES: Final = (int(1.5 * 1024**3), 3 * 1024**3)
"""Beside weights and cache: CUDA's context, activations, graphs; derived for a 40B model (shared facts), not measured here."""

# Beside the weights of a quantised layer, and no parameters of the model.
_COMPANION = re.compile(
    r"\.(weight_scale(_2|_inv)?|weight_global_scale|weight_shape|weight_zero_point|input_scale|input_global_scale|"
    r"[kvq]_scale|output_scale|qzeros|scales|g_idx|zero_point|pre_quant_scale)$"
)
_EXPERT = re.compile(r"\.experts\.\d+\.|\.experts\.")
_SHARED_EXPERT = re.compile(r"shared_expert")
_EMBEDDING = re.compile(r"(^|\.)embed_tokens\.|(^|\.)wte\.|(^|\.)word_embeddings\.")
_HEAD = re.compile(r"(^|\.)lm_head\.")
_LAYER = re.compile(r"\.layers\.\d+\.")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.safetensors$")


class CheckpointError(ValueError):
    """The files cannot be understood; what, where and how to mend it, in one sentence."""


@dataclass(frozen=True)
class Tensor:
    """One entry of a header."""

    dtype: str
    shape: tuple[int, ...]
    size_bytes: int
    """As stored."""


@dataclass(frozen=True)
class Shard:
    """One .safetensors file."""

    name: str
    size_bytes: int
    """On the disk."""
    header: Mapping[str, Tensor]
    needs_bytes: int
    """What the header says that the file has."""


@dataclass(frozen=True)
class Files:
    """What lies in the model's folder."""

    config: Mapping[str, Any]
    quantisation: Mapping[str, Any] | None
    """hf_quant_config.json; None if there is none."""
    index: Mapping[str, Any] | None
    """model.safetensors.index.json; None if there is none."""
    shards: Sequence[Shard]
    code: Sequence[str] = ()
    """Names of .py files."""


@dataclass(frozen=True)
class Quantisation:
    kind: str
    """`nvfp4-w4a4`, `nvfp4-w4a16`, `nvfp4-mixed` (some layers weight-only), `none`, or what the checkpoint calls itself."""
    method: str
    """`modelopt`, `compressed-tensors`, … ; empty for none."""
    why: str
    """What in the files says so."""
    group_size: int = 0
    excluded: tuple[str, ...] = ()
    """Modules that stay in 16 bits."""
    kv_cache: str = ""
    """`fp8` and so on, where the checkpoint asks for it."""

    @property
    def native(self) -> bool | None:
        """Whether its layers can use tensor cores for FP4; None for what is no NVFP4."""
        return {W4A4: True, W4A16: False, MIXED: False}.get(self.kind)


@dataclass(frozen=True)
class Layers:
    """What the KV cache goes by."""

    full: int
    """Layers that keep every token."""
    sliding: int
    """Layers that keep a window."""
    window: int
    kv_heads: int
    head_size: int
    heads: int = 0
    """That ask; each group of them shares a head of keys and values."""


@dataclass(frozen=True)
class Checkpoint:
    architecture: str
    model_type: str
    context: int
    """max_position_embeddings; 0 if it is not said."""
    parameters: int
    """Weights of the model, counted in the headers; scales are none."""
    weights_bytes: int
    """All tensors: what loading takes."""
    read_bytes_per_token: int
    """Weights read for one token at batch 1: all but the rows of the embedding that are not looked up; of experts the active ones;
    of a model that runs its layers several times, as often."""
    layers: Layers
    quantisation: Quantisation
    passes: int
    """How often a token goes through each layer (`loop_num`); 1 for nearly all models."""
    remote_code: bool
    """Whether config.json asks for Python of its own (auto_map), which vLLM runs only with --trust-remote-code."""
    code: tuple[str, ...]
    multiplied: int = 0
    """Weights that a prompt token is multiplied with, in all passes; embedding and output matrix are none."""
    head: int = 0
    """Weights of the output matrix."""
    experts_used: int = 0
    experts: int = 0

    def kv_bytes_per_token(self, dtype: str = "bfloat16") -> int:
        """Of one more token in a long context: sliding layers have their window full and do not grow."""
        return round(self.layers.full * self._kv_bytes_per_layer(dtype))

    def kv_bytes(self, tokens: int, dtype: str = "bfloat16") -> int:
        """Of one sequence of so many tokens."""
        window = min(tokens, self.layers.window)
        kept = self.layers.full * tokens + self.layers.sliding * window
        return round(kept * self._kv_bytes_per_layer(dtype))

    def _kv_bytes_per_layer(self, dtype: str) -> float:
        if dtype not in KV_DTYPE_BYTES:
            raise CheckpointError(
                f"{dtype!r} is no type of a KV cache that hostproof can size; known: {', '.join(KV_DTYPE_BYTES)}."
            )
        return 2 * self.layers.kv_heads * self.layers.head_size * KV_DTYPE_BYTES[dtype]

    def vram_bytes(self, tokens: int, sequences: int = 1, dtype: str = "bfloat16") -> tuple[int, int]:
        """Least and most that serving takes: weights, a full cache for every sequence, and what comes beside them."""
        fixed = self.weights_bytes + sequences * self.kv_bytes(tokens, dtype)
        return fixed + OVERHEAD_BYTES[0], fixed + OVERHEAD_BYTES[1]


def header(data: bytes, name: str, size_bytes: int) -> Shard:
    """A shard from the beginning of its file. Raises CheckpointError for what is no safetensors file, or too short a piece."""
    length = header_length(data, name)
    raw = data[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + length]
    if len(raw) < length:
        raise CheckpointError(f"{name} ends within its header. Fetch it again.")
    try:
        table = json.loads(raw)
        found = {key: _tensor(value) for key, value in table.items() if key != "__metadata__"}
        ends = [value["data_offsets"][1] for key, value in table.items() if key != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"{name} has a header that cannot be read ({error}). Fetch it again."
        ) from error
    return Shard(name, size_bytes, found, HEADER_LENGTH_BYTES + length + max(ends, default=0))


def header_length(data: bytes, name: str) -> int:
    """Bytes of the header that follow the first eight. Raises CheckpointError if they cannot be."""
    length = int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
    if len(data) < HEADER_LENGTH_BYTES or not 2 <= length <= HEADER_LIMIT:
        raise CheckpointError(f"{name} is no safetensors file (or an unfinished download). Fetch it again.")
    return length


def _tensor(raw: Mapping[str, Any]) -> Tensor:
    begin, end = raw["data_offsets"]
    return Tensor(str(raw["dtype"]), tuple(int(each) for each in raw["shape"]), int(end) - int(begin))


def read(files: Files) -> Checkpoint:
    """Raises CheckpointError if config.json does not describe a decoder with a KV cache."""
    try:
        return _read_all(files)
    except CheckpointError:
        raise
    except (AttributeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(f"config.json or hf_quant_config.json is not as expected ({error}).") from error


def _read_all(files: Files) -> Checkpoint:
    text = _text_config(files.config)
    tensors = {name: tensor for shard in files.shards for name, tensor in shard.header.items()}
    passes = int(text.get("loop_num") or 1)
    used, experts = _experts(text)
    return Checkpoint(
        architecture=str((files.config.get("architectures") or [""])[0]),
        model_type=str(files.config.get("model_type", "")),
        context=int(text.get("max_position_embeddings") or 0),
        parameters=sum(_parameters(name, tensor) for name, tensor in tensors.items()),
        weights_bytes=sum(tensor.size_bytes for tensor in tensors.values()),
        read_bytes_per_token=_bytes_read(tensors, text, passes),
        layers=_layers(text),
        quantisation=quantisation(files.config, files.quantisation),
        passes=passes,
        remote_code="auto_map" in files.config,
        code=tuple(sorted(files.code)),
        multiplied=_multiplied(tensors, text, passes),
        head=_head(tensors),
        experts_used=used,
        experts=experts,
    )


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a model with several modes, the language model's part."""
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) else config


def _parameters(name: str, tensor: Tensor) -> int:
    if _COMPANION.search(name):
        return 0
    count = math.prod(tensor.shape)
    if tensor.dtype == "U8" and name.endswith((".weight", ".weight_packed")):
        return 2 * count  # two FP4 in a byte
    if tensor.dtype == "I32" and name.endswith((".qweight", ".weight_packed")):
        return 8 * count  # eight of 4 bits, as GPTQ and AWQ pack them
    return count


def _bytes_read(tensors: Mapping[str, Tensor], text: Mapping[str, Any], passes: int) -> int:
    """A tied embedding is the head as well, so it is read; one beside a head of its own is looked up, a row a token."""
    has_head = any(_HEAD.search(name) for name in tensors)
    share = _active_share(text)
    total = 0.0
    for name, tensor in tensors.items():
        if _EMBEDDING.search(name) and has_head:
            total += tensor.size_bytes / max(1, tensor.shape[0] if tensor.shape else 1)
            continue
        size = float(tensor.size_bytes)
        if _EXPERT.search(name) and not _SHARED_EXPERT.search(name):
            size *= share
        total += size * (passes if _LAYER.search(name) else 1)
    return round(total)


def _multiplied(tensors: Mapping[str, Tensor], text: Mapping[str, Any], passes: int) -> int:
    """Matrices inside the layers; a norm's weights are a vector."""
    share = _active_share(text)
    total = 0.0
    for name, tensor in tensors.items():
        if not _LAYER.search(name) or len(tensor.shape) < 2:
            continue
        routed = _EXPERT.search(name) and not _SHARED_EXPERT.search(name)
        total += _parameters(name, tensor) * passes * (share if routed else 1.0)
    return round(total)


def _head(tensors: Mapping[str, Tensor]) -> int:
    """A tied embedding is the output matrix as well."""
    for pattern in (_HEAD, _EMBEDDING):
        found = sum(_parameters(name, tensor) for name, tensor in tensors.items() if pattern.search(name))
        if found:
            return found
    return 0


def _active_share(text: Mapping[str, Any]) -> float:
    active, experts = _experts(text)
    return active / experts if experts and active else 1.0


def _experts(text: Mapping[str, Any]) -> tuple[int, int]:
    """Used for a token, of how many; 0: a dense model."""
    experts = text.get("num_experts") or text.get("n_routed_experts") or text.get("num_local_experts") or 0
    return int(text.get("num_experts_per_tok") or text.get("top_k_experts") or 0), int(experts)


def _layers(text: Mapping[str, Any]) -> Layers:
    count = _whole(text, "num_hidden_layers")
    heads = _whole(text, "num_attention_heads")
    size = int(text.get("head_dim") or 0) or _whole(text, "hidden_size") // heads
    kinds = text.get("layer_types") or []
    window = int(text.get("sliding_window") or 0)
    sliding = sum(kind == "sliding_attention" for kind in kinds) if window else 0
    linear = sum(kind in ("linear_attention", "mamba") for kind in kinds)
    if int(text.get("loop_num") or 1) > 1:  # each later pass keeps a window beside the first one's tokens
        sliding, window, linear = (
            count * (int(text["loop_num"]) - 1),
            int(text.get("loop_window_size") or 0),
            0,
        )
        return Layers(count, sliding, window, int(text.get("num_key_value_heads") or heads), size, heads)
    kv_heads = int(text.get("num_key_value_heads") or heads)
    return Layers(count - sliding - linear, sliding, window, kv_heads, size, heads)


def _whole(text: Mapping[str, Any], key: str) -> int:
    value = text.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CheckpointError(
            f"config.json has no usable {key} ({value!r}): that is no decoder that can be served."
        )
    return value


def quantisation(config: Mapping[str, Any], separate: Mapping[str, Any] | None) -> Quantisation:
    """From config.json's quantization_config, else from hf_quant_config.json (older ModelOpt)."""
    told = config.get("quantization_config") or config.get("compression_config")
    if not told and separate:
        told = {"quant_method": "modelopt", **(separate.get("quantization") or {})}
    if not told:
        return Quantisation(NONE, "", "config.json has no quantization_config")
    method = str(told.get("quant_method") or "")
    if method.startswith("modelopt") or told.get("quant_algo"):
        return _modelopt(told, separate)
    if method == "compressed-tensors":
        return _compressed(told)
    return Quantisation(method or "unknown", method, f"quant_method is {method or 'not said'}")


def _modelopt(told: Mapping[str, Any], separate: Mapping[str, Any] | None) -> Quantisation:
    inner = (separate or {}).get("quantization") or {}
    algorithm = str(told.get("quant_algo") or inner.get("quant_algo") or "").upper()
    groups = told.get("config_groups") or {}
    excluded = told.get("exclude_modules") or told.get("ignore") or inner.get("exclude_modules") or ()
    kind, why = algorithm.lower() or "unknown", f"quant_algo is {algorithm or 'not said'}"
    if algorithm == "W4A16_NVFP4":
        kind = W4A16
    elif algorithm == "NVFP4":
        kind, why = W4A4, "quant_algo is NVFP4"
        if groups and all(group.get("input_activations") is None for group in groups.values()):
            kind, why = W4A16, "quant_algo is NVFP4, and input_activations is null in every group"
    elif algorithm == "MIXED_PRECISION":
        kind, why = _mixed(told.get("quantized_layers") or inner.get("quantized_layers") or {})
    return Quantisation(
        kind,
        "modelopt",
        why,
        int(told.get("group_size") or inner.get("group_size") or 0),
        tuple(str(each) for each in excluded),
        _kv_cache(
            told.get("kv_cache_quant_algo") or inner.get("kv_cache_quant_algo") or told.get("kv_cache_scheme")
        ),
    )


def _mixed(layers: Mapping[str, Any]) -> tuple[str, str]:
    algorithms = sorted({str(each.get("quant_algo")) for each in layers.values()})
    told = f"quant_algo is MIXED_PRECISION, with {', '.join(algorithms) or 'no layers named'}"
    if algorithms == ["NVFP4"]:
        return W4A4, told
    if any("NVFP4" in each for each in algorithms):
        return MIXED, told
    return "mixed_precision", told


def _compressed(told: Mapping[str, Any]) -> Quantisation:
    groups = list((told.get("config_groups") or {}).values())
    formats = {str(group.get("format") or told.get("format") or "") for group in groups} or {
        str(told.get("format") or "")
    }
    fp4 = [group for group in groups if _is_fp4(group.get("weights") or {})]
    size = next((int(group["weights"].get("group_size") or 0) for group in fp4), 0)
    activations = [group.get("input_activations") is not None for group in fp4]
    named = "/".join(sorted(formats))
    if not fp4:
        kind, why = named or "unknown", f"format is {named or 'not said'}"
    elif len(fp4) < len(groups) or len(set(activations)) > 1:
        kind, why = (
            MIXED,
            f"{len(fp4)} of {len(groups)} groups are NVFP4, {sum(activations)} with activations",
        )
    elif activations[0]:
        kind, why = W4A4, f"format is {named}, with input_activations"
    else:
        kind, why = W4A16, f"format is {named}, and input_activations is null"
    excluded = tuple(str(each) for each in told.get("ignore") or ())
    return Quantisation(
        kind, "compressed-tensors", why, size, excluded, _kv_cache(told.get("kv_cache_scheme"))
    )


def _is_fp4(weights: Mapping[str, Any]) -> bool:
    """Groups of 16 are NVFP4; of 32, MXFP4."""
    return (
        weights.get("num_bits") == 4
        and weights.get("type") == "float"
        and int(weights.get("group_size") or 16) == 16
    )


def _kv_cache(told: object) -> str:
    if isinstance(told, Mapping):
        return {"8 float": "fp8", "4 float": "nvfp4"}.get(f"{told.get('num_bits')} {told.get('type')}", "")
    return {"FP8": "fp8", "NVFP4": "nvfp4"}.get(str(told or "").upper(), "")


def known_architectures(registry: str) -> frozenset[str]:
    """Every architecture in the tables of a build's vllm/model_executor/models/registry.py, which is read and not run."""
    found: set[str] = set()
    for node in ast.parse(registry).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        value = getattr(node, "value", None)
        tables = [name for name in names if name.endswith("_MODELS") and not name.startswith("_PREVIOUSLY")]
        if tables and isinstance(value, ast.Dict):
            keys = (key.value for key in value.keys if isinstance(key, ast.Constant))
            found |= {key for key in keys if isinstance(key, str)}
    return frozenset(found)


@dataclass(frozen=True)
class Wanted:
    """What the model is to be served as."""

    quantisation: str = ANY
    """`nvfp4` (any of them), `nvfp4-w4a4`, `none`, or `any`."""
    architectures: frozenset[str] = frozenset()
    """That the build knows; empty: not known."""
    build: str = ""
    """For the sentence: `vLLM 0.33.0`."""
    trust_remote_code: bool = False
    context: int = 0
    """Tokens; 0: whatever the model has."""


def refusals(files: Files, wanted: Wanted, where: str) -> Iterator[Finding]:
    """What keeps the checkpoint from being served as wanted. `where`: its folder."""
    broken = list(_partial(files, where))
    yield from broken
    try:
        found = read(files)
    except CheckpointError as error:
        yield Finding(f"{error}", f"See {where}/config.json.")
        return
    if broken:
        return
    yield from _other(found, wanted, where)


def _partial(files: Files, where: str) -> Iterator[Finding]:
    again = "Provision again, so that model_store fetches it; or copy it whole."
    if not files.shards:
        yield Finding(f"{where} has no .safetensors file.", again)
        return
    named = set((files.index or {}).get("weight_map", {}).values())
    have = {shard.name for shard in files.shards}
    absent = sorted((named or _numbered(have)) - have)
    if absent:
        total = len(named or _numbered(have))
        yield Finding(f"{where} lacks {len(absent)} of {total} shards: {_few(absent)}.", again)
    for shard in files.shards:
        if shard.size_bytes < shard.needs_bytes:
            yield Finding(
                f"{where}/{shard.name} has {shard.size_bytes:,} bytes, and its header says {shard.needs_bytes:,}.",
                again,
            )
    there = {name for shard in files.shards for name in shard.header}
    lost = sorted(set((files.index or {}).get("weight_map", {})) - there)
    if lost and not absent:
        yield Finding(f"{where} lacks {len(lost)} tensors that its index names: {_few(lost)}.", again)


def _numbered(names: Iterable[str]) -> set[str]:
    """All that must be there, by the numbers in the names of those that are."""
    found = set(names)
    for name in list(found):
        if numbers := _SHARD.search(name):
            stem, count = name[: numbers.start()], int(numbers[2])
            found |= {f"{stem}-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)}
    return found


def _other(found: Checkpoint, wanted: Wanted, where: str) -> Iterator[Finding]:
    kind = found.quantisation.kind
    asked = wanted.quantisation
    if asked not in (ANY, kind) and not (asked == "nvfp4" and kind in (W4A4, W4A16, MIXED)):
        yield Finding(
            f"{where} is quantised as {kind} ({found.quantisation.why}), and {asked} is wanted.",
            "Name another model, or make one with llm-compressor or ModelOpt (docs/nvfp4-proof.md).",
        )
    if wanted.architectures and found.architecture not in wanted.architectures:
        yield Finding(
            f"{wanted.build or 'This build'} does not serve {found.architecture or 'a model without architectures'}.",
            "Take a build that does; vllm/model_executor/models/registry.py of a build lists what it serves.",
        )
    if found.remote_code and not wanted.trust_remote_code:
        code = ", ".join(found.code) or "no .py file beside it"
        yield Finding(
            f"{where}/config.json brings Python of its own (auto_map: {code}), which is not allowed to run.",
            "Read those files, pin the revision, and set vllm_server_trust_remote_code: true; or take auto_map out, if the build "
            "knows the model by itself.",
        )
    if found.context and wanted.context > found.context:
        yield Finding(
            f"A context of {wanted.context:,} tokens is wanted, and the model has {found.context:,}.",
            "Lower vllm_server_max_model_len.",
        )


def notes(found: Checkpoint, capability: str = "12.0") -> Iterator[Finding]:
    """What a reader should know, and what keeps nothing from being served."""
    if found.quantisation.native is False:
        yield Finding(
            f"The checkpoint is {found.quantisation.kind} ({found.quantisation.why}).",
            f"On SM {capability} its weight-only layers run through Marlin by design: the proof will say weight-only.",
        )
    if found.passes > 1:
        yield Finding(
            f"Each token goes through its layers {found.passes} times.",
            f"It generates about {found.passes} times slower than a model of its size.",
        )


def _few(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
