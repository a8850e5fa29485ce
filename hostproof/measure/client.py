"""Talks to an OpenAI-compatible server: JSON in and out, chat completions whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from hostproof.measure import stream
from hostproof.measure.errors import BadStatus, BadStream, ConfigError
from hostproof.measure.stream import Stream, Usage
from hostproof.measure.transport import Exchange, Request, Transport

PATIENCE_SECONDS = 600.0
"""For one answer: a long prompt on a slow host takes minutes."""
QUICK_SECONDS = 30.0
"""For a route that does no inference."""

Json: TypeAlias = Any
"""Whatever the server sends; whoever reads it checks it."""


@dataclass(frozen=True)
class Answer:
    """A chat completion that came in one piece."""

    text: str
    finish_reason: str | None
    usage: Usage | None
    model: str
    timings: Mapping[str, Any]


@dataclass(frozen=True)
class Client:
    """One server, one key, one served model."""

    transport: Transport
    model: str
    key: str = ""

    def with_key(self, key: str) -> Client:
        return replace(self, key=key)

    def get(self, path: str, *, limit_seconds: float = QUICK_SECONDS) -> str:
        """The body as text; raises BadStatus unless the status is 2xx."""
        return _whole(self._send(Request(path, None, self._headers()), limit_seconds))

    def get_json(self, path: str, *, limit_seconds: float = QUICK_SECONDS) -> Json:
        return _parsed(self.get(path, limit_seconds=limit_seconds), path)

    def post_json(self, path: str, body: Mapping[str, Any], *, limit_seconds: float = QUICK_SECONDS) -> Json:
        return _parsed(_whole(self._post(path, body, limit_seconds)), path)

    def chat(
        self, prompt: str, extra: Mapping[str, Any], *, limit_seconds: float = PATIENCE_SECONDS
    ) -> Answer:
        raw = self.post_json("/v1/chat/completions", self._body(prompt, extra), limit_seconds=limit_seconds)
        try:
            choice = raw["choices"][0]
            text = stream.text_of(choice["message"])
            finish = choice.get("finish_reason")
        except (KeyError, IndexError, TypeError) as error:
            raise BadStream(f"the answer is no chat completion: {str(raw)[:200]}") from error
        usage = stream.usage_of(raw.get("usage"))
        return Answer(text, finish, usage, str(raw.get("model", "")), raw.get("timings") or {})

    def chat_stream(
        self, prompt: str, extra: Mapping[str, Any], *, limit_seconds: float = PATIENCE_SECONDS
    ) -> Stream:
        options = {"include_usage": True, **extra.get("stream_options", {})}
        body = {**self._body(prompt, extra), "stream": True, "stream_options": options}
        exchange = self._post("/v1/chat/completions", body, limit_seconds)
        _require_success(exchange)
        pieces = list(exchange.pieces)  # parsing waits until the last byte is there
        return stream.read(pieces, exchange.sent_at, exchange.connect_seconds)

    def _body(self, prompt: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": self.model, "messages": [{"role": "user", "content": prompt}], **extra}

    def _post(self, path: str, body: Mapping[str, Any], limit_seconds: float) -> Exchange:
        headers = {**self._headers(), "Content-Type": "application/json"}
        return self._send(Request(path, json.dumps(body).encode(), headers), limit_seconds)

    def _send(self, request: Request, limit_seconds: float) -> Exchange:
        return self.transport.exchange(request, limit_seconds=limit_seconds)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def read_key(path: str) -> str:
    """The first line of the key file; no file named means no key."""
    if not path:
        return ""
    try:
        lines = Path(path).read_text(encoding="utf-8").split()
    except OSError as error:
        raise ConfigError("server.api_key_file", f"{path} cannot be read: {error.strerror}") from error
    if not lines:
        raise ConfigError("server.api_key_file", f"{path} is empty")
    return lines[0]


def _require_success(exchange: Exchange) -> None:
    if not 200 <= exchange.status < 300:
        raise BadStatus(exchange.status, _text(exchange))


def _whole(exchange: Exchange) -> str:
    _require_success(exchange)
    return _text(exchange)


def _text(exchange: Exchange) -> str:
    return b"".join(piece.data for piece in exchange.pieces).decode("utf-8", errors="replace")


def _parsed(text: str, path: str) -> Json:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadStream(f"{path} did not answer in JSON: {text[:80]!r}") from error
