"""The probe against a small real HTTP server, and its judgement of single answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hostproof.shared import server_probe
from hostproof.shared.server_probe import Reply, judge

GOOD = {"choices": [{"message": {"content": " one, two"}}], "usage": {"completion_tokens": 4}}
ANSWERS = Reply("answers")


def body(answer: object) -> bytes:
    return json.dumps(answer).encode()


def test_a_completion_with_a_token_answers() -> None:
    assert judge(200, body(GOOD), "m") == ANSWERS


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_never(status: int) -> None:
    assert judge(status, b"", "m") == Reply("never", f"it refuses the API key ({status})")


def test_loading_is_not_yet() -> None:
    answer = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
    assert judge(503, body(answer), "m") == Reply("not yet", "it loads the model")


def test_another_status_is_shown_and_cut() -> None:
    reply = judge(500, b"E" * 5000, "m")
    assert reply.kind == "not yet"
    assert reply.why == f"it answered 500: {'E' * server_probe.SHOWN}"


def test_no_token_is_no_answer() -> None:
    nothing = {**GOOD, "usage": {"completion_tokens": 0}}
    assert judge(200, body(nothing), "small") == Reply("not yet", "small answered with no token")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>hello</html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"choices": []}',
        body({**GOOD, "usage": None}),
        body({**GOOD, "usage": {"completion_tokens": None}}),
        body({"usage": {"completion_tokens": 4}}),
    ],
)
def test_something_else_than_a_completion_is_not_yet(answer: bytes) -> None:
    reply = judge(200, answer, "m")
    assert reply.kind == "not yet"
    assert reply.why.startswith("it answered something else than a completion: ")


Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server whose POST does what it is given; returns its address."""
    running: list[ThreadingHTTPServer] = []

    def start(post: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                post(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def test_it_asks_for_a_few_tokens_with_the_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy of root's must not come between.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    asked: list[Any] = []

    def post(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.path, handler.headers["Authorization"], handler.headers["Content-Type"]))
        asked.append(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        answer(handler, 200, body(GOOD))

    assert server_probe.ask(f"{serve(post)}/", "small", "k1", 5) == ANSWERS
    assert asked[0] == ("/v1/chat/completions", "Bearer k1", "application/json")
    assert (asked[1]["model"], asked[1]["max_tokens"], asked[1]["temperature"]) == ("small", 8, 0)


def test_without_a_key_none_is_sent(serve: Serve) -> None:
    seen: list[str | None] = []

    def post(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        answer(handler, 401, b"{}")

    assert server_probe.ask(serve(post), "small", "", 5).kind == "never"
    assert seen == [None]


def test_an_error_status_is_judged_like_any_answer(serve: Serve) -> None:
    url = serve(lambda handler: answer(handler, 404, b"no model small"))
    assert server_probe.ask(url, "small", "", 5) == Reply("not yet", "it answered 404: no model small")


def test_an_answer_that_is_cut_short_is_not_yet(serve: Serve) -> None:
    def post(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"choices"')
        handler.close_connection = True

    assert server_probe.ask(serve(post), "small", "", 5).kind == "not yet"


def test_a_server_that_never_answers_is_not_waited_for(serve: Serve) -> None:
    done = threading.Event()
    url = serve(lambda _: done.wait(30) and None)
    started = time.monotonic()
    reply = server_probe.ask(url, "small", "", 0.3)
    done.set()
    assert reply.kind == "not yet"
    assert reply.why.startswith("no answer: ")
    assert time.monotonic() - started < 5


def test_a_port_where_nobody_listens_is_not_yet() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    reply = server_probe.ask(f"http://127.0.0.1:{port}", "small", "", 2)
    assert reply.kind == "not yet"
    assert "refused" in reply.why


def test_something_that_speaks_no_http_is_not_yet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            caller, _ = listening.accept()
            with caller:
                caller.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        reply = server_probe.ask(f"http://127.0.0.1:{listening.getsockname()[1]}", "small", "", 5)
        thread.join(5)
    assert reply.kind == "not yet"
