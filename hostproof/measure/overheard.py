"""A transport that remembers the last exchange, so that a check of behaviour can show what was asked and what came. Never headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from hostproof.measure.result import Check
from hostproof.measure.transport import Exchange, Piece, Request, Transport

MOST_CHARACTERS = 2000


class Overheard:
    """Wraps another transport."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.request = ""
        self._answer: list[bytes] = []
        self._status = 0

    def exchange(self, request: Request, *, limit_seconds: float) -> Exchange:
        self.request = f"{request.path} {(request.body or b'').decode('utf-8', errors='replace')}".strip()
        self._answer, self._status = [], 0
        found = self._inner.exchange(request, limit_seconds=limit_seconds)
        self._status = found.status
        return replace(found, pieces=self._listening(found.pieces))

    def _listening(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            self._answer.append(piece.data)
            yield piece

    @property
    def answer(self) -> str:
        text = b"".join(self._answer).decode("utf-8", errors="replace")
        return f"HTTP {self._status} {text}" if self._status else "no answer"

    def forget(self) -> None:
        self.request = ""


def with_evidence(checks: Iterable[Check], heard: Overheard) -> Iterator[Check]:
    """Each check with the last request that was made for it, and its answer, cut to a length that can be read."""
    for check in checks:
        if heard.request and not check.request:
            yield replace(
                check, request=heard.request[:MOST_CHARACTERS], answer=heard.answer[:MOST_CHARACTERS]
            )
        else:
            yield check
        heard.forget()
