"""A process of its own that sends tokens on a schedule and writes down when each really left: the truth for a client's clock.

    python tests/unit/measure/schedule_server.py --log FILE [--ttft 0.2] [--gap 0.01] [--hiccup 0.19 --every 10] [--together 1]

Prints its port. One line of JSON a streamed answer in the log: `{"received", "sent": […], "tokens": n}`, on the machine's monotonic
clock, which all processes share. Standard library alone, one connection after the other on threads; no import of hostproof.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

SPIN_SECONDS = 0.0008
"""A sleep may come back so late; the rest is waited for with open eyes."""
MODEL = "schedule"
ROLE = {"role": "assistant", "content": ""}


class Server:
    """What is sent when; see the options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.ttft: float = options.ttft
        self.gap: float = options.gap
        self.hiccup: float = options.hiccup
        self.every: int = options.every
        self.together: int = options.together
        self.log: Path = options.log
        self.writing = threading.Lock()

    def serve(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def _connection(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                while self._request(connection, lines):
                    pass
            except (ConnectionError, BrokenPipeError):
                return  # the client went away

    def _request(self, connection: socket.socket, lines: Any) -> bool:
        first = lines.readline().split()
        if len(first) < 2:
            return False
        length = 0
        while (line := lines.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = json.loads(lines.read(length)) if length else {}
        received = time.monotonic()
        path = first[1].decode()
        if path == "/v1/models":
            self._whole(connection, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif path == "/health":
            self._whole(connection, {"status": "ok"})
        elif path != "/v1/chat/completions":
            self._whole(connection, {"error": "no such page"}, "404 Not Found")
        elif body.get("stream"):
            self._stream(connection, body, received)
        else:
            self._answer(connection, body)
        return True

    def _answer(self, connection: socket.socket, body: dict[str, Any]) -> None:
        tokens = _tokens(body)
        message = {"role": "assistant", "content": " word" * tokens}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        self._whole(connection, _event(choices=[choice], usage=_usage(body, tokens)))

    def _stream(self, connection: socket.socket, body: dict[str, Any], received: float) -> None:
        tokens, sent = _tokens(body), []
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(
            head + _piece(_event(choices=[{"index": 0, "delta": ROLE, "finish_reason": None}]))
        )
        due = received + self.ttft
        for done in range(self.together, tokens + 1, self.together):
            choice = {"index": 0, "delta": {"content": " word" * self.together}, "finish_reason": None}
            piece = _piece(_event(choices=[choice], usage=_usage(body, done)))
            _wait(due)
            sent.append(time.monotonic())
            connection.sendall(piece)
            late = self.hiccup if self.every and len(sent) % self.every == self.every - 1 else 0.0
            due += self.gap + late
        last = _piece(_event(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}]))
        counts = _piece(_event(choices=[], usage=_usage(body, tokens)))
        connection.sendall(last + counts + _raw(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        with self.writing, self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"received": received, "sent": sent, "tokens": tokens}) + "\n")

    def _whole(self, connection: socket.socket, body: dict[str, Any], status: str = "200 OK") -> None:
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data)


def _tokens(body: dict[str, Any]) -> int:
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 16)


def _usage(body: dict[str, Any], completion: int) -> dict[str, int]:
    prompt = sum(len(str(message["content"]).split()) for message in body["messages"])
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _event(**parts: Any) -> dict[str, Any]:
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": MODEL, **parts}


def _piece(event: dict[str, Any]) -> bytes:
    return _raw(b"data: " + json.dumps(event).encode() + b"\n\n")


def _raw(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _wait(due: float) -> None:
    left = due - time.monotonic() - SPIN_SECONDS
    if left > 0:
        time.sleep(left)
    while time.monotonic() < due:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--ttft", type=float, default=0.2, help="seconds")
    parser.add_argument("--gap", type=float, default=0.01, help="seconds")
    parser.add_argument(
        "--hiccup", type=float, default=0.0, help="seconds more, before every --every-th token"
    )
    parser.add_argument("--every", type=int, default=0)
    parser.add_argument("--together", type=int, default=1, help="tokens a chunk")
    Server(parser.parse_args()).serve()


if __name__ == "__main__":
    main()
