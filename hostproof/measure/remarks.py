"""What a reader of the figures must know: proof that cold was cold, and every gap as a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hostproof.measure import sample
from hostproof.measure.result import Check
from hostproof.measure.sample import CellRuns


def cold_check(done: Sequence[CellRuns]) -> Check | None:
    """None if there was no cold run whose cache use the server told."""
    told = [
        (cells.cell.name, run.number, found[0])
        for cells in done
        if cells.cell.cache == "cold"
        for run in cells.measured
        if (found := sample.cached(run))
    ]
    if not told:
        return None
    warm = [f"{name} run {number}: {hits:.0f} tokens" for name, number, hits in told if hits]
    if warm:
        return Check("cold_prompts", False, f"found in the prefix cache: {', '.join(warm)}")
    return Check("cold_prompts", True, f"none of {len(told)} cold prompts had a token in the prefix cache")


def gaps(done: Sequence[CellRuns]) -> Iterator[str]:
    for cells in done:
        yield from _cell_gaps(cells)


def _cell_gaps(cells: CellRuns) -> Iterator[str]:
    name = f"cell {cells.cell.name}"
    if cells.ended:
        yield f"{name}: {len(cells.measured)} of {cells.cell.runs} runs, because {cells.ended}"
    void = [run for run in cells.measured if run.void]
    if void:
        yield f"{name}: {len(void)} of {len(cells.measured)} runs are void; the last: {void[-1].void}"
    streams = [run.stream for run in cells.measured if run.stream]
    if cells.cell.cache == "cold" and streams and not any(sample.cached(run) for run in cells.measured):
        yield f"{name}: the server does not tell whether the prompts were cold"
    shared = sum(stream.shared_chunks for stream in streams)
    if shared:
        total = sum(stream.tokens for stream in streams)
        yield f"{name}: {shared} of {total} tokens came several to a chunk; their gaps are even shares"
    if any(stream.counted == "spread" for stream in streams):
        yield f"{name}: the server counts no tokens while it streams; they were spread evenly over the chunks"
