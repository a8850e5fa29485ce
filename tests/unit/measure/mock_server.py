"""A server on a real socket that emits tokens on a known schedule, and can misbehave on request."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = [
    "sea",
    "salt",
    "wind",
    "wave",
    "grey",
    "gull",
    "sand",
    "rock",
    "tide",
    "foam",
    "ship",
    "sail",
    "rope",
]
MODEL = "mock"


@dataclass
class Script:
    """How the server behaves."""

    ttft: float = 0.0
    gap: float = 0.0
    tokens_per_chunk: int = 1
    key: str = ""
    loading: int = 0
    """So many requests are answered 503 first."""
    die_after: int | None = None
    """So many tokens, then the connection breaks."""
    hang_after: int | None = None
    reasoning: bool = False
    running_count: bool = True
    usage: bool = True
    split_bytes: bool = False
    """Send every event in two pieces, cut inside a character where there is one."""
    cached: int = 0
    short_by: int = 0
    ends_after: int = 5
    stream_differs: bool = False
    ignores_stop: bool = False
    ignores_key: bool = False
    metrics: str = ""
    words: list[str] = field(default_factory=lambda: list(WORDS))
    answer: Callable[[str], str] | None = None
    """What it says to a prompt, where it may end by itself."""


@dataclass
class Log:
    """What really happened: bodies in, and when each token left (monotonic, since the request came in)."""

    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sent: list[list[float]] = field(default_factory=list)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for where, body in self.requests if where == path]


@dataclass
class Mock:
    url: str
    script: Script
    log: Log


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or a connection that the script broke, is no news."""
        if not isinstance(sys.exception(), (ConnectionError, OSError, ValueError)):
            super().handle_error(request, client_address)


@contextmanager
def running(script: Script) -> Iterator[Mock]:
    mock = Mock("", script, Log())
    server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"mock": mock}))
    mock.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield mock
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mock: Mock

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        if self._held_off():
            return
        pages = {
            "/health": {"status": "ok"},
            "/props": {"build_info": "mock-1"},
            "/version": {"version": "mock-1"},
            "/v1/models": {"object": "list", "data": [{"id": MODEL}]},
        }
        if self.path == "/metrics" and self.mock.script.metrics:
            self._reply(200, self.mock.script.metrics.encode())
        elif self.path in pages:
            self._json(200, pages[self.path])
        else:
            self._json(404, {"error": "no such page"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._held_off():
            return
        self.mock.log.requests.append((self.path, body))
        salt = body.get("cache_salt", "x")
        if len(salt) > 128 or set(salt) & set("@/\\"):
            self._json(400, {"error": {"message": "Parameter 'cache_salt' must not contain '@' or '/'"}})
            return
        if self.path == "/tokenize":
            words = (body.get("content") or body["prompt"]).split()
            self._json(200, {"count": len(words), "tokens": [0] * len(words)})
        elif self.path == "/v1/chat/completions":
            self._stream(body) if body.get("stream") else self._whole(body)
        else:
            self._json(404, {"error": "no such page"})

    def _held_off(self) -> bool:
        script = self.mock.script
        if script.loading > 0:
            script.loading -= 1
            self._json(503, {"error": {"message": "Loading model"}})
            return True
        wrong = self.headers.get("Authorization") != f"Bearer {script.key}"
        if script.key and not script.ignores_key and self.path.startswith("/v1") and wrong:
            self._json(401, {"error": {"message": "Invalid API key"}})
            return True
        return False

    def _tokens(self, body: dict[str, Any]) -> tuple[list[str], str]:
        script, asked = self.mock.script, body["max_tokens"] - self.mock.script.short_by
        if script.answer and not body.get("ignore_eos"):
            return [script.answer(body["messages"][0]["content"])], "stop"
        if not body.get("ignore_eos") and script.ends_after < asked:
            return [f" {word}" for word in script.words[: script.ends_after]], "stop"
        tokens = [f" {script.words[i % len(script.words)]}" for i in range(asked)]
        text = "".join(tokens)
        for stop in body.get("stop") or []:
            if not script.ignores_stop and stop in text:
                return [text[: text.index(stop)]], "stop"
        return tokens, "length"

    def _whole(self, body: dict[str, Any]) -> None:
        tokens, finish = self._tokens(body)
        message = {"role": "assistant", "content": "".join(tokens)}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        self._json(200, {"model": MODEL, "choices": [choice], "usage": self._usage(body, len(tokens))})

    def _usage(self, body: dict[str, Any], completion: int) -> dict[str, Any]:
        prompt = len(body["messages"][0]["content"].split()) + 4  # a chat template of four tokens
        details = {"cached_tokens": self.mock.script.cached}
        return {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}

    def _stream(self, body: dict[str, Any]) -> None:
        script, begun, sent = self.mock.script, time.monotonic(), []
        self.mock.log.sent.append(sent)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        tokens, finish = self._tokens(body)
        if script.stream_differs:
            tokens[-1] = " otherwise"
        self._event({"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]})
        due = begun + script.ttft
        for done in range(0, len(tokens), script.tokens_per_chunk):
            if script.die_after is not None and done >= script.die_after:
                self.connection.close()
                self.close_connection = True
                return
            if script.hang_after is not None and done >= script.hang_after:
                time.sleep(3)
                return
            time.sleep(max(0.0, due - time.monotonic()))
            due += script.gap
            group = tokens[done : done + script.tokens_per_chunk]
            sent.append(time.monotonic() - begun)
            self._token(body, "".join(group), done + len(group))
        self._event({"choices": [{"delta": {}, "finish_reason": finish}]})
        if script.usage:
            self._event({"choices": [], "usage": self._usage(body, len(tokens))})
        self._piece(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _token(self, body: dict[str, Any], text: str, done: int) -> None:
        name = "reasoning_content" if self.mock.script.reasoning else "content"
        event: dict[str, Any] = {"choices": [{"delta": {name: text}, "finish_reason": None}]}
        if self.mock.script.running_count:
            event["usage"] = self._usage(body, done)
        self._event(event)

    def _event(self, event: dict[str, Any]) -> None:
        data = b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"
        if self.mock.script.split_bytes:
            cut = next((i + 1 for i, byte in enumerate(data) if byte > 127), len(data) // 2)
            self._piece(data[:cut])
            time.sleep(0.002)
            self._piece(data[cut:])
        else:
            self._piece(data)

    def _piece(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._reply(status, json.dumps(body).encode())

    def _reply(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
