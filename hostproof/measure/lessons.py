"""What follows from the figures of sessions, batches, long runs and broken-off requests, in sentences with the figures in them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from hostproof.measure import sample
from hostproof.measure.sample import CellRuns, Run
from hostproof.measure.session import HABITS, MENDS

GOAL = 0.60
"""The seed's next step: a prefix cache hit rate from 40 % to over 60 %."""
SATURATED = 0.05
"""More requests at once that bring less than this share more of all tokens a second bring queueing."""
WINDOW_SECONDS = 10.0
"""What vLLM's log lines are averages over."""
STALL_SECONDS = 5.0
"""A gap between two tokens of one answer that no window explains."""
THIRD = 3
DRIFT = 0.05
FEWEST = 9
"""Runs of a soak below which thirds say nothing."""


def lessons(done: Sequence[CellRuns], context: float | None) -> tuple[str, ...]:
    return tuple(_lessons(done, context))


def _lessons(done: Sequence[CellRuns], context: float | None) -> Iterator[str]:
    talks = [cells for cells in done if cells.cell.session]
    yield from _habits(
        [cells for cells in talks if cells.cell.session and cells.cell.session.kind == "agent"]
    )
    yield from _formats(
        [cells for cells in talks if cells.cell.session and cells.cell.session.kind == "edit"]
    )
    for cells in talks:
        yield from _growth(cells, context)
    yield from _saturation([cells for cells in done if cells.cell.kind == "batch"])
    for cells in done:
        if cells.cell.kind == "soak":
            yield from _soak(cells)


def _good(cells: CellRuns) -> list[Run]:
    return [run for run in cells.measured if run.stream]


def hit_rate(cells: CellRuns) -> float | None:
    """Over all sessions of the cell."""
    return sample.hit_rate_of(_good(cells))


def later_ttft(cells: CellRuns) -> float | None:
    """Median TTFT after the first turn, which is cold whatever the habit."""
    found = [sample.ttft(run.stream) for run in cells.measured if run.stream and run.turn > 1]
    return median(found) if found else None


def _habits(talks: Sequence[CellRuns]) -> Iterator[str]:
    plain = next(
        (cells for cells in talks if cells.cell.session and cells.cell.session.habit == "none"), None
    )
    base = later_ttft(plain) if plain else None
    rates: dict[str, float] = {}
    for cells in talks:
        assert cells.cell.session is not None
        habit, rate, wait = cells.cell.session.habit, hit_rate(cells), later_ttft(cells)
        if wait is None:
            continue
        told = f"{cells.cell.name} ({HABITS[habit]}): "
        told += (
            "the server does not tell its hit rate" if rate is None else f"prefix cache hit rate {rate:.0%}"
        )
        told += f", TTFT after the first turn {wait:.2f} s"
        if cells is not plain and base:
            told += f", {wait - base:+.2f} s a turn against {plain.cell.name if plain else ''} ({wait / base:.1f} times)"
        if rate is not None:
            rates[habit] = rate
        if habit in MENDS and rate is not None and rate < GOAL:
            told += f"; to get past {GOAL:.0%}: {MENDS[habit]}"
        yield told
    if "none" in rates:
        yield from _advice(rates)


def _advice(rates: dict[str, float]) -> Iterator[str]:
    steady = rates["none"]
    broken = [habit for habit, rate in rates.items() if habit in MENDS and rate < GOAL <= steady]
    if broken:
        worst = min(rates[habit] for habit in broken)
        yield (
            f"a fixed system prompt, sorted tools and a history that only grows reach {steady:.0%} here, beyond the goal of {GOAL:.0%}; "
            f"breaking the prefix costs it down to {worst:.0%}"
        )
    elif steady < GOAL:
        yield (
            f"even an unbroken prefix reaches only {steady:.0%}: new text is most of each turn, or the server has no prefix cache, "
            "or one too small for the session (llama-server: a slot of its own, --swa-full for a model with sliding windows; "
            "vLLM: --enable-prefix-caching, space for the KV cache)"
        )


def _formats(talks: Sequence[CellRuns]) -> Iterator[str]:
    told = {}
    for cells in talks:
        good = [run.stream for run in cells.measured if run.stream]
        if not good or cells.cell.session is None:
            continue
        tokens = sum(stream.tokens for stream in good) / len(good)
        seconds = sum(sample.latency(stream) for stream in good) / len(good)
        rate = hit_rate(cells)
        shown = "unknown" if rate is None else f"{rate:.0%}"
        told[cells.cell.session.format] = (tokens, seconds)
        yield (
            f"{cells.cell.name}: {tokens:.0f} output tokens and {seconds:.1f} s an edit, mean of {len(good)}; "
            f"prefix cache hit rate {shown}"
        )
    if {"whole", "diff"} <= set(told):
        (whole, slow), (diff, fast) = told["whole"], told["diff"]
        yield (
            f"diff writes {diff:.0f} tokens where whole writes {whole:.0f} ({whole / diff:.1f} times less), and takes {fast:.1f} s an edit "
            f"instead of {slow:.1f} ({slow / fast:.1f} times faster)"
        )


