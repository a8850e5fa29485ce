"""Says what limits a server on this host: bytes and operations of a token, and how fast the host can do them."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import (
    bandwidth,
    checkpoint,
    checkpoint_look,
    ggml_types,
    gguf,
    gpu_copy,
    limits_of,
    model_costs,
    page_evidence,
    proof_look,
)
from ansible_collections.hostproof.core.plugins.module_utils.bandwidth import Bandwidth, BandwidthError
from ansible_collections.hostproof.core.plugins.module_utils.facts import gather
from ansible_collections.hostproof.core.plugins.module_utils.model_costs import Costs

DOCUMENTATION = """
module: roofline
short_description: Says what limits a server on this host
description:
  - Reads what a token costs from the header of the served model, GGUF or safetensors; no weights.
  - Measures how fast this host reads its memory, two seconds, unless C(record) has it from before and the host is the same; of GPUs
    takes what NVML told, and copies inside their VRAM through the driver's library.
  - Looks at the running server, for what may hold it back - its pages by node, its CPUs, what llama.cpp says of its build.
  - Never fails for what it does not find; C(roofline.gaps) says what that was.
options:
  endpoint: {type: dict, required: true, description: "As /etc/hostproof/servers has it, C(hostproof.server/1)."}
  gpus: {type: list, elements: dict, default: [], description: As M(hostproof.core.gpu_facts) lists them.}
  record: {type: path, default: /var/lib/hostproof/bandwidth.json, description: Where a quiet host's bandwidth is kept.}
  measure: {type: bool, default: true, description: "Whether bandwidth may be measured; else the record or theory has to do."}
attributes:
  check_mode: {support: full, description: "Measures nothing, keeps nothing."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See what limits the server
  hostproof.core.roofline:
    endpoint: "{{ lookup('ansible.builtin.file', 'llama_server.json') | from_json }}"
"""

RETURN = """
roofline: {description: "C(hostproof.roofline/1), docs/roofline.md.", returned: success, type: dict}
ceiling:
  description: "C(tokens_per_second) and C(why), as the endpoint file has it; empty if it is not known."
  returned: success
  type: dict
"""

ARGUMENTS = {
    "endpoint": {"type": "dict", "required": True},
    "gpus": {"type": "list", "elements": "dict", "default": []},
    "record": {"type": "path", "default": "/var/lib/hostproof/bandwidth.json"},
    "measure": {"type": "bool", "default": True},
}
SCHEMA = "hostproof.roofline/1"
KV_FLAGS = (("--cache-type-k", "-ctk"), ("--cache-type-v", "-ctv"))
SYSTEM_INFO = re.compile(r"system_info: .*")
DEFAULT_BATCH = {"llama_server": 512, "vllm_server": 8192}
"""Prompt tokens in one pass over the weights, where no flag says it: --ubatch-size, --max-num-batched-tokens."""
FACTS = ("cpu", "memory", "numa", "power")


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    endpoint = module.params["endpoint"]
    gaps: list[str] = []
    facts = gather.to_json(gather.gather())
    costs, quantisation, cache = costs_of(endpoint, gaps)
    pids = proof_look.start(module, str(endpoint.get("unit", ""))).pids
    where = limits_of.device(pids, module.params["gpus"], costs.weights_bytes if costs else 0)
    if where == limits_of.CPU:
        memory, compute = of_cpu(module, facts, costs, gaps)
    elif where == limits_of.GPU:
        memory, compute = of_gpu(module, pids, quantisation, gaps)
    else:
        memory, compute = {}, {}
        gaps.append(
            "the model lies partly in VRAM and partly in the host's memory: no one bandwidth limits it"
        )
    told = {
        "schema": SCHEMA,
        "server": str(endpoint.get("server", "")),
        "device": where,
        "model": dataclasses.asdict(costs) if costs else {},
        "quantisation": quantisation,
        "cache_element_bytes": cache,
        "batch": batch_of(endpoint),
        "memory": memory,
        "compute": compute,
        "facts": {key: facts[key] for key in FACTS},
        "gpus": [without_processes(each) for each in module.params["gpus"]],
        "seen": seen(module, endpoint, pids, len(facts["numa"]["nodes"])),
        "gaps": gaps,
    }
    ceiling = endpoint.get("ceiling") or (limits_of.ceiling(costs, memory) if costs else {})
    module.exit_json(changed=False, roofline=told, ceiling=ceiling)


def costs_of(endpoint: Mapping[str, Any], gaps: list[str]) -> tuple[Costs | None, str, float]:
    """What a token costs, how the weights are stored, and bytes of an element of the cache."""
    path = Path(str(endpoint.get("model_path", "")))
    flags = {str(name): str(value) for name, value in (endpoint.get("flags") or {}).items()}
    try:
        if path.suffix == ".gguf":
            costs = model_costs.of_gguf(gguf.load(path), path.name)
            return costs, costs.main_type, gguf_cache(flags, gaps)
        found = checkpoint.read(checkpoint_look.look(path))
        kind = found.quantisation.kind
        return (
            model_costs.of_checkpoint(found),
            "BF16" if kind == "none" else kind,
            vllm_cache(flags, found, gaps),
        )
    except (gguf.GgufError, checkpoint.CheckpointError, OSError) as error:
        gaps.append(f"what a token costs is not known: {path}: {error}")
        return None, "", 0.0


def gguf_cache(flags: Mapping[str, str], gaps: list[str]) -> float:
    """The mean over keys and values; llama.cpp's default is f16."""
    sizes = []
    for names in KV_FLAGS:
        asked = next((flags[name] for name in names if name in flags), "f16").lower()
        if asked not in ggml_types.BY_NAME:
            gaps.append(f"the size of a cache of {asked} is not known, and counted as f16")
            asked = "f16"
        sizes.append(ggml_types.BY_NAME[asked].element_bytes)
    return sum(sizes) / len(sizes)


def vllm_cache(flags: Mapping[str, str], found: checkpoint.Checkpoint, gaps: list[str]) -> float:
    asked = flags.get("--kv-cache-dtype", "auto")
    if asked == "auto":
        asked = found.quantisation.kv_cache or "bfloat16"
    asked = "fp8" if asked.startswith("fp8") else asked
    if asked not in checkpoint.KV_DTYPE_BYTES:
        gaps.append(f"the size of a cache of {asked} is not known, and counted as 16 bits")
    return float(checkpoint.KV_DTYPE_BYTES.get(asked, 2))


def batch_of(endpoint: Mapping[str, Any]) -> int:
    flags = endpoint.get("flags") or {}
    for name in ("--ubatch-size", "-ub", "--max-num-batched-tokens"):
        if str(flags.get(name, "")).isdigit():
            return int(flags[name])
    return DEFAULT_BATCH.get(str(endpoint.get("server", "")), 512)


def of_cpu(
    module: AnsibleModule, facts: dict[str, Any], costs: Costs | None, gaps: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    problem, found = "", None
    try:
        found = read_bandwidth(module, facts)
    except (BandwidthError, OSError) as error:
        problem = str(error)
        gaps.append(f"read bandwidth was not measured: {problem}")
    kind = costs.main_type if costs and costs.main_type else "BF16"
    memory = limits_of.cpu_memory(facts, found, problem)
    if not memory and not problem:
        gaps.append("read bandwidth is not known: it was not to be measured, and no DIMM says its speed")
    return memory, limits_of.cpu_compute(facts, kind, megahertz())


def read_bandwidth(module: AnsibleModule, facts: dict[str, Any]) -> Bandwidth | None:
    """From the record if the host is the same, else measured, and kept if the host was quiet."""
    place = bandwidth.place(facts, frozenset(os.sched_getaffinity(0)))
    key = bandwidth.key(facts, place)
    path = Path(module.params["record"])
    before = bandwidth.kept(text(path), key)
    if before or module.check_mode or not module.params["measure"]:
        return before
    found = bandwidth.measure(place)
    if not found.busy:
        keep(path, bandwidth.record(found, key, datetime.now(UTC).isoformat(timespec="seconds")))
    return found


def keep(path: Path, content: str) -> None:
    """All of it or nothing."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)
    Path(name).replace(path)


def megahertz() -> float:
    """The highest that a core shows now; 0 where none does."""
    return max(
        map(float, re.findall(r"^cpu MHz\s*: ([\d.]+)", text(Path("/proc/cpuinfo")), re.MULTILINE)),
        default=0.0,
    )


def of_gpu(
    module: AnsibleModule, pids: frozenset[int], quantisation: str, gaps: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    used = [
        gpu for gpu in module.params["gpus"] if any(p.get("pid") in pids for p in gpu.get("processes") or ())
    ]
    copied, problems = {}, {}
    for gpu in used if module.params["measure"] and not module.check_mode else ():
        address = str(gpu.get("address", ""))
        try:
            copied[address] = gpu_copy.measure(address)
        except gpu_copy.CopyError as error:
            problems[address] = str(error)
    memory = limits_of.gpu_memory(used, copied, problems)
    gaps.extend(f"a copy inside VRAM was not measured: {why}" for why in dict.fromkeys(problems.values()))
    if not memory:
        names = ", ".join(str(gpu.get("name") or "a card without a name") for gpu in used)
        gaps.append(
            f"the bandwidth of {names} is in no table, and NVML does not tell clock and width of its memory"
        )
    return memory, limits_of.gpu_compute(used, quantisation)


def without_processes(gpu: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in gpu.items() if key not in ("processes", "uuid")}


def seen(
    module: AnsibleModule, endpoint: Mapping[str, Any], pids: frozenset[int], nodes: int
) -> dict[str, Any]:
    """Of the largest process of the server. What is not there is left out."""
    rollups = {pid: page_evidence.sizes(text(Path(f"/proc/{pid}/smaps_rollup"))) for pid in pids}
    told: dict[str, Any] = {}
    if rollups:
        largest = max(rollups, key=lambda pid: rollups[pid]["resident"])
        status = text(Path(f"/proc/{largest}/status"))
        swap = re.search(r"^VmSwap:\s+(\d+) kB", status, re.MULTILINE)
        told = {**rollups[largest], "cpus": page_evidence.allowed(status)}
        told["swapped_bytes"] = int(swap[1]) * 1024 if swap else 0
        if nodes > 1:  # numa_maps counts every page: a second for tens of gigabytes
            told["pages"] = limits_of.pages(text(Path(f"/proc/{largest}/numa_maps")))
    unit = str(endpoint.get("unit", ""))
    log = proof_look.journal(module, unit, proof_look.start(module, unit).invocation)
    if infos := SYSTEM_INFO.findall(log):
        told["system_info"] = infos[-1]
    return told


def text(path: Path) -> str:
    """Empty for what is not there, or not for us: processes come and go."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


if __name__ == "__main__":
    main()
