"""From pieces of bytes to tokens with times: exact, since the times are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostproof.measure import sample, stream
from hostproof.measure.errors import BadStream
from hostproof.measure.stream import Arrival
from hostproof.measure.transport import Piece

from . import build
from .build import DONE, delta, pieces, usage

RECORDED = Path(__file__).parent / "recorded"


def test_a_role_delta_is_not_the_first_token() -> None:
    read = stream.read(
        pieces(
            [
                (10.0, delta(None, role="assistant")),
                (10.5, delta("a")),
                (10.6, delta("", finish="length")),
                (10.6, DONE),
            ]
        ),
        sent_at=10.0,
    )
    assert sample.ttft(read) == pytest.approx(0.5)
    assert read.tokens == 1


def test_an_empty_chunk_is_not_a_token() -> None:
    read = stream.read(
        pieces([(1.0, delta("")), (2.0, delta("a")), (3.0, delta("b", finish="stop"))]), sent_at=0.0
    )
    assert read.arrivals == (Arrival(2.0, 1), Arrival(3.0, 1))


def test_a_role_delta_that_carries_the_running_count_is_still_no_token() -> None:
    counted = {"timings": {"predicted_n": 1}}
    read = stream.read(
        pieces(
            [
                (1.0, delta(None, role="assistant", **counted)),
                (1.5, delta("a", **counted)),
                (1.6, delta(finish="length")),
            ]
        ),
        sent_at=0.0,
    )
    assert read.arrivals == (Arrival(1.5, 1),)


def test_reasoning_counts_as_output_and_comes_first_in_the_text() -> None:
    read = stream.read(
        pieces([(1.0, delta(reasoning="hm")), (2.0, delta("yes", finish="stop"))]), sent_at=0.0
    )
    assert (read.tokens, read.text) == (2, "hmyes")
    assert sample.ttft(read) == 1.0


def test_several_tokens_in_a_chunk_are_one_arrival_with_their_count() -> None:
    def counted(n: int) -> dict[str, dict[str, int]]:
        return {"usage": {"prompt_tokens": 5, "completion_tokens": n}}

    read = stream.read(
        pieces(
            [
                (1.0, delta("a", **counted(1))),
                (1.3, delta("bcd", **counted(4))),
                (1.3, delta(finish="length")),
                (1.4, usage(4)),
            ]
        ),
        sent_at=0.0,
    )
    assert read.arrivals == (Arrival(1.0, 1), Arrival(1.3, 3))
    assert read.counted == "exact"
    assert read.shared_chunks == 3
    assert list(sample.gaps(read)) == pytest.approx([0.1, 0.1, 0.1])
    assert sample.generation_throughput(read) == pytest.approx(10.0)


def test_tokens_without_text_arrive_when_the_count_says_so() -> None:
    def counted(n: int) -> dict[str, dict[str, int]]:
        return {"timings": {"predicted_n": n}}

    read = stream.read(
        pieces(
            [
                (1.0, delta("a", **counted(1))),
                (2.0, delta("", **counted(2))),
                (3.0, delta("b", finish="length", **counted(3))),
            ]
        ),
        sent_at=0.0,
    )
    assert [arrival.at for arrival in read.arrivals] == [1.0, 2.0, 3.0]


def test_without_a_running_count_chunks_are_tokens_if_usage_agrees() -> None:
    read = stream.read(pieces([(1.0, delta("a")), (2.0, delta("b", finish="length")), (2.0, usage(2))]), 0.0)
    assert read.counted == "chunks"


def test_without_a_running_count_and_with_other_usage_tokens_are_spread_and_it_says_so() -> None:
    read = stream.read(
        pieces([(1.0, delta("a")), (2.0, delta("bcd", finish="length")), (2.0, usage(4))]), 0.0
    )
    assert read.counted == "spread"
    assert read.tokens == 4


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30, unique=True), st.integers(1, 200))
def test_spreading_keeps_the_sum_whatever_the_chunks(times: list[float], total: int) -> None:
    chunks = [stream.Chunk(at, "x", False, None, None, None, {}) for at in sorted(times)]
    arrivals, _ = stream.count(chunks, total)
    assert sum(arrival.tokens for arrival in arrivals) == total
    assert all(arrival.tokens >= 1 for arrival in arrivals)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_a_text_cut_anywhere_reads_the_same(cuts: list[int]) -> None:
    """Characters of two, three and four bytes, cut by TCP wherever it likes."""
    whole = "".join([delta("ü"), delta("→"), delta("🦀"), delta("e\u0301", finish="stop"), DONE]).encode()
    parts, at = [], 0
    for cut in cuts:
        parts.append(whole[at : at + cut])
        at += cut
    parts.append(whole[at:])
    read = stream.read([Piece(float(i), part) for i, part in enumerate(parts)], sent_at=0.0)
    assert read.text == "ü→🦀e\u0301"


def test_the_time_of_an_event_is_that_of_its_last_byte() -> None:
    text = delta("a", finish="stop")
    read = stream.read(
        pieces([(1.0, text[:10]), (2.0, text[10:-2]), (3.0, text[-2:]), (4.0, DONE)]), sent_at=0.0
    )
    assert sample.ttft(read) == 3.0


def test_carriage_returns_comments_and_a_missing_last_blank_line_do_no_harm() -> None:
    text = ": ping\r\n\r\n" + delta("a").replace("\n", "\r\n") + delta("b", finish="stop").rstrip("\n") + "\n"
    assert stream.read(pieces([(1.0, text)]), 0.0).text == "ab"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (delta("a"), "without a finish_reason"),
        ("data: {broken\n\n", "not JSON"),
        ("data: [1]\n\n", "no object"),
        ('data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        ('error: {"code": 500, "message": "slot gone"}\n\n', "slot gone"),
        ("", "after 0 chunks"),
    ],
)
def test_an_answer_that_cannot_be_believed_is_an_error(text: str, said: str) -> None:
    with pytest.raises(BadStream, match=said):
        stream.read(pieces([(1.0, text)]), sent_at=0.0)


@pytest.mark.parametrize("file", sorted(RECORDED.glob("*.sse")), ids=lambda file: file.stem)
def test_a_recorded_stream_counts_as_its_own_usage_says(file: Path) -> None:
    events = file.read_text(encoding="utf-8").split("\n\n")
    timed = [Piece(float(i), f"{event}\n\n".encode()) for i, event in enumerate(events)]
    read = stream.read(timed, sent_at=0.0)
    assert read.usage is not None
    assert read.counted == "exact"
    assert read.tokens == read.usage.completion == 12
    assert sample.ttft(read) == 1.0, "the first event is a role delta, the second has the first token"


def test_the_recordings_are_there() -> None:
    assert {file.stem.split("-")[0] for file in RECORDED.glob("*.sse")} == {"llama", "vllm"}


def test_gaps_and_speed_of_a_single_arrival_are_nothing() -> None:
    one = build.stream([1.0])
    assert list(sample.gaps(one)) == []
    assert sample.generation_throughput(one) is None


@given(st.lists(st.floats(0.001, 10), min_size=2, max_size=50), st.floats(0.01, 10))
def test_gaps_add_up_to_the_time_between_first_and_last(steps: list[float], first: float) -> None:
    times = [first]
    for step in steps:
        times.append(times[-1] + step)
    made = build.stream(times)
    assert sum(sample.gaps(made)) == pytest.approx(times[-1] - times[0])
    speed = sample.generation_throughput(made)
    assert speed == pytest.approx(len(steps) / (times[-1] - times[0]))
    assert sample.latency_at(made, len(times)) == times[-1]
    assert sample.latency_at(made, len(times) + 1) is None
