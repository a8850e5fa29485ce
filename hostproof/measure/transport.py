"""The one seam to a server: a request goes in, a status and timed pieces of the body come out.

Pieces are timed as they arrive and parsed later, so that parsing never delays the next reading of the clock.
Connecting is timed apart: time to first token starts when the request is sent on an open connection.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from hostproof.measure.errors import NoAnswer, NoConnection

PIECE = 65536
CONNECT_SECONDS = 5.0
RENEW_SECONDS = 1.0
"""The socket's own limit is set anew so often, not for every piece: at 2,000 tokens a second that was a tenth of the work."""


@dataclass(frozen=True)
class Request:
    """One HTTP request; `body` is None for a GET."""

    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """Bytes as they came, and when (monotonic seconds)."""

    at: float
    data: bytes


@dataclass(frozen=True)
class Exchange:
    """An answer as it comes in. `pieces` may raise a SampleFailed at any step."""

    status: int
    sent_at: float
    connect_seconds: float
    pieces: Iterator[Piece]


class Transport(Protocol):
    """What a client needs of a connection; tests have their own."""

    def exchange(self, request: Request, *, limit_seconds: float) -> Exchange:
        """Sends the request. `limit_seconds` bounds the whole exchange."""
        ...


@dataclass(frozen=True)
class HttpTransport:
    """HTTP/1.1 on a fresh connection per request, so that no run inherits the state of another."""

    url: str

    def exchange(self, request: Request, *, limit_seconds: float) -> Exchange:
        if limit_seconds <= 0:
            raise NoAnswer(f"{self.url} was not asked: no time is left")
        until = time.monotonic() + limit_seconds
        connection = self._connection(min(CONNECT_SECONDS, limit_seconds))
        begun = time.monotonic()
        try:
            connection.connect()
            sock: socket.socket = connection.sock
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sent_at = time.monotonic()
            _limit(sock, until)
            method = "GET" if request.body is None else "POST"
            connection.request(method, self._prefix + request.path, request.body, dict(request.headers))
            response = connection.getresponse()
        except TimeoutError as error:
            connection.close()
            raise NoAnswer(f"{self.url} did not answer within {limit_seconds:.0f} s") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NoConnection(f"{self.url}: {_reason(error)}") from error
        except BaseException:
            connection.close()
            raise
        return Exchange(
            response.status, sent_at, sent_at - begun, self._pieces(connection, sock, response, until)
        )

    @property
    def _prefix(self) -> str:
        return urlsplit(self.url).path.rstrip("/")

    def _connection(self, connect_seconds: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=connect_seconds)

    def _pieces(
        self,
        connection: http.client.HTTPConnection,
        sock: socket.socket,
        response: http.client.HTTPResponse,
        until: float,
    ) -> Iterator[Piece]:
        at = 0.0
        renewed = -RENEW_SECONDS
        try:
            while True:
                if at - renewed > RENEW_SECONDS:
                    _limit(sock, until)
                    renewed = at
                data = response.read1(PIECE)
                at = time.monotonic()
                if not data:
                    return
                yield Piece(at, data)
        except TimeoutError as error:
            raise NoAnswer(f"{self.url} went silent in the middle of its answer") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoConnection(f"{self.url} broke off its answer: {_reason(error)}") from error
        finally:
            response.close()
            connection.close()


def _limit(sock: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if sock.fileno() >= 0:  # closed by http.client once the body has been read
        sock.settimeout(left)


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__