def _growth(cells: CellRuns, context: float | None) -> Iterator[str]:
    firsts = [run.stream.usage for run in cells.measured if run.turn == 1 and run.stream and run.stream.usage]
    last = max((run.turn for run in _good(cells)), default=0)
    lasts = [
        run.stream.usage for run in cells.measured if run.turn == last and run.stream and run.stream.usage
    ]
    if last < 2 or not firsts or not lasts:
        return
    begun = median(usage.prompt + usage.completion for usage in firsts)
    ended = median(usage.prompt + usage.completion for usage in lasts)
    share = f", {begun / context:.0%} to {ended / context:.0%} of what the cache holds" if context else ""
    yield f"{cells.cell.name}: the KV cache grows from {begun:,.0f} to {ended:,.0f} tokens in {last} turns{share}"


def _saturation(batches: Sequence[CellRuns]) -> Iterator[str]:
    speeds: list[tuple[int, float, float]] = []
    for cells in sorted(batches, key=lambda each: each.cell.concurrency):
        groups: dict[int, list[Run]] = {}
        for run in cells.measured:
            groups.setdefault(run.group, []).append(run)
        whole = [runs for runs in groups.values() if all(run.stream for run in runs)]
        found = [speed for runs in whole if (speed := sample.total_throughput(runs))]
        waits = [sample.ttft(run.stream) for run in cells.measured if run.stream]
        if found:
            speeds.append((cells.cell.concurrency, median(found), median(waits)))
    if len(speeds) < 2:
        return
    shown = ", ".join(f"{number}: {speed:.1f} tok/s, TTFT {wait:.2f} s" for number, speed, wait in speeds)
    yield f"requests at once and all their tokens a second: {shown}"
    best = speeds[0]
    for each in speeds[1:]:
        if each[1] <= best[1] * (1 + SATURATED):
            yield f"saturated at {best[0]} at once with {best[1]:.1f} tok/s: {each[0]} bring {each[1] / best[1] - 1:+.0%} and wait longer"
            return
        best = each
    yield f"not saturated: the most that were sent at once, {best[0]}, still brought more than fewer did"


def _soak(cells: CellRuns) -> Iterator[str]:
    name, good = cells.cell.name, [run for run in _good(cells) if run.observed.window]
    if len(good) < FEWEST:
        yield f"{name}: {len(good)} answers are too few to see a drift ({FEWEST} are needed)"
        return
    yield _windows(name, good)
    third = len(good) // THIRD
    early, late = _speed(good[:third]), _speed(good[-third:])
    if early and late:
        change = late / early - 1
        word = "declines" if change < -DRIFT else "rises" if change > DRIFT else "is steady"
        yield (
            f"{name}: generation {word}: {early:.1f} tok/s in the first third of {len(good)} answers, "
            f"{late:.1f} in the last ({change:+.1%})"
        )
        if change < -DRIFT:
            yield from _why_slower(name, good, third)


def _speed(runs: Sequence[Run]) -> float | None:
    found = [speed for run in runs if run.stream and (speed := sample.generation_throughput(run.stream))]
    return median(found) if found else None


def _windows(name: str, runs: Sequence[Run]) -> str:
    """What a log of 10-second averages would have shown, beside the longest real gap."""
    arrivals = sorted(
        (run.observed.window[0] + run.stream.connect_seconds + arrival.at, arrival.tokens)
        for run in runs
        if run.stream and run.observed.window
        for arrival in run.stream.arrivals
    )
    start, end = arrivals[0][0], arrivals[-1][0]
    counts = [0] * max(1, int((end - start) / WINDOW_SECONDS))
    for at, tokens in arrivals:
        index = int((at - start) / WINDOW_SECONDS)
        if index < len(counts):
            counts[index] += tokens
    speeds = [count / WINDOW_SECONDS for count in counts]
    longest = max((gap for run in runs if run.stream for gap in sample.gaps(run.stream)), default=0.0)
    empty = sum(count == 0 for count in counts)
    shown = f"{min(speeds):.1f} to {max(speeds):.1f} tok/s"
    if longest > STALL_SECONDS:
        return f"{name}: a real stall: {longest:.1f} s between two tokens of one answer; windows of 10 s read {shown}"
    window = (
        f"{empty} of {len(counts)} windows of 10 s read 0 tok/s"
        if empty
        else f"{len(counts)} windows of 10 s read {shown}"
    )
    return (
        f"{name}: no stall: {window}, and the longest gap between two tokens of one answer is {longest:.2f} s"
    )


def _why_slower(name: str, runs: Sequence[Run], third: int) -> Iterator[str]:
    for what, unit in (("mhz", "MHz"), ("gpu_mhz", "MHz of the GPU")):
        early = [
            value for run in runs[:third] if run.observed.seen and (value := getattr(run.observed.seen, what))
        ]
        late = [
            value
            for run in runs[-third:]
            if run.observed.seen and (value := getattr(run.observed.seen, what))
        ]
        if early and late and median(late) < median(early) * (1 - DRIFT / 2):
            yield f"{name}: the clock went from {median(early):.0f} to {median(late):.0f} {unit} meanwhile: heat, or a power limit"
    if any(run.observed.seen and run.observed.seen.contended for run in runs[-third:]):
        yield f"{name}: others took part in the last third, so the decline may be theirs"
