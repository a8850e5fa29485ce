"""The error of the instrument, against a process that writes down when each token really left (benchmarks/instrument has the table).

A busy machine delays single requests; what must be small is the error that no request escapes. So the best of a few counts: a
client that is wrong by itself is wrong in all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

import pytest

from hostproof.measure import sample
from hostproof.measure.client import Client
from hostproof.measure.stream import Stream
from hostproof.measure.transport import HttpTransport

SERVER = Path(__file__).with_name("schedule_server.py")
MOST = 0.01
TRIES = 8
TTFT_SECONDS = 0.5


@dataclass(frozen=True)
class Truth:
    ttft: float
    gaps: tuple[float, ...]


@dataclass(frozen=True)
class Asked:
    client: Client
    log: Path

    def once(self, tokens: int) -> tuple[Stream, Truth]:
        self.log.write_text("", encoding="utf-8")
        extra = {"max_tokens": tokens, "stream_options": {"continuous_usage_stats": True}}
        stream = self.client.chat_stream("hello", extra)
        until = time.monotonic() + 5
        while not (text := self.log.read_text(encoding="utf-8")) and time.monotonic() < until:
            time.sleep(0.01)
        told = json.loads(text)
        gaps = tuple(late - early for early, late in pairwise(told["sent"]))
        return stream, Truth(told["sent"][0] - told["received"], gaps)


@contextmanager
def scheduled(folder: Path, **options: float) -> Iterator[Asked]:
    log = folder / "log"
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, str(SERVER), "--log", str(log), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            yield Asked(Client(HttpTransport(url), "schedule"), log)
        finally:
            process.kill()


def errors(stream: Stream, truth: Truth) -> dict[str, float]:
    gaps = list(sample.gaps(stream))
    speed = sample.generation_throughput(stream)
    assert speed is not None
    return {
        "TTFT": abs(sample.ttft(stream) / truth.ttft - 1),
        "generation": abs(speed * fmean(truth.gaps) - 1),
        "median gap": abs(median(gaps) / median(truth.gaps) - 1),
    }


@pytest.mark.parametrize("rate", [5, 28, 200, 2000])
def test_times_are_wrong_by_less_than_a_hundredth(rate: int, tmp_path: Path) -> None:
    best: dict[str, float] = {}
    with scheduled(tmp_path, ttft=TTFT_SECONDS, gap=1 / rate) as asked:
        for _ in range(TRIES):
            found = errors(*asked.once(max(4, round(0.8 * rate))))
            best = {name: min(error, best.get(name, 1.0)) for name, error in found.items()}
            if all(error < MOST for error in best.values()):
                break
    assert all(error < MOST for error in best.values()), best


def test_a_hiccup_is_seen_where_it_was(tmp_path: Path) -> None:
    """Every tenth token 190 ms late: nine in ten gaps are short, and the long ones are long."""
    with scheduled(tmp_path, ttft=0.05, gap=0.01, hiccup=0.19, every=10) as asked:
        stream, truth = asked.once(40)
    seen = list(sample.gaps(stream))
    late = [number for number, gap in enumerate(truth.gaps) if gap > 0.15]
    assert len(late) == 4
    assert [number for number, gap in enumerate(seen) if gap > 0.15] == late
    assert sum(gap < 0.1 for gap in seen) == len(seen) - len(late)


def test_tokens_that_come_together_are_not_one_gap(tmp_path: Path) -> None:
    with scheduled(tmp_path, ttft=0.05, gap=0.04, together=4) as asked:
        stream, truth = asked.once(40)
    assert stream.tokens == 40
    gaps = list(sample.gaps(stream))
    assert len(gaps) == 36, "the first four came at once: nothing is known of the time between them"
    assert fmean(gaps) == pytest.approx(fmean(truth.gaps) / 4, rel=0.05)


def test_one_stream_takes_little_of_a_processor(tmp_path: Path) -> None:
    """At most a twentieth of a core at 100 tok/s: 1 CPU second in 20."""
    with scheduled(tmp_path, ttft=0.05, gap=0.01) as asked:
        begun, cpu = time.monotonic(), time.thread_time()
        asked.once(200)
        share = (time.thread_time() - cpu) / (time.monotonic() - begun)
    assert share < 0.05
