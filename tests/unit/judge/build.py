"""Small Results and thresholds, built from figures alone; the same each time."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hostproof.judge.model import Kind, Statistic, Threshold
from hostproof.judge.thresholds import ThresholdsFile
from hostproof.measure.result import Agreement, Check, Measurement, Result, Setup

OK = (Check("answers", True, "first answer: 'yes'"), Check("stop", True, "stopped where it was told to"))
WORKLOAD: Mapping[str, Any] = {
    "schema": "hostproof.workload/1",
    "name": "seed",
    "version": 1,
    "description": "…",
    "runs": 6,
    "warmups": 1,
    "cells": [
        {"name": "long-prompt", "prompt_tokens": 4640, "output_tokens": 64, "cache": "cold"},
        {
            "name": "decode",
            "prompt_tokens": 128,
            "output_tokens": 800,
            "cache": "cold",
            "checkpoints": [200, 400, 800],
        },
        {"name": "prefix", "prompt_tokens": 2048, "output_tokens": 64, "cache": "warm"},
    ],
}
ONE_CELL: Mapping[str, Any] = {**WORKLOAD, "cells": [WORKLOAD["cells"][1]]}


def measured(metric: str, samples: Sequence[float], cell: str = "decode", **more: Any) -> Measurement:
    return Measurement(cell, metric, tuple(samples), **more)


def result(*measurements: Measurement, **more: Any) -> Result:
    """On host `epyc01`, setup `gpu`, all checks passed, one cell `decode`."""
    known: dict[str, Any] = {
        "run_id": "run-1",
        "host": "epyc01",
        "hardware": "epyc",
        "setup": Setup("gpu", "vllm_server", "coder", 40.0, {"--max-num-seqs": "1"}),
        "workload": ONE_CELL,
        "started": "2026-11-24T10:00:00+00:00",
        "finished": "2026-11-24T10:06:40+00:00",
        "environment": {"cpu": "AMD EPYC 9175F", "cores": "16", "load_before": "0.10 0.20 0.30"},
        "checks": OK,
    }
    return Result(measurements=measurements, **{**known, **more})


def threshold(
    metric: str = "generation_throughput",
    kind: Kind = "min",
    bound: float = 25.0,
    statistic: Statistic = "median",
    cell: str = "decode",
    **more: Any,
) -> Threshold:
    """`min` or `max`; `more` has the fields of other kinds."""
    low, high = (bound, None) if kind == "min" else (None, bound)
    known: dict[str, Any] = {"low": low, "high": high, "source": "a test", "where": f"t.yml:{bound:g}"}
    return Threshold(cell=cell, metric=metric, kind=kind, statistic=statistic, **{**known, **more})


def thresholds(*entries: Threshold, not_judged: Mapping[str, str] | None = None) -> ThresholdsFile:
    return ThresholdsFile(Path("t.yml"), "epyc", "gpu", "coder", "seed", entries, not_judged or {}, "t.yml:9")


def epyc(seed: int = 1, speed: float = 27.6, **more: Any) -> Result:
    """Made-up figures of the seed's size: all three cells, gaps between tokens, telemetry, agreements."""
    chance = random.Random(seed)

    def around(middle: float, spread: float, count: int = 6) -> tuple[float, ...]:
        return tuple(round(chance.gauss(middle, spread), 6) for _ in range(count))

    gap = 1 / speed
    tokens = (*(abs(x) for x in around(gap, gap / 40, 600)), gap * 4, gap * 6)
    tg = around(speed, 0.3)
    found = [
        measured("ttft", around(2.7, 0.06), "long-prompt", warmups=(2.9,)),
        measured("prompt_throughput", around(1720, 40), "long-prompt", warmups=(1600.0,)),
        measured("generation_throughput", around(speed - 0.4, 0.3), "long-prompt"),
        measured("kv_cache_usage", (0.0228,) * 6, "long-prompt", source="server:/metrics"),
        measured("failed_requests", (0.0,) * 6, "long-prompt"),
        measured("ttft", around(0.11, 0.004), "decode", warmups=(0.14,)),
        measured("prompt_throughput", around(1240, 40), "decode"),
        measured("generation_throughput", tg, "decode", warmups=(speed - 0.9,)),
        measured("inter_token_latency", tokens, "decode", over="tokens"),
        *(
            measured(f"latency_at_{n}", tuple(round(0.11 + n / x, 4) for x in tg), "decode")
            for n in (200, 400, 800)
        ),
        measured("kv_cache_usage", (0.0045,) * 6, "decode", source="server:/metrics"),
        measured("cpu_utilisation", around(0.08, 0.004), "decode", source="/proc/stat"),
        measured("peak_memory", (6.1e9,) * 6, "decode", source="cgroup"),
        measured("performance_factor", tuple(round(x / 39.79, 5) for x in tg), "decode"),
        measured("failed_requests", (0.0,) * 6, "decode"),
        Measurement("prefix", "prompt_throughput", (), problem="the prompt comes from the prefix cache"),
        measured("prefix_cache_hit_rate", (0.93,) * 6, "prefix", source="server:usage"),
        measured("failed_requests", (0.0,) * 6, "prefix"),
    ]
    known: dict[str, Any] = {
        "hardware": "epyc-9175f-rtx-pro-6000-max-q",
        "setup": Setup("gpu", "vllm_server", "iquest-coder-v1-40b-instruct-nvfp4", 39.79),
        "workload": WORKLOAD,
        "agreements": (
            Agreement("decode", "generation_throughput", tg[0], tg[0] * 1.001, "server:/metrics"),
        ),
        "telemetry": {
            "cpu_per_core": [round(chance.random() * 0.2, 3) for _ in range(15)] + [0.97],
            "gpu": {"memory_used_bytes_max": 9.2e10, "power_watts_max": 296.0, "energy_joules": 71_000.0},
            "instrument": {"cpu_seconds": 1.2, "wall_seconds": 400.0},
            "connect_seconds_max": 0.0004,
        },
    }
    return result(*found, **{**known, **more})
