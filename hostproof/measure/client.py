"""Talks to an OpenAI-compatible server: JSON in and out, completions whole and streamed, of a chat or of a bare prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hostproof.measure import stream
from hostproof.measure.errors import BadStatus, BadStream, ConfigError
from hostproof.measure.stream import Stream, Usage
from hostproof.measure.transport import Exchange, Request, Transport

PATIENCE_SECONDS = 600.0
"""For one answer: a long prompt on a slow host takes minutes."""
QUICK_SECONDS = 30.0
"""For a route that does no inference."""

Route = Literal["chat", "completions"]
PATHS: Mapping[Route, str] = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}
Messages: TypeAlias = Sequence[Mapping[str, Any]]

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
    route: Route = "chat"
    """`completions` where the server has no chat: then a prompt goes without a template."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Keys of a request that this server wants called otherwise, or left out (empty)."""

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
        self, prompt: str | Messages, extra: Mapping[str, Any], *, limit_seconds: float = PATIENCE_SECONDS
    ) -> Answer:
        """In one piece. A prompt alone is one message of the user."""
        raw = self.post_json(PATHS[self.route], self.body(prompt, extra), limit_seconds=limit_seconds)
        try:
            choice = raw["choices"][0]
            text = stream.text_of(choice["message"]) if "message" in choice else str(choice["text"])
            finish = choice.get("finish_reason")
            usage = stream.usage_of(raw.get("usage"))
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise BadStream(f"the answer is no completion: {str(raw)[:200]}") from error
        return Answer(text, finish, usage, str(raw.get("model", "")), raw.get("timings") or {})

    def chat_stream(
        self, prompt: str | Messages, extra: Mapping[str, Any], *, limit_seconds: float = PATIENCE_SECONDS
    ) -> Stream:
        """Streamed, each piece timed."""
        exchange = self._post(PATHS[self.route], self.stream_body(prompt, extra), limit_seconds)
        _require_success(exchange)
        pieces = list(exchange.pieces)  # parsing waits until the last byte is there
        return stream.read(pieces, exchange.sent_at, exchange.connect_seconds)

    def body(self, prompt: str | Messages, extra: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent, as this server takes it."""
        asked = {"model": self.model, **self._asked(prompt), **extra}
        names = {key: self.renamed.get(key, key) for key in asked}
        return {names[key]: value for key, value in asked.items() if names[key]}

    def stream_body(self, prompt: str | Messages, extra: Mapping[str, Any]) -> dict[str, Any]:
        options = {"include_usage": True, **extra.get("stream_options", {})}
        return self.body(prompt, {**extra, "stream": True, "stream_options": options})

    def _asked(self, prompt: str | Messages) -> dict[str, Any]:
        if self.route == "chat":
            messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
            return {"messages": messages}
        if isinstance(prompt, str):
            return {"prompt": prompt}
        return {"prompt": "\n\n".join(f"{each['role']}: {each['content']}" for each in prompt)}

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
