"""Whole reports out of the judge's made-up figures."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hostproof.judge.model import Threshold, Verdict
from hostproof.judge.thresholds import ThresholdsFile
from hostproof.judge.verdict import judge_setup, missing
from hostproof.measure.result import Measurement, Result
from hostproof.report.material import Material
from tests.unit.judge.build import epyc, threshold, thresholds

NOT_JUDGED = {"long-prompt": "not today", "prefix": "not today"}
LOG = "llama-server.service does not serve: it ended at start (exit-code, status 1). Its log ends:\nloading …\nno such file"


def judged() -> Material:
    """On one host `gpu` as a mix of outcomes, and `cpu` that died at start."""
    result = epyc()
    given = thresholds(
        threshold(bound=25.0),
        threshold("latency_at_800", "max", 1.0),
        threshold("performance_factor", bound=0.693),
        threshold("peak_memory", "max", 1e12, "max"),
        not_judged=NOT_JUDGED,
    )
    verdicts = (judge_setup(result, given), missing("epyc01", "cpu", LOG))
    return Material(Verdict("run-1", verdicts), (result,), {"gpu": "B: GPU nvfp4", "cpu": "A: CPU"})


def proven() -> Material:
    result = epyc()
    given = thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED)
    return Material(Verdict("run-1", (judge_setup(result, given),)), (result,), {"gpu": "B: GPU nvfp4"})


def hostile() -> Material:
    """Names and messages that are markup in one form or another."""
    nasty = '<script>alert("x")</script> | `rm` ]]> \x00 & **b**'
    result = epyc(environment={"cpu": nasty}, gaps=(nasty,))
    given = thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED)
    return Material(Verdict("run-1", (judge_setup(result, given),)), (result,), {"gpu": nasty})


def only(entry: Threshold) -> ThresholdsFile:
    """A file that judges one cell."""
    rest = [cell for cell in ("long-prompt", "decode", "prefix") if cell != entry.cell]
    return thresholds(entry, not_judged=dict.fromkeys(rest, "not today"))


def empty() -> Material:
    return Material(Verdict("run-1", ()), (), {})


def telemetry(host: str = "epyc01", cores: int = 16, looks: int = 60) -> dict[str, Any]:
    """Six runs of `decode`, the third beside a neighbour, as the recorder tells them."""
    chance = random.Random(host)
    seconds = [round((n + 1) * 3.2, 2) for n in range(looks)]
    runs = [
        {
            "cell": "decode",
            "number": number + 1,
            "begun_seconds": number * 31.0,
            "seconds": 29.5,
            "busy_cores": 2.1,
            "server_cores": 1.9,
            "others_cores": 4.2 if number == 2 else 0.02,
            "steal_cores": 0.0,
            "waited_cpu": 0.31 if number == 2 else 0.001,
            "mhz": 4420.0,
            "swapped_in_pages": 0,
            "cpu_joules": 2100.0,
            "gpu_joules": 8300.0,
            "throttles": ["power cap"] if number == 4 else [],
            "contended": "others took 4.20 of 16 cores, and somebody waited for a core 31% of the time"
            if number == 2
            else "",
        }
        for number in range(6)
    ]
    return {
        "pace": [
            {
                "cell": "decode",
                "number": run["number"],
                "begun_seconds": run["begun_seconds"],
                "step_seconds": 0.5,
                "tokens": [0, *(chance.choice((13, 14)) for _ in range(58))],
            }
            for run in runs
        ],
        "sampling": {"hertz": 5.0, "looks": looks, "cpu_seconds": 1.9, "wall_seconds": 192.0},
        "runs": runs,
        "series": {
            "seconds": seconds,
            "busy_cores": [round(2 + chance.random(), 3) for _ in seconds],
            "server_cores": [round(1.8 + chance.random() / 4, 3) for _ in seconds],
            "others_cores": [round(chance.random() / 9, 3) for _ in seconds],
            "waited_cpu": [round(chance.random() / 50, 4) for _ in seconds],
            "mhz": [None if n % 20 == 0 else 4400.0 + n for n in range(looks)],
            "cpu_watts": [71.0 for _ in seconds],
            "gpu_watts": [282.0 for _ in seconds],
        },
        "heat": [[chance.choice((0, 3, 40, 100)) for _ in seconds] for _ in range(cores)],
    }


def watched(host: str = "epyc01", cores: int = 16, **more: Any) -> Result:
    made = epyc(host=host, **more)
    seen = {**made.telemetry, **telemetry(host, cores)}
    energy = (
        Measurement("decode", "energy_per_token", (13.0, 13.1, 13.2, 13.0, 13.3, 13.1), source="rapl+nvml"),
        Measurement("decode", "throughput_per_watt", (0.078,) * 6, source="rapl+nvml"),
    )
    return replace(made, telemetry=seen, measurements=(*made.measurements, *energy))


def timed() -> Material:
    result = watched()
    given = thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED)
    return Material(Verdict("run-1", (judge_setup(result, given),)), (result,), {"gpu": "B: GPU nvfp4"})


def passport(channels: int = 12, governor: str = "performance") -> dict[str, Any]:
    return {
        "schema": "hostproof.facts/1",
        "memory": {
            "channels": channels,
            "available_bytes": 7,
            "dimms": [{"size_bytes": 68719476736, "configured_mts": 6400} for _ in range(channels)],
        },
        "power": {"governors": {governor: 32}},
        "gpus": [{"name": "RTX PRO 6000", "power": {"limit_watts": 300.0, "draw_watts": channels * 7.0}}],
        "driver": {"loaded": "580.95.05"},
    }


def fleet(hosts: int = 5, slow: float = 14.0) -> Material:
    """`epyc0N` alike but for the last, which is slow and lacks a DIMM; nothing disturbs them."""
    names = [f"epyc{number + 1:02}" for number in range(hosts)]
    speeds = [27.6 + number * 0.03 for number in range(hosts - 1)] + [slow]
    results = tuple(
        epyc(seed=number, speed=speed, host=name)
        for number, (name, speed) in enumerate(zip(names, speeds, strict=True))
    )
    given = thresholds(threshold(bound=20.0), not_judged=NOT_JUDGED)
    verdict = Verdict("run-1", tuple(judge_setup(result, given) for result in results))
    told = {name: passport(11 if name == names[-1] else 12) for name in names}
    return Material(verdict, results, {"gpu": "B: GPU nvfp4"}, passports=told)


def huge() -> Material:
    """384 processors, 240 looks, 40 cells of 25 runs with as many steps as a run can have, and 200,000 gaps."""
    made = watched(cores=384)
    names = [f"cell-{number}" for number in range(40)]
    looks = [round((n + 1) * 3.2, 2) for n in range(240)]
    chance = random.Random(1)
    cells = [
        {"name": name, "prompt_tokens": 128 * (n + 1), "output_tokens": 400, "cache": "cold"}
        for n, name in enumerate(names)
    ]
    found = [
        Measurement(name, metric, tuple(chance.gauss(2, 0.1) for _ in range(25)))
        for name in names
        for metric in ("ttft", "generation_throughput", "prompt_throughput", "latency")
    ]
    found += [
        Measurement(
            name,
            "inter_token_latency",
            tuple(abs(chance.gauss(0.03, 0.002)) for _ in range(5000)),
            over="tokens",
        )
        for name in names
    ]
    runs = [dict(made.telemetry["runs"][0], cell=name, number=n + 1) for name in names for n in range(25)]
    pace = [
        {
            "cell": run["cell"],
            "number": run["number"],
            "begun_seconds": 0.7 * at,
            "step_seconds": 0.1,
            "tokens": [3] * 120,
        }
        for at, run in enumerate(runs)
    ]
    told = {
        **made.telemetry,
        "runs": runs,
        "pace": pace,
        "heat": [[chance.randrange(101) for _ in looks] for _ in range(384)],
        "series": {name: [1.0 + n for n in range(240)] for name in made.telemetry["series"]}
        | {"seconds": looks},
    }
    result = replace(
        made, measurements=tuple(found), telemetry=told, workload={**made.workload, "cells": cells}
    )
    given = thresholds(threshold(bound=1.0, cell="cell-0"), not_judged=dict.fromkeys(names[1:], "not today"))
    return Material(Verdict("run-1", (judge_setup(result, given),)), (result,), {"gpu": "B: GPU nvfp4"})
