"""Cells that are more than one request at a time, one after the other: sessions, many at once, for minutes, broken off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from hostproof.measure import session
from hostproof.measure.bench import Bench, require_length
from hostproof.measure.client import PATIENCE_SECONDS
from hostproof.measure.counting import tokens_of
from hostproof.measure.errors import DeadlinePassed, NoAnswer, SampleFailed, SampleVoid
from hostproof.measure.sample import CellRuns, Observed, Run, unmade
from hostproof.measure.session import AgentTalk
from hostproof.measure.workload import Cell

BREAK_SECONDS = 0.5
"""After this long a request is broken off: in the middle of a long prompt, before its first token."""
SHORT_PROMPT = "Say hello."
SHORT_TOKENS = 2

Tell = Callable[[Cell, Run], None]


def run(bench: Bench, cell: Cell, tell: Tell, stopped: str, *, interruptible: bool) -> CellRuns:
    """Everything of one cell. `stopped` is why it ends where Ctrl-C may end it."""
    made: list[Run] = []
    ended = ""
    try:
        for number, each in enumerate(_KINDS[cell.kind](bench, cell), 1):
            made.append(replace(each, number=number))
            tell(cell, made[-1])
            ended = bench.given_up(made)
            if ended:
                break
    except DeadlinePassed as error:
        ended = str(error)
    except KeyboardInterrupt:
        if not interruptible:
            raise
        ended = stopped
    return CellRuns(cell, tuple(made), ended)


def _session(bench: Bench, cell: Cell) -> Iterator[Run]:
    about = cell.session
    assert about is not None
    for group in range(1, cell.runs + 1):
        mark = bench.seed_of(cell, f"session-{group}")
        turns = _agent if about.kind == "agent" else _edits
        for turn, each in enumerate(turns(bench, cell, mark), 1):
            yield replace(each, group=group, turn=turn)
            if not each.stream:
                break  # what comes after it would be another conversation


def _agent(bench: Bench, cell: Cell, mark: str) -> Iterator[Run]:
    about = cell.session
    assert about is not None
    try:
        talk = AgentTalk(about, mark, bench.text)
    except (SampleVoid, SampleFailed) as error:
        yield unmade(error)
        return
    extra = bench.extra(cell.output_tokens, cell.cache, mark)
    for turn in range(1, about.turns + 1):
        found = bench.attempt(lambda turn=turn: talk.ask(turn), cell.output_tokens, extra)  # type: ignore[misc]
        yield found
        if found.stream:
            talk.answered(found.stream.text)


def _edits(bench: Bench, cell: Cell, mark: str) -> Iterator[Run]:
    about = cell.session
    assert about is not None
    try:
        asked = list(session.edits(about, mark, bench.text))
        lengths = [tokens_of(bench.client, bench.dialect, edit.answer) for edit in asked]
    except (SampleVoid, SampleFailed) as error:
        yield unmade(error)
        return
    for edit, tokens in zip(asked, lengths, strict=True):
        extra = bench.extra(tokens, cell.cache, mark)
        yield bench.attempt(lambda edit=edit: edit.messages, tokens, extra)  # type: ignore[misc]


def _batch(bench: Bench, cell: Cell) -> Iterator[Run]:
    for group in range(1, cell.runs + 1):
        seeds = [bench.seed_of(cell, f"wave-{group}-{number}") for number in range(cell.concurrency)]
        bench.require_time()
        with ThreadPoolExecutor(cell.concurrency) as pool:
            found = list(
                pool.map(
                    lambda seed: _one_of_many(bench, cell, seed),
                    zip(seeds, _prompts(bench, cell, seeds), strict=True),
                )
            )
        bench.require_time()
        yield from (replace(each, group=group) for each in found)


def _prompts(bench: Bench, cell: Cell, seeds: list[str]) -> list[str | SampleVoid | SampleFailed]:
    """Made before the clock runs, as the tokenizer is asked for them."""
    made: list[str | SampleVoid | SampleFailed] = []
    for seed in seeds:
        try:
            made.append(bench.text(cell.prompt_tokens, seed))
        except (SampleVoid, SampleFailed) as error:
            made.append(error)
    return made


def _one_of_many(bench: Bench, cell: Cell, asked: tuple[str, str | SampleVoid | SampleFailed]) -> Run:
    """Without the looks at the server beside it: a hundred of them at once would be load of their own."""
    seed, prompt = asked
    begun = time.monotonic()
    try:
        if not isinstance(prompt, str):
            raise prompt
        extra = bench.extra(cell.output_tokens, cell.cache, seed)
        limit = min(PATIENCE_SECONDS, bench.left)
        stream = bench.client.chat_stream(prompt, extra, limit_seconds=limit)
        require_length(stream, cell.output_tokens, exact=bench.dialect.exact)
    except SampleVoid as error:
        return Run(0, False, void=str(error))
    except SampleFailed as error:
        return Run(0, False, failed=str(error))
    return Run(0, False, stream, observed=Observed(window=(begun, time.monotonic())))


def _soak(bench: Bench, cell: Cell) -> Iterator[Run]:
    until, number = time.monotonic() + cell.seconds, 0
    while time.monotonic() < until:
        number += 1
        yield bench.run(cell, number, warmup=False)


def _cancel(bench: Bench, cell: Cell) -> Iterator[Run]:
    for number in range(1, cell.runs + 1):
        bench.require_time()
        try:
            yield _broken_off(bench, cell, bench.seed_of(cell, f"cancel-{number}"))
        except SampleVoid as error:
            yield Run(0, False, void=str(error))
        except SampleFailed as error:
            yield Run(0, False, failed=str(error))


def _broken_off(bench: Bench, cell: Cell, seed: str) -> Run:
    client = bench.client
    short = bench.extra(SHORT_TOKENS, "cold", f"{seed}/short")
    idle = client.chat_stream(SHORT_PROMPT, short)
    prompt = bench.text(cell.prompt_tokens, seed)
    try:
        client.chat_stream(prompt, bench.extra(cell.output_tokens, "cold", seed), limit_seconds=BREAK_SECONDS)
    except NoAnswer:
        begun = time.monotonic()
    else:
        raise SampleVoid(
            f"the whole answer was there before it could be broken off, within {BREAK_SECONDS} s"
        )
    stream = client.chat_stream(SHORT_PROMPT, short)
    if not (idle.arrivals and stream.arrivals):
        raise SampleVoid("the short answer beside it has no tokens")
    window = (begun, time.monotonic())
    later = stream.connect_seconds + stream.arrivals[0].at - idle.connect_seconds - idle.arrivals[0].at
    return Run(0, False, stream, observed=Observed(window=window), cancel_seconds=max(0.0, later))


_KINDS: dict[str, Callable[[Bench, Cell], Iterator[Run]]] = {
    "session": _session,
    "batch": _batch,
    "soak": _soak,
    "cancel": _cancel,
}
