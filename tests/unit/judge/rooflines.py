"""Documents `hostproof.roofline/1` of the seed's setups, as the host writes them."""

from __future__ import annotations

import copy
import json
from typing import Any

from hostproof.judge.roofline import Roofline, from_json

LINEAR = 39_007_027_200
HEAD = 5120 * 76800
MODEL: dict[str, Any] = {
    "architecture": "llama",
    "parameters": 39_794_000_000,
    "weights_bytes": 28_190_000_000,
    "read_bytes": 27_920_000_000,
    "multiplied": LINEAR,
    "head": HEAD,
    "caches": [{"layers": 80, "elements": 2048, "multiplied": 10240, "window": 0}],
    "passes": 1,
}
"""IQuest-Coder 40B in Q5_K_M."""
FACTS: dict[str, Any] = {
    "cpu": {
        "model": "AMD EPYC 9175F 16-Core Processor",
        "sockets": 1,
        "cores": 16,
        "flags": ["avx2", "avx512f", "avx512_vnni"],
    },
    "memory": {
        "channels": 12,
        "slots": 12,
        "dimms": [{}] * 12,
        "rated_mts": 6400,
        "configured_mts": 6400,
    },
    "numa": {"nodes": [{"id": 0, "cpus": "0-15"}]},
    "power": {"maximum_khz": 5_000_000, "governors": {"performance": 16}},
}
CPU: dict[str, Any] = {
    "schema": "hostproof.roofline/1",
    "server": "llama_server",
    "device": "cpu",
    "model": MODEL,
    "quantisation": "Q5_K",
    "cache_element_bytes": 2.0,
    "batch": 512,
    "memory": {
        "bytes_per_second": 490e9,
        "median": 480e9,
        "low": 470e9,
        "source": "measured",
        "why": "best of 9 rounds of reading with 16 cores",
        "busy": "",
        "small": "",
        "cores": 16,
        "one_core": 45e9,
        "nodes": {},
        "theory": 614.4e9,
    },
    "compute": {"operations_per_second": 16 * 5e9 * 256, "why": "16 cores × 5.00 GHz × 256 operations"},
    "facts": FACTS,
    "gpus": [],
    "seen": {"resident": 30_000_000_000, "anon_huge": 29_000_000_000, "cpus": "0-13", "swapped_bytes": 0},
    "gaps": [],
}
GPU: dict[str, Any] = {
    **CPU,
    "server": "vllm_server",
    "device": "gpu",
    "model": MODEL | {"read_bytes": 22_730_000_000, "weights_bytes": 23_510_000_000},
    "quantisation": "nvfp4-w4a4",
    "batch": 8192,
    "memory": {
        "bytes_per_second": 1792e9,
        "source": "data sheet",
        "why": "NVML: 14001 MHz, 512 bits wide",
        "cards": 1,
    },
    "compute": {"operations_per_second": 1.755e15, "why": "FP4: half of the sparse figure"},
    "gpus": [
        {
            "index": 0,
            "name": "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
            "power": {"limit_watts": 300.0, "default_watts": 300.0},
            "clocks": {"maximum_graphics_mhz": 3090},
            "mig": {"enabled": False},
        }
    ],
}


def document(of: dict[str, Any] = CPU, **changed: Any) -> dict[str, Any]:
    """With keys changed: `memory__busy=…` reaches inside."""
    made = copy.deepcopy(of)
    for path, value in changed.items():
        *folders, last = path.split("__")
        inner = made
        for folder in folders:
            inner = inner[folder]
        inner[last] = value
    return made


def roof(of: dict[str, Any] = CPU, **changed: Any) -> Roofline:
    return from_json(json.dumps(document(of, **changed)))
