"""Every event of every answer with its time, as it came: gzipped JSON, one line a request. Figures can be made anew from it.

`{"cell", "run", "warmup", "connect_seconds", "counted", "failed", "void", "events": [[seconds since the request was sent, data], …]}`
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hostproof.measure.sample import Run
from hostproof.measure.workload import Cell

LEVEL = 3
"""Of compression: nine tenths of what more would save, in a fifth of the time; written between runs, never in one."""


@contextmanager
def opened(path: Path | None) -> Iterator[Callable[[Cell, Run], None]]:
    """Gives a function that keeps a run. The file appears whole when everything is over, also when that was an error."""
    if path is None:
        yield lambda cell, run: None
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with gzip.open(beside, "wt", encoding="utf-8", compresslevel=LEVEL) as file:
            yield lambda cell, run: print(
                json.dumps(line(cell, run), ensure_ascii=False, separators=(",", ":")), file=file
            )
    finally:
        if beside.exists():
            beside.replace(path)


def line(cell: Cell, run: Run) -> dict[str, Any]:
    told: dict[str, Any] = {
        "cell": cell.name,
        "run": run.number,
        "warmup": run.warmup,
        "failed": run.failed,
        "void": run.void,
    }
    if run.stream is not None:
        events = [[round(at, 7), data] for at, data in run.stream.raw]
        told |= {
            "connect_seconds": round(run.stream.connect_seconds, 7),
            "counted": run.stream.counted,
            "events": events,
        }
    return told
