"""Reads a checkpoint on the host, and refuses one that cannot be served as wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import ceilings, checkpoint, checkpoint_look
from ansible_collections.hostproof.core.plugins.module_utils.checkpoint import CheckpointError

DOCUMENTATION = """
module: checkpoint
short_description: Reads a checkpoint of safetensors, and refuses one that cannot be served as wanted
description:
  - Reads C(config.json), C(hf_quant_config.json), the index, and the beginning of every shard; no weights.
  - Fails with a sentence for each thing that is in the way - missing or cut shards, another quantisation, an architecture that the
    build does not serve, Python of its own that may not run.
options:
  folder: {type: path, required: true, description: The model's folder.}
  quantisation:
    description: What it must be. C(nvfp4) takes weight-only ones too, and says so in RV(notes).
    type: str
    choices: [any, none, nvfp4, nvfp4-w4a4]
    default: any
  release: {type: path, default: "", description: "Folder of the vLLM release that is to serve it; empty: not checked against one."}
  build: {type: str, default: "", description: "That release as people call it, such as vLLM 0.33.0."}
  trust_remote_code: {type: bool, default: false, description: Whether Python that comes with it may run.}
  context: {type: int, default: 0, description: "Tokens of context that are wanted; 0: not checked."}
  sequences: {type: int, default: 1, description: Requests at once.}
  kv_cache_dtype: {type: str, default: auto, description: "As vLLM's --kv-cache-dtype; auto: as the checkpoint says."}
  gpu: {type: str, default: "", description: "The GPU by NVML's name, for the ceiling."}
  gpu_bytes_per_second: {type: float, default: 0, description: "Its memory's bandwidth, where the table has none."}
attributes:
  check_mode: {support: full, description: Reads only. A folder that is not there yet is no error then.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Look at the model before it is served
  hostproof.core.checkpoint:
    folder: /var/lib/hostproof/models/coder-nvfp4
    quantisation: nvfp4
    release: /opt/vllm/releases/0.33.0
    context: 32768
    gpu: NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition
"""

RETURN = """
found:
  description: What it is; empty in check mode without a folder.
  returned: success
  type: dict
ceiling:
  description: "C(tokens_per_second) and C(why), for the endpoint file; empty if the GPU is not known."
  returned: success
  type: dict
notes: {description: What a reader should know., returned: success, type: list, elements: str}
"""

ARGUMENTS = {
    "folder": {"type": "path", "required": True},
    "quantisation": {"type": "str", "choices": ["any", "none", "nvfp4", "nvfp4-w4a4"], "default": "any"},
    "release": {"type": "path", "default": ""},
    "build": {"type": "str", "default": ""},
    "trust_remote_code": {"type": "bool", "default": False},
    "context": {"type": "int", "default": 0},
    "sequences": {"type": "int", "default": 1},
    "kv_cache_dtype": {"type": "str", "default": "auto"},
    "gpu": {"type": "str", "default": ""},
    "gpu_bytes_per_second": {"type": "float", "default": 0.0},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    folder = Path(module.params["folder"])
    if module.check_mode and not folder.exists():
        module.exit_json(changed=False, found={}, ceiling={}, notes=[])
    try:
        files = checkpoint_look.look(folder)
        complaints = [str(each) for each in checkpoint.refusals(files, wanted(module), str(folder))]
        if complaints:
            module.fail_json(msg="\n".join(complaints))
        found = checkpoint.read(files)
        told = facts(module, found)
    except (CheckpointError, OSError) as error:
        module.fail_json(msg=f"{folder}: {error}")
    module.exit_json(
        changed=False,
        found=told,
        ceiling=ceiling(module, found),
        notes=[str(each) for each in checkpoint.notes(found)],
    )


def wanted(module: AnsibleModule) -> checkpoint.Wanted:
    return checkpoint.Wanted(
        quantisation=module.params["quantisation"],
        architectures=architectures(module, module.params["release"]),
        build=module.params["build"],
        trust_remote_code=module.params["trust_remote_code"],
        context=module.params["context"],
    )


def architectures(module: AnsibleModule, release: str) -> frozenset[str]:
    if not release or (module.check_mode and not Path(release).exists()):
        return frozenset()
    pattern = "lib/python*/site-packages/vllm/model_executor/models/registry.py"
    files = sorted(Path(release).glob(pattern))
    known = checkpoint.known_architectures(files[0].read_text(encoding="utf-8")) if files else frozenset()
    if not known:
        module.fail_json(msg=f"No list of architectures was found in {release} ({pattern}). Is that vLLM?")
    return known


def facts(module: AnsibleModule, found: checkpoint.Checkpoint) -> dict[str, Any]:
    dtype = kv_dtype(module, found)
    tokens = module.params["context"] or found.context
    least, most = found.vram_bytes(tokens, module.params["sequences"], dtype)
    quantised = found.quantisation
    return {
        "architecture": found.architecture,
        "parameters": found.parameters,
        "weights_bytes": found.weights_bytes,
        "read_bytes_per_token": found.read_bytes_per_token,
        "kv_cache_dtype": dtype,
        "kv_bytes_per_token": found.kv_bytes_per_token(dtype),
        "kv_tokens": tokens * module.params["sequences"],
        "vram_bytes": {"least": least, "most": most},
        "quantisation": quantised.kind,
        "quantisation_why": quantised.why,
        "w4a4": quantised.native,
        "passes": found.passes,
        "remote_code": found.remote_code,
        "code": list(found.code),
    }


def kv_dtype(module: AnsibleModule, found: checkpoint.Checkpoint) -> str:
    """vLLM's names for 8 bits are several; its auto follows the checkpoint, else 16 bits."""
    asked = module.params["kv_cache_dtype"]
    if asked == "auto":
        return found.quantisation.kv_cache or "bfloat16"
    return "fp8" if asked.startswith("fp8") else asked


def ceiling(module: AnsibleModule, found: checkpoint.Checkpoint) -> dict[str, Any]:
    card = ceilings.gpu(module.params["gpu"], module.params["gpu_bytes_per_second"])
    if card is None:
        return {}
    made = ceilings.generation(found.read_bytes_per_token, found.kv_bytes_per_token(), card)
    return {"tokens_per_second": round(made.tokens_per_second, 2), "why": made.why}


if __name__ == "__main__":
    main()
