"""What a reader of the figures must know: proof that cold was cold, and every gap as a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from hostproof.measure import sample
from hostproof.measure.result import Check
from hostproof.measure.sample import CellRuns
from hostproof.measure.stream import Stream

SLOWER = 1.5
"""Times the gap between tokens at a stream's beginning: depth alone costs a few percent over 800 tokens, throttling half."""
QUARTER_TOKENS = 16
"""Fewer gaps than this in a quarter of a stream say nothing of its pace."""
TEMPLATE_MOST = 512
"""Tokens that a chat template may add: the longest known, with a system prompt of its own, adds about 80."""
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


def behaviour(done: Sequence[CellRuns]) -> Iterator[Check]:
    """What only the runs themselves show of the server; nothing where they show nothing."""
    plain = [cells for cells in done if cells.cell.kind == "single"]
    for check in (cold_check(done), whole_prompts_check(plain), steady_check(plain)):
        if check:
            yield check


def whole_prompts_check(done: Sequence[CellRuns]) -> Check | None:
    """A server that cuts prompts reads less than it is asked to; one that counts too many looks fast."""
    told = [
        (cells.cell, run.number, run.stream.usage.prompt)
        for cells in done
        for run in cells.measured
        if run.stream and run.stream.usage
    ]
    if not told:
        return None
    wrong = [
        f"{cell.name} run {number}: {prompt} of {cell.prompt_tokens}"
        for cell, number, prompt in told
        if not -TEMPLATE_JOINS <= prompt - cell.prompt_tokens <= TEMPLATE_MOST
    ]
    if wrong:
        told_wrong = f"the server counts other tokens than were sent: {', '.join(wrong)}"
        return Check("whole_prompts", False, told_wrong)
    return Check("whole_prompts", True, f"all {len(told)} prompts were read whole")


def steady_check(done: Sequence[CellRuns]) -> Check | None:
    """Whether generation keeps its pace to the end. Runs beside a neighbour are left out; most of the others decide."""
    paces = [
        (cells.cell.name, run.number, pace)
        for cells in done
        for run in cells.measured
        if run.stream and not (run.observed.seen and run.observed.seen.contended)
        if (pace := _pace(run.stream))
    ]
    if not paces:
        return None
    slow = [(name, number, pace) for name, number, pace in paces if pace > SLOWER]
    if 2 * len(slow) > len(paces):
        name, number, pace = slow[0]
        detail = f"{len(slow)} of {len(paces)} runs slow down; {name} run {number} ends at 1/{pace:.1f} of its first pace"
        return Check("steady", False, detail)
    return Check("steady", True, f"{len(paces) - len(slow)} of {len(paces)} runs keep their pace to the end")


def _pace(stream: Stream) -> float | None:
    """The middle gap of the last quarter by that of the first; None for a stream too short to tell."""
    found = list(sample.gaps(stream)) if stream.arrivals else []
    quarter = len(found) // 4
    if quarter < QUARTER_TOKENS:
        return None
    first, last = median(found[:quarter]), median(found[-quarter:])
    return last / first if first > 0 else None


def gaps(done: Sequence[CellRuns]) -> Iterator[str]:
    for cells in done:
        yield from _cell_gaps(cells)


def _lengths(cells: CellRuns, streams: Sequence[Stream]) -> Iterator[str]:
    """Where a server has no tokenizer to ask, or may end an answer by itself, lengths are seen afterwards."""
    name, cell = f"cell {cells.cell.name}", cells.cell
    if cell.kind in ("session", "cancel"):
        return  # their lengths differ by design
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
