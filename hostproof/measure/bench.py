"""One run on a real server: the request, and what is observed around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hostproof.measure import counting, metrics_page, procfs, prompts
from hostproof.measure.client import PATIENCE_SECONDS, Client, Messages
from hostproof.measure.counting import WordBook
from hostproof.measure.dialect import Dialect, exactly
from hostproof.measure.errors import (
    DeadlinePassed,
    NoConnection,
    NoCounts,
    SampleFailed,
    SampleVoid,
    WrongLength,
)
from hostproof.measure.gpu import Gpus
from hostproof.measure.metrics_page import Page
from hostproof.measure.sample import Observed, Run, unmade
from hostproof.measure.stream import Stream
from hostproof.measure.unit import Unit
from hostproof.measure.watch import Watch
from hostproof.measure.workload import Cache, Cell

MOST_FAILURES_IN_A_ROW = 3
LOOK_SECONDS = 1.0
SCRAPE_LIMIT_SECONDS = 5.0
SETTLE_SECONDS = 3.0
"""How long vLLM's statistics may lag behind its answers."""


@dataclass(frozen=True)
class Bench:
    """The server under load and everything that watches it. `until` is on the monotonic clock."""

    client: Client
    dialect: Dialect
    unit: Unit
    gpus: Gpus
    seed: str
    """Of the cold prompts."""
    workload_id: str
    """Seed of the warm prompts."""
    scrapes: bool
    """Whether /metrics has something that no answer tells."""
    until: float
    local: bool = True
    """Whether the server runs on this machine."""
    book: WordBook = field(default_factory=lambda: WordBook(None))
    """Makes the prompts of a server that has no tokenizer to ask."""

    @property
    def left(self) -> float:
        return self.until - time.monotonic()

    def require_time(self) -> None:
        if self.left <= 0:
            raise DeadlinePassed("the deadline passed")

    def page(self) -> Page:
        """What /metrics says now; empty where it says nothing needed, or fails: requests show what failed."""
        if not self.scrapes:
            return metrics_page.EMPTY
        try:
            return metrics_page.parse(self.client.get("/metrics", limit_seconds=SCRAPE_LIMIT_SECONDS))
        except SampleFailed:
            return metrics_page.EMPTY

    def gone(self) -> str:
        """Why the server does not even list its models; empty if it does."""
        try:
            self.client.get("/v1/models", limit_seconds=SCRAPE_LIMIT_SECONDS)
        except NoConnection as error:
            return str(error)
        except SampleFailed:
            return ""  # it is there, and refuses or is slow
        return ""

    def given_up(self, runs: Sequence[Run]) -> str:
        """Why no more requests are worth while after these; empty if they are."""
        if runs[-1].failed and (why := self.gone()):
            return f"the server is gone: {why}"
        last = runs[-MOST_FAILURES_IN_A_ROW:]
        if len(last) == MOST_FAILURES_IN_A_ROW and all(run.failed for run in last):
            return f"{MOST_FAILURES_IN_A_ROW} failed in a row; the last: {last[-1].failed}"
        return ""

    def page_after(self, before: Page) -> Page:
        """The page once it contains the answer that was just given, or what there is after SETTLE_SECONDS."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            page = self.page()
            finished, earlier = metrics_page.finished_requests(page), metrics_page.finished_requests(before)
            if finished is None or earlier is None or finished > earlier or time.monotonic() > until:
                return page
            time.sleep(0.05)

    def run(self, cell: Cell, number: int, *, warmup: bool) -> Run:
        """Does not raise for what the server does: a failure is a result. DeadlinePassed when time is up."""
        seed = self.seed_of(cell, f"{'warmup' if warmup else 'run'}-{number}")
        extra = self.extra(cell.output_tokens, cell.cache, seed)
        run = self.attempt(lambda: self.text(cell.prompt_tokens, seed), cell.output_tokens, extra)
        return replace(run, number=number, warmup=warmup)

    def attempt(self, prompt: Callable[[], str | Messages], tokens: int, extra: Mapping[str, Any]) -> Run:
        """One request of an answer of `tokens`. Does not raise for what the server does; DeadlinePassed when time is up."""
        self.require_time()
        try:
            asked = prompt()
            before = self.page()
            stream, observed = self._request(asked, extra)
            hits = metrics_page.prefix_hits(before, self.page_after(before))
            require_length(stream, tokens, exact=self.dialect.exact)
        except SampleVoid as error:
            return unmade(error)
        except SampleFailed as error:
            self.require_time()  # silence that our own deadline made is not the server's failure
            return unmade(error)
        return Run(0, False, stream, observed=replace(observed, prefix_hits=hits))

    def _request(self, prompt: str | Messages, extra: Mapping[str, Any]) -> tuple[Stream, Observed]:
        gpus_before = self.gpus.reading()
        limit = min(PATIENCE_SECONDS, self.left)
        with Watch(self._kv_cache_usage, LOOK_SECONDS) as kv, Watch(self.unit.memory, LOOK_SECONDS) as memory:
            cores, begun = procfs.read_cores(), time.monotonic()
            stream = self.client.chat_stream(prompt, extra, limit_seconds=limit)
            window = begun, time.monotonic()
            busy = procfs.utilisation(cores, procfs.read_cores()) if self.local else {}
        memory.look()  # a run may be shorter than the first pause
        return stream, Observed(
            kv_cache_usage=kv.peak,
            cores=busy,
            memory=memory.peak,
            gpu=_gpu(gpus_before, self.gpus.reading()),
            window=window,
        )

    def seed_of(self, cell: Cell, occasion: str) -> str:
        if cell.cache != "warm":
            return f"{self.seed}/{cell.name}/{occasion}"
        return f"{self.workload_id}/{cell.name}"

    def extra(self, tokens: int, cache: Cache, seed: str) -> dict[str, Any]:
        """What goes with a request besides its prompt. Of a session the cache is wanted, and shared with no other session."""
        asked = {
            "cold": self.dialect.cold,
            "warm": lambda _: self.dialect.warm(),
            "mixed": self.dialect.apart,
        }
        return {**exactly(tokens), **self.dialect.running_count, **asked[cache](seed)}

    def text(self, tokens: int, seed: str) -> str:
        """Of exactly so many tokens. Raises SampleVoid, SampleFailed."""
        if self.dialect.counting != "tokenize":
            return self.book.prompt(tokens, seed)
        return prompts.build(
            tokens, seed, lambda text: counting.with_tokenizer(self.client, self.dialect, text)
        )

    def _kv_cache_usage(self) -> float | None:
        return metrics_page.kv_cache_usage(self.page()) or None  # 0 while a request runs: not updated yet


def require_length(stream: Stream, tokens: int, *, exact: bool) -> None:
    """Of a server that need not know `ignore_eos` (not exact) a shorter answer is kept, and so is one whose tokens nobody counted:
    its times are good, its speed is unknown."""
    if not stream.arrivals:
        raise WrongLength("the answer has no tokens")
    if stream.usage is None:
        if exact:
            raise NoCounts("the answer came without usage")
        return
    ended = not exact and stream.finish_reason == "stop" and stream.tokens <= tokens
    if (stream.usage.completion != tokens and not ended) or stream.tokens != stream.usage.completion:
        raise WrongLength(
            f"asked for {tokens} tokens, usage says {stream.usage.completion}, the stream had {stream.tokens}"
        )


def _gpu(before: Mapping[str, float], after: Mapping[str, float]) -> Mapping[str, float]:
    energy = "energy_joules"
    if energy not in before or energy not in after:
        return after
    return {**after, energy: after[energy] - before[energy]}
