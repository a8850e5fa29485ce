"""Small worlds for the tests: timed pieces, streams, runs, configurations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hostproof.measure.stream import Arrival, Stream, Usage
from hostproof.measure.transport import Piece


def delta(
    content: str | None = None, *, role: str = "", reasoning: str = "", finish: str | None = None, **more: Any
) -> str:
    inner: dict[str, Any] = {}
    if role:
        inner["role"] = role
    if content is not None:
        inner["content"] = content
    if reasoning:
        inner["reasoning_content"] = reasoning
    return event({"choices": [{"delta": inner, "finish_reason": finish}], **more})


def event(body: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def usage(completion: int, prompt: int = 10, **more: Any) -> str:
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more}})


DONE = "data: [DONE]\n\n"


def pieces(timed: Iterable[tuple[float, str]]) -> list[Piece]:
    return [Piece(at, text.encode()) for at, text in timed]


def stream(
    times: Iterable[float],
    *,
    prompt: int = 100,
    cached: int | None = None,
    timings: Mapping[str, Any] | None = None,
) -> Stream:
    """One token at each time."""
    arrivals = tuple(Arrival(at, 1) for at in times)
    return Stream(arrivals, "x", "length", Usage(prompt, len(arrivals), cached), timings or {}, "exact")


def cell(**changes: Any) -> dict[str, Any]:
    return {"name": "decode", "prompt_tokens": 20, "output_tokens": 8, "cache": "cold", **changes}


def workload(*cells: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "schema": "hostproof.workload/1",
        "name": "small",
        "version": 1,
        "description": "",
        "runs": 2,
        "warmups": 1,
        "cells": list(cells) or [cell()],
        **changes,
    }


def server(**changes: Any) -> dict[str, Any]:
    return {
        "schema": "hostproof.server/1",
        "server": "vllm_server",
        "unit": "",
        "url": "http://127.0.0.1:1",
        "api_key_file": "",
        "model": "mock-model",
        "served_name": "mock",
        "model_path": "/models/mock",
        "parameters_billion": 0.5,
        "context": 4096,
        "release": "r1",
        "flags": {"--max-num-seqs": "1"},
        **changes,
    }


def config(**changes: Any) -> dict[str, Any]:
    return {
        "run_id": "run-1",
        "host": "lab",
        "hardware": "lab",
        "setup": "gpu",
        "server": server(),
        "workload": workload(),
        "deadline_seconds": 60,
        **changes,
    }
