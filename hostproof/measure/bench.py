"""One run on a real server: the request, and what is observed around it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hostproof.measure import counting, metrics_page, procfs, prompts
from hostproof.measure.client import PATIENCE_SECONDS, Client
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
from hostproof.measure.sample import Observed, Run
from hostproof.measure.stream import Stream
from hostproof.measure.unit import Unit
from hostproof.measure.watch import Watch
from hostproof.measure.workload import Cell

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
        self.require_time()
        seed = self._seed(cell, f"{'warmup' if warmup else 'run'}-{number}")
        try:
            prompt = self._prompt(cell.prompt_tokens, seed)
            before = self.page()
            stream, observed = self._request(prompt, self._extra(cell, seed))
            hits = metrics_page.prefix_hits(before, self.page_after(before))
            _require_length(stream, cell, exact=self.dialect.exact)
        except SampleVoid as error:
            return Run(number, warmup, void=str(error))
        except SampleFailed as error:
            self.require_time()  # silence that our own deadline made is not the server's failure
            return Run(number, warmup, failed=str(error))
        return Run(number, warmup, stream, observed=replace(observed, prefix_hits=hits))

    def _request(self, prompt: str, extra: Mapping[str, Any]) -> tuple[Stream, Observed]:
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

    def _seed(self, cell: Cell, occasion: str) -> str:
        if cell.cache == "cold":
            return f"{self.seed}/{cell.name}/{occasion}"
        return f"{self.workload_id}/{cell.name}"

    def _extra(self, cell: Cell, seed: str) -> dict[str, Any]:
        cache = self.dialect.cold(seed) if cell.cache == "cold" else self.dialect.warm()
        return {**exactly(cell.output_tokens), **self.dialect.running_count, **cache}

    def _prompt(self, tokens: int, seed: str) -> str:
        if self.dialect.counting != "tokenize":
            return self.book.prompt(tokens, seed)
        return prompts.build(
            tokens, seed, lambda text: counting.with_tokenizer(self.client, self.dialect, text)
        )

    def _kv_cache_usage(self) -> float | None:
        return metrics_page.kv_cache_usage(self.page()) or None  # 0 while a request runs: not updated yet


def _require_length(stream: Stream, cell: Cell, *, exact: bool) -> None:
    """Of a server that need not know `ignore_eos` (not exact) a shorter answer is kept, and so is one whose tokens nobody counted:
    its times are good, its speed is unknown."""
    if not stream.arrivals:
        raise WrongLength("the answer has no tokens")
    if stream.usage is None:
        if exact:
            raise NoCounts("the answer came without usage")
        return
    ended = not exact and stream.finish_reason == "stop" and stream.tokens <= cell.output_tokens
    if (
        stream.usage.completion != cell.output_tokens and not ended
    ) or stream.tokens != stream.usage.completion:
        raise WrongLength(
            f"asked for {cell.output_tokens} tokens, "
            f"usage says {stream.usage.completion}, the stream had {stream.tokens}"
        )


def _gpu(before: Mapping[str, float], after: Mapping[str, float]) -> Mapping[str, float]:
    energy = "energy_joules"
    if energy not in before or energy not in after:
        return after
    return {**after, energy: after[energy] - before[energy]}
