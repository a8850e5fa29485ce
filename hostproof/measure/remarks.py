"""What a reader of the figures must know: proof that cold was cold, and every gap as a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hostproof.measure import sample
from hostproof.measure.result import Check
from hostproof.measure.sample import CellRuns
from hostproof.measure.stream import Stream

TEMPLATE_JOINS = 2
"""Tokens by which equal prompts may differ within a chat template: the tokenizer joins their first letters with what is before."""


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


def _lengths(cells: CellRuns, streams: Sequence[Stream]) -> Iterator[str]:
    """Where a server has no tokenizer to ask, or may end an answer by itself, lengths are seen afterwards."""
    name, cell = f"cell {cells.cell.name}", cells.cell
    prompts = sorted({stream.usage.prompt for stream in streams if stream.usage})
    if prompts and prompts[-1] - prompts[0] > TEMPLATE_JOINS:
        yield (
            f"{name}: prompts are not of one length: {prompts[0]} to {prompts[-1]} tokens by usage, template included, "
            f"where {cell.prompt_tokens} without it were asked"
        )
    short = sorted({s.tokens for s in streams if s.counted != "unknown" and s.tokens < cell.output_tokens})
    if short:
        span = f"{short[0]}" if len(short) == 1 else f"{short[0]} to {short[-1]}"
        yield f"{name}: the server ended answers by itself after {span} tokens, {cell.output_tokens} were asked"


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
    yield from _lengths(cells, streams)
    shared = sum(stream.shared_chunks for stream in streams)
    if shared:
        total = sum(stream.tokens for stream in streams)
        yield f"{name}: {shared} of {total} tokens came several to a chunk; their gaps are even shares"
    if any(stream.counted == "spread" for stream in streams):
        yield f"{name}: the server counts no tokens while it streams; they were spread evenly over the chunks"
