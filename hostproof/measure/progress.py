"""What a person sees while it measures: one line a run; and the same as JSON for a program."""

from __future__ import annotations

from typing import Any

from hostproof.measure import sample
from hostproof.measure.sample import Run
from hostproof.measure.workload import Cell


def line(cell: Cell, run: Run) -> str:
    if cell.kind != "single":
        return f"cell {cell.name} {_place(cell, run)}: {_outcome(run)}"
    kind, of = ("warm-up", cell.warmups) if run.warmup else ("run", cell.runs)
    beyond = "" if run.number <= of else ", not settled yet"
    return f"cell {cell.name} {kind} {run.number}/{of}{beyond}: {_outcome(run)}"


def _place(cell: Cell, run: Run) -> str:
    if run.turn:
        return f"session {run.group}/{cell.runs} turn {run.turn}"
    if run.group:
        return f"wave {run.group}/{cell.runs} of {cell.concurrency} at once"
    return f"run {run.number}" + ("" if cell.kind == "soak" else f"/{cell.runs}")


def _outcome(run: Run) -> str:
    if run.stream is None:
        return f"failed: {run.failed}" if run.failed else f"void: {run.void}"
    speed = sample.generation_throughput(run.stream)
    shown = f"{speed:.1f} tok/s" if speed is not None else "no speed"
    late = (
        ""
        if run.cancel_seconds is None
        else f", {run.cancel_seconds:.2f} s late after a request was broken off"
    )
    return f"{shown}, TTFT {sample.ttft(run.stream):.2f} s{late}"


def event(cell: Cell, run: Run) -> dict[str, Any]:
    told: dict[str, Any] = {
        "cell": cell.name,
        "run": run.number,
        "of": cell.warmups if run.warmup else cell.runs,
        "warmup": run.warmup,
        "failed": run.failed,
        "void": run.void,
    }
    if run.stream is not None:
        told["ttft"] = sample.ttft(run.stream)
        told["generation_throughput"] = sample.generation_throughput(run.stream)
    return told
