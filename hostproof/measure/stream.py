"""From timed pieces of a streamed answer to tokens with arrival times. Pure: no socket, no clock.

A token has arrived when the server's running count rises: `timings.predicted_n` (llama-server) or `usage` in
every chunk (vLLM). Without such a count each chunk with text is a token, corrected by the final `usage`. A
role delta or an empty chunk is never a token; reasoning counts as output; several tokens in a chunk stay one
arrival with its count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from hostproof.measure.errors import BadStream
from hostproof.measure.transport import Piece

DONE = "[DONE]"

Counted = Literal["exact", "chunks", "spread", "unknown"]
"""By a running count; by chunks, which the usage agrees with; spread evenly over the chunks; not told by the server at all."""


@dataclass(frozen=True)
class Usage:
    """Token counts by the server; `cached` is None where it does not say."""

    prompt: int
    completion: int
    cached: int | None = None


@dataclass(frozen=True)
class Chunk:
    """One event of the stream, read but not yet counted."""

    at: float
    text: str
    role_only: bool
    count: int | None
    finish_reason: str | None
    usage: Usage | None
    timings: Mapping[str, Any]


@dataclass(frozen=True)
class Arrival:
    """`tokens` output tokens that became visible together at `at`."""

    at: float
    tokens: int


@dataclass(frozen=True)
class Stream:
    """A whole streamed answer. Times are seconds since the request was sent."""

    arrivals: tuple[Arrival, ...]
    text: str
    finish_reason: str | None
    usage: Usage | None
    timings: Mapping[str, Any]
    counted: Counted
    connect_seconds: float = 0.0
    """Spent before the request was sent; not part of any other time."""
    raw: tuple[tuple[float, str], ...] = field(default=(), repr=False, compare=False)
    """Every event as it came: seconds since the request was sent, and its data."""

    @property
    def tokens(self) -> int:
        return sum(arrival.tokens for arrival in self.arrivals)

    @property
    def shared_chunks(self) -> int:
        """Tokens that came several to a chunk: their own arrival time is not known."""
        return sum(arrival.tokens for arrival in self.arrivals if arrival.tokens > 1)


def events(pieces: Iterable[Piece]) -> Iterator[tuple[float, str]]:
    """Server-sent events: (arrival of the last byte of its data, data). Decoded by line, not by piece."""
    data: list[str] = []
    at = 0.0
    for line_at, line in _lines(pieces):
        if not line:
            if data:
                yield at, "\n".join(data)
            data = []
            continue
        name, _, value = line.decode("utf-8", errors="replace").partition(":")
        if name in ("data", "error"):  # llama-server has sent errors as a field of their own
            data.append(value.removeprefix(" "))
            at = line_at
    if data:
        yield at, "\n".join(data)


def _lines(pieces: Iterable[Piece]) -> Iterator[tuple[float, bytes]]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece.data).split(b"\n")
        for line in whole:
            yield piece.at, line.rstrip(b"\r")


def read(pieces: Iterable[Piece], sent_at: float, connect_seconds: float = 0.0) -> Stream:
    """Raises BadStream if the answer is unreadable, reports an error or ends before it is finished."""
    came = tuple((at - sent_at, data) for at, data in events(pieces))
    chunks = list(_chunks(came))
    finish = next((chunk.finish_reason for chunk in reversed(chunks) if chunk.finish_reason), None)
    if finish is None:
        raise BadStream(f"the stream ended after {len(chunks)} chunks without a finish_reason")
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
    timings = next((chunk.timings for chunk in reversed(chunks) if chunk.timings), {})
    text = "".join(chunk.text for chunk in chunks)
    arrivals, counted = count(chunks, usage.completion if usage else None)
    return Stream(arrivals, text, finish, usage, timings, counted, connect_seconds, came)


def _chunks(came: Iterable[tuple[float, str]]) -> Iterator[Chunk]:
    for at, data in came:
        if data.strip() == DONE:
            return
        yield chunk(data, at)


def chunk(data: str, at: float) -> Chunk:
    """One `chat.completion.chunk`, or one of a bare completion."""
    try:
        raw = json.loads(data)
    except json.JSONDecodeError as error:
        raise BadStream(f"a chunk is not JSON: {data[:80]!r}") from error
    if not isinstance(raw, dict):
        raise BadStream(f"a chunk is no object: {data[:80]!r}")
    if raw.get("error") or ("choices" not in raw and "message" in raw):
        raise BadStream(f"the server reported an error in its answer: {data[:200]}")
    try:
        return _chunk(raw, at)
    except (AttributeError, TypeError, ValueError) as error:
        raise BadStream(f"a chunk is none of this protocol: {data[:80]!r}") from error


def _chunk(raw: Mapping[str, Any], at: float) -> Chunk:
    choice: Mapping[str, Any] = next(iter(raw.get("choices") or ()), {})
    delta = choice.get("delta") or {}
    timings = raw.get("timings") or {}
    usage = usage_of(raw.get("usage"))
    running = timings.get("predicted_n", usage.completion if usage and choice else None)
    text = text_of(delta) or choice.get("text") or ""
    role_only = "role" in delta and not text
    return Chunk(at, text, role_only, running, choice.get("finish_reason"), usage, timings)


def text_of(message: Mapping[str, Any]) -> str:
    """What a person would see of a delta or a message: reasoning, answer, tool calls, in this order."""
    parts = [message.get("reasoning_content") or message.get("reasoning") or "", message.get("content") or ""]
    parts += [(call.get("function") or {}).get("arguments") or "" for call in message.get("tool_calls") or ()]
    return "".join(parts)


def usage_of(raw: Mapping[str, Any] | None) -> Usage | None:
    if not raw or "completion_tokens" not in raw:
        return None
    details = raw.get("prompt_tokens_details") or {}
    return Usage(
        int(raw.get("prompt_tokens", 0)), int(raw["completion_tokens"]), details.get("cached_tokens")
    )


def count(chunks: Iterable[Chunk], total: int | None) -> tuple[tuple[Arrival, ...], Counted]:
    """Arrivals, and how their tokens were counted. `total` is what the final usage says."""
    chunks = [chunk for chunk in chunks if not chunk.role_only]
    if any(chunk.count for chunk in chunks):
        return _by_running_count(chunks), "exact"
    times = [chunk.at for chunk in chunks if chunk.text]
    if total is None:
        return tuple(Arrival(at, 1) for at in times), "unknown"
    if total == len(times):
        return tuple(Arrival(at, 1) for at in times), "chunks"
    return _spread(times, total), "spread"


def _by_running_count(chunks: Iterable[Chunk]) -> tuple[Arrival, ...]:
    arrivals, seen = [], 0
    for chunk in chunks:
        if chunk.count is not None and chunk.count > seen:
            arrivals.append(Arrival(chunk.at, chunk.count - seen))
            seen = chunk.count
    return tuple(arrivals)


def _spread(times: list[float], total: int) -> tuple[Arrival, ...]:
    """Evenly over the chunks: who came with whom is not known, but the sum is."""
    marks = [round(step * total / len(times)) for step in range(len(times) + 1)]
    tokens = [late - early for early, late in pairwise(marks)]
    return tuple(Arrival(at, n) for at, n in zip(times, tokens, strict=True) if n)
