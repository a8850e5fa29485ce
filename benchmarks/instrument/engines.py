"""Three tools that load a server: how each is started for the same requests, and where each keeps its figures."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.instrument.schedule import Figures
from hostproof.measure.workload import SCHEMA

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent
ENVIRONMENTS: Final = ROOT / ".cache/benchmarks"
LIMIT_SECONDS: Final = 600
INPUT_TOKENS: Final = 64


@dataclass(frozen=True)
class Order:
    """The same requests for each: one after the other, `output` tokens each."""

    url: str
    model: str
    requests: int
    output: int
    tokenizer: Path
    """A folder with tokenizer.json and config.json: two of the three will not start without one."""
    folder: Path


@dataclass(frozen=True)
class Engine:
    name: str
    version: str
    command: Callable[[Order], Sequence[str]]
    figures: Callable[[Order], Figures]


@dataclass(frozen=True)
class Ran:
    """One run of one engine. Processor seconds include everything that it started."""

    begun: float
    wall_seconds: float
    cpu_seconds: float
    figures: Figures


def run(engine: Engine, order: Order) -> Ran:
    """Raises CalledProcessError with what it said if it did not end well."""
    command = engine.command(order)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "", "TOKENIZERS_PARALLELISM": "false"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{engine.name} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ran(begun, wall, cpu, engine.figures(order))


def _hostproof(order: Order) -> Sequence[str]:
    cell = {"name": "answer", "prompt_tokens": INPUT_TOKENS, "output_tokens": order.output, "cache": "cold"}
    raw = {
        "schema": SCHEMA,
        "name": "bench",
        "version": 1,
        "runs": order.requests,
        "warmups": 0,
        "cells": [cell],
    }
    (order.folder / "bench.yml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    words = [
        f"--url={order.url}",
        f"--workload={order.folder / 'bench.yml'}",
        f"--json={order.folder / 'h.json'}",
    ]
    return [str(ROOT / "inv"), "measure", *words]


def _of_hostproof(order: Order) -> Figures:
    (cell,) = _read(order.folder / "h.json")["cells"]
    metrics = cell["metrics"]
    itl = metrics["itl_s"]
    return Figures(
        metrics["ttft_s"]["median"], metrics["generation_tok_s"]["median"], itl["median"], itl["p95"]
    )


def _guidellm(order: Order) -> Sequence[str]:
    return [
        str(ENVIRONMENTS / "guidellm/bin/guidellm"),
        "run",
        "--backend",
        f"kind=openai_http,target={order.url},model={order.model}",
        *["--profile", "kind=synchronous"],
        *["--constraint", f"kind=max_requests,count={order.requests}"],
        *["--tokenizer", f"kind=hf_auto,model={order.tokenizer}"],
        *["--data", f"kind=synthetic_text,prompt_tokens={INPUT_TOKENS},output_tokens={order.output}"],
        *["--output", f"kind=json,path={order.folder / 'g.json'}"],
        "--disable-console",
    ]


def _of_guidellm(order: Order) -> Figures:
    metrics = _read(order.folder / "g.json")["benchmarks"][0]["metrics"]
    ttft = metrics["time_to_first_token_ms"]["successful"]
    itl = metrics["inter_token_latency_ms"]["successful"]
    return Figures(
        ttft["median"] / 1000,
        1000 / itl["median"],
        itl["median"] / 1000,
        itl["percentiles"]["p95"] / 1000,
    )


def _aiperf(order: Order) -> Sequence[str]:
    return [
        str(ENVIRONMENTS / "aiperf/bin/aiperf"),
        "profile",
        *["--model", order.model, "--url", order.url, "--endpoint-type", "chat", "--streaming"],
        *["--tokenizer", str(order.tokenizer), "--use-server-token-count", "--ui", "none"],
        *["--request-count", str(order.requests), "--concurrency", "1"],
        *["--isl", str(INPUT_TOKENS), "--osl", str(order.output), "--extra-inputs", "ignore_eos:true"],
        *["--artifact-dir", str(order.folder / "aiperf")],
    ]


def _of_aiperf(order: Order) -> Figures:
    told = _read(order.folder / "aiperf/profile_export_aiperf.json")
    itl = told["inter_token_latency"]
    return Figures(
        told["time_to_first_token"]["p50"] / 1000, 1000 / itl["p50"], itl["p50"] / 1000, itl["p95"] / 1000
    )


def _read(path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


ENGINES: Final = (
    Engine("hostproof", "this checkout", _hostproof, _of_hostproof),
    Engine("guidellm", "0.8.1", _guidellm, _of_guidellm),
    Engine("aiperf", "0.13.0", _aiperf, _of_aiperf),
)


def environment(name: str) -> None:
    """An environment of its own under .cache/, exactly as its lock says. torch is its CPU build: a GPU's is 5 GB more."""
    python = ENVIRONMENTS / name / "bin/python"
    uv = str(Path(sys.executable).parent / "uv")
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(ENVIRONMENTS / name)], check=True)
    subprocess.run(
        [uv, "pip", "sync", "--quiet", "--python", str(python), str(HERE / f"{name}.lock")], check=True
    )
