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
INSTEAD = {"max_tokens": ", use max_completion_tokens"}


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
    whole_usage: bool = True
    split_bytes: bool = False
    """Send every event in two pieces, cut inside a character where there is one."""
    cached: int = 0
    short_by: int = 0
    ends_after: int = 5
    stream_differs: bool = False
    ignores_stop: bool = False
    ignores_key: bool = False
    metrics: str = ""
    owner: str = ""
    """`owned_by` in the list of models."""
    models: tuple[str, ...] = (MODEL,)
    tokenizer: bool = True
    chat: bool = True
    completions: bool = False
    refuses: tuple[str, ...] = ()
    """Keys that make a request a bad one."""
    knows_ignore_eos: bool = True
    streams: bool = True
    name: str = MODEL
    """By which it says that it answers."""
    context: int | None = None
    """Tokens; a longer prompt is a bad request."""
    mixes: bool = False
    """Two at once get each other's answers."""
    broken_unicode: bool = False
    page: bytes | None = None
    """What /v1/models says instead."""
    dies_for_good_after: int | None = None
    """So many completions, then no more answers of any kind."""
    words: list[str] = field(default_factory=lambda: list(WORDS))
    parameters: int = 0
    """What /v1/models says that the model has, as llama-server does; 0: nothing."""
    reads: int = 0
    """So many tokens of a prompt at most, and no error; 0: all."""
    overstates: int = 0
    """So many tokens more than it gave, by its own usage."""
    pads: int = 0
    """So many tokens more than were sent, by its own usage."""
    slows_by: float = 1.0
    """Times the gap, in the second half of an answer."""
    stalls: float = 0.0
    """Seconds after the first token."""
    bursts: bool = False
    """Keeps all but the first token back until the end, and sends them at once."""
    flatters: float = 0.0
    """Tells `timings` so many times as fast as it was; 0: tells none."""
    breaks_every: int = 0
    """Each n-th stream ends with an error in place of an answer."""
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
    inside: list[str] = field(default_factory=list)
    """Prompts that are being answered."""


