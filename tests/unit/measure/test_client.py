"""The client against a mock server on a real socket; times only with loose bounds, relative to the truth."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from hostproof.measure import sample
from hostproof.measure.client import Client, read_key
from hostproof.measure.dialect import DIALECTS, exactly
from hostproof.measure.errors import BadStatus, BadStream, ConfigError, NoAnswer, NoConnection, SampleFailed
from hostproof.measure.transport import HttpTransport, Request

from .conftest import Serve
from .mock_server import MODEL, Mock

COUNTED = {**exactly(6), **DIALECTS["vllm_server"].running_count}


def client(mock: Mock, key: str = "") -> Client:
    return Client(HttpTransport(mock.url), MODEL, key)


def test_times_follow_the_schedule_of_the_server(serve: Serve) -> None:
    mock = serve(ttft=0.3, gap=0.05)
    read = client(mock).chat_stream("hello", COUNTED)
    (sent,) = mock.log.sent
    assert [arrival.tokens for arrival in read.arrivals] == [1] * 6
    delays = [arrival.at - at for arrival, at in zip(read.arrivals, sent, strict=True)]
    assert all(delay > -0.01 for delay in delays), "a token was seen before it was sent"
    assert sample.ttft(read) >= 0.29
    truth = (len(sent) - 1) / (sent[-1] - sent[0])
    assert sample.generation_throughput(read) == pytest.approx(truth, rel=0.5)


def test_a_request_asks_for_usage_and_counts_and_keeps_its_options(serve: Serve) -> None:
    mock = serve()
    client(mock).chat_stream("hello", {**COUNTED, "cache_salt": "s"})
    (body,) = mock.log.bodies("/v1/chat/completions")
    assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert (body["max_tokens"], body["ignore_eos"], body["temperature"]) == (6, True, 0)
    assert body["cache_salt"] == "s"


def test_several_tokens_in_a_chunk_are_counted_by_the_server(serve: Serve) -> None:
    read = client(serve(tokens_per_chunk=4)).chat_stream("hello", COUNTED)
    assert [arrival.tokens for arrival in read.arrivals] == [4, 2]


def test_characters_cut_between_packets_arrive_whole(serve: Serve) -> None:
    words = ["Häuser", "→", "🦀"]
    read = client(serve(split_bytes=True, words=words)).chat_stream("hello", COUNTED)
    assert read.text == " Häuser → 🦀 Häuser → 🦀"


def test_reasoning_is_output(serve: Serve) -> None:
    assert client(serve(reasoning=True)).chat_stream("hello", COUNTED).tokens == 6


def test_a_server_that_dies_in_the_middle_fails_the_sample(serve: Serve) -> None:
    with pytest.raises(SampleFailed):
        client(serve(die_after=3)).chat_stream("hello", COUNTED)


def test_a_server_that_goes_silent_fails_the_sample_in_time(serve: Serve) -> None:
    with pytest.raises(NoAnswer, match="went silent"):
        client(serve(hang_after=2)).chat_stream("hello", COUNTED, limit_seconds=0.5)


def test_a_server_that_never_answers_fails_the_sample_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(NoAnswer, match="did not answer within"):
            Client(HttpTransport(url), MODEL).get("/health", limit_seconds=0.3)


def test_without_time_left_nothing_is_asked(serve: Serve) -> None:
    mock = serve()
    with pytest.raises(NoAnswer, match="no time is left"):
        client(mock).chat("hello", exactly(1), limit_seconds=-0.1)
    assert mock.log.requests == []


def test_nobody_there_is_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NoConnection, match="connection refused"):
        Client(HttpTransport(f"http://127.0.0.1:{port}"), MODEL).get("/health")


def test_something_that_does_not_speak_http_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def babble() -> None:
            other, _ = odd.accept()
            other.recv(1000)
            other.sendall(b"220 mail ready\r\n")
            other.close()

        thread = threading.Thread(target=babble)
        thread.start()
        with pytest.raises(NoConnection):
            Client(HttpTransport(f"http://127.0.0.1:{odd.getsockname()[1]}"), MODEL).get("/health")
        thread.join(5)


def test_a_status_that_is_no_success_carries_what_the_server_said(serve: Serve) -> None:
    with pytest.raises(BadStatus, match=r"HTTP 401: .*Invalid API key") as caught:
        client(serve(key="right"), "wrong").chat("hello", exactly(1))
    assert caught.value.status == 401


def test_the_right_key_is_let_in(serve: Serve) -> None:
    assert client(serve(key="right"), "right").chat("hello", exactly(2)).usage is not None


def test_an_answer_that_is_no_json_is_a_bad_stream(serve: Serve) -> None:
    with pytest.raises(BadStream, match="did not answer in JSON"):
        client(serve(metrics="not json")).get_json("/metrics")


def test_connecting_is_not_part_of_the_time_to_first_token(serve: Serve) -> None:
    exchange = HttpTransport(serve().url).exchange(Request("/health"), limit_seconds=5)
    pieces = list(exchange.pieces)
    assert exchange.connect_seconds > 0
    assert all(piece.at >= exchange.sent_at for piece in pieces)


def test_a_key_is_the_first_word_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_key(str(file))
    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        read_key(str(file))
    file.write_text("secret\n")
    assert read_key(str(file)) == "secret"
    assert read_key("") == ""