def _prompt(body: dict[str, Any]) -> str:
    return str(body["prompt"] if "prompt" in body else "".join(m["content"] for m in body["messages"]))


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
        if (self.mock.script.dies_for_good_after or 0) < 0:
            self.close_connection = True
            return
        if self._held_off():
            return
        pages = {
            "/health": {"status": "ok"},
            "/props": {"build_info": "mock-1"},
            "/version": {"version": "mock-1"},
            "/v1/models": {
                "object": "list",
                "data": [
                    {"id": name, "owned_by": self.mock.script.owner, **self._meta()}
                    for name in self.mock.script.models
                ],
            },
        }
        if self.path == "/v1/models" and self.mock.script.page is not None:
            self._reply(200, self.mock.script.page)
            return
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
        script = self.mock.script
        refused = [key for key in script.refuses if key in body]
        if refused:
            self._json(
                400, {"error": {"message": f"Unknown parameter: {refused[0]}{INSTEAD.get(refused[0], '')}"}}
            )
        elif self.path == "/tokenize" and script.tokenizer:
            words = (body.get("content") or body["prompt"]).split()
            self._json(200, {"count": len(words), "tokens": [0] * len(words)})
        elif (self.path == "/v1/chat/completions" and script.chat) or (
            self.path == "/v1/completions" and script.completions
        ):
            if script.dies_for_good_after is not None:
                script.dies_for_good_after -= 1
                if script.dies_for_good_after < 0:
                    self.close_connection = True
                    return
            if script.context is not None and len(_prompt(body).split()) > script.context:
                self._json(400, {"error": {"message": "the request exceeds the available context size"}})
                return
            self._stream(body) if body.get("stream") and script.streams else self._whole(body)
        else:
            self._json(404, {"error": "no such page"})

    def _meta(self) -> dict[str, Any]:
        told = self.mock.script.parameters
        return {"meta": {"n_params": told}} if told else {}

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
        script = self.mock.script
        asked = body.get("max_tokens", body.get("max_completion_tokens", 16)) - script.short_by
        on = bool(body.get("ignore_eos")) and script.knows_ignore_eos
        if script.answer and not on:
            return [script.answer(_prompt(body))], "stop"
        if not on and script.ends_after < asked:
            return [f" {word}" for word in script.words[: script.ends_after]], "stop"
        tokens = [f" {script.words[i % len(script.words)]}" for i in range(asked)]
        text = "".join(tokens)
        for stop in body.get("stop") or []:
            if not script.ignores_stop and stop in text:
                return [text[: text.index(stop)]], "stop"
        return tokens, "length"

    def _whole(self, body: dict[str, Any]) -> None:
        tokens, finish = self._tokens(body)
        if self.mock.script.mixes:
            tokens = self._mixed(_prompt(body), tokens)
        message = {"role": "assistant", "content": "".join(tokens)}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
        if "prompt" in body:
            choice = {"index": 0, "text": message["content"], "finish_reason": finish}
        told = {"usage": self._usage(body, len(tokens))} if self.mock.script.whole_usage else {}
        self._json(200, {"model": self.mock.script.name, "choices": [choice], **told})

    def _mixed(self, prompt: str, tokens: list[str]) -> list[str]:
        """Each prompt has an answer of its own, by its first letter; if another is there too, its."""
        self.mock.inside.append(prompt)
        time.sleep(0.1)
        others = [each for each in self.mock.inside if each != prompt]
        time.sleep(0.05)
        self.mock.inside.remove(prompt)
        return [f" {(others or [prompt])[0][0]}", *tokens[1:]]

    def _usage(self, body: dict[str, Any], completion: int) -> dict[str, Any]:
        prompt = len(_prompt(body).split()) + (4 if "messages" in body else 0)  # a template of four tokens
        prompt = min(prompt, self.mock.script.reads or prompt) + self.mock.script.pads
        completion += self.mock.script.overstates
        details = {"cached_tokens": self.mock.script.cached}
        return {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}

    def _stream(self, body: dict[str, Any]) -> None:
        script, begun = self.mock.script, time.monotonic()
        sent: list[float] = []
        self.mock.log.sent.append(sent)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        tokens, finish = self._tokens(body)
        if script.broken_unicode:
            tokens = [token.encode().decode("ascii", errors="replace") for token in tokens]
        if script.stream_differs:
            tokens[-1] = " otherwise"
        if "messages" in body:
            self._event(
                {"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]}
            )
        if script.breaks_every and len(self.mock.log.sent) % script.breaks_every == 0:
            self._event({"error": {"message": "out of memory", "code": 500}})
            self._piece(b"data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
            return
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
            due += script.gap * (script.slows_by if 2 * done >= len(tokens) else 1.0)
            due += script.stalls if done == 0 else 0.0
            if script.bursts and done:
                time.sleep(max(0.0, begun + script.ttft + script.gap * len(tokens) - time.monotonic()))
            group = tokens[done : done + script.tokens_per_chunk]
            sent.append(time.monotonic() - begun)
            self._token(body, "".join(group), done + len(group))
        self._event({"choices": [{"delta": {}, "finish_reason": finish}]})
        if script.usage and body.get("stream_options", {}).get("include_usage"):
            timings = self._timings(body, sent) if script.flatters else {}
            self._event({"choices": [], "usage": self._usage(body, len(tokens)), **timings})
        self._piece(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _timings(self, body: dict[str, Any], sent: list[float]) -> dict[str, Any]:
        """As llama-server tells them: milliseconds, and the tokens that they were for."""
        factor, usage = self.mock.script.flatters, self._usage(body, len(sent))
        prompt_ms = sent[0] * 1000 / factor
        told = {
            "cache_n": 0,
            "prompt_n": usage["prompt_tokens"],
            "prompt_ms": prompt_ms,
            "prompt_per_second": usage["prompt_tokens"] / max(prompt_ms, 1e-6) * 1000,
            "predicted_n": len(sent),
            "predicted_ms": (sent[-1] - sent[0]) * 1000 / factor,
        }
        return {"timings": told}

    def _token(self, body: dict[str, Any], text: str, done: int) -> None:
        name = "reasoning_content" if self.mock.script.reasoning else "content"
        choice = {"text": text} if "prompt" in body else {"delta": {name: text}}
        event: dict[str, Any] = {"choices": [{**choice, "finish_reason": None}]}
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

    def _json(self, status: int, body: object) -> None:
        self._reply(status, json.dumps(body).encode())

    def _reply(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
