"""A server on a known schedule, as a process of its own, and what it says really happened."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Final

PROGRAM: Final = Path(__file__).resolve().parents[2] / "tests/unit/measure/schedule_server.py"


@dataclass(frozen=True)
class Schedule:
    """Seconds; `hiccup` more before every `every`-th token."""

    ttft: float
    gap: float
    hiccup: float = 0.0
    every: int = 0


@dataclass(frozen=True)
class Sent:
    """One answer: when its request was there, when each token left (monotonic clock of the machine)."""

    received: float
    sent: tuple[float, ...]

    @property
    def ttft(self) -> float:
        return self.sent[0] - self.received

    @property
    def gaps(self) -> list[float]:
        return [late - early for early, late in pairwise(self.sent)]

    @property
    def speed(self) -> float:
        return (len(self.sent) - 1) / (self.sent[-1] - self.sent[0])


@dataclass(frozen=True)
class Figures:
    """TTFT (median, s), generation (median over requests, tok/s), gap between tokens (s), as one tool tells them."""

    ttft: float
    speed: float
    itl_median: float
    itl_p95: float


@dataclass(frozen=True)
class Running:
    url: str
    log: Path

    def answers(self, tokens: int) -> list[Sent]:
        """Those of so many tokens: a tool's own first questions are shorter."""
        raw = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [Sent(each["received"], tuple(each["sent"])) for each in raw if each["tokens"] == tokens]

    def forget(self) -> None:
        self.log.write_text("", encoding="utf-8")


def truth(answers: list[Sent]) -> Figures:
    gaps = [gap for answer in answers for gap in answer.gaps]
    return Figures(
        median(answer.ttft for answer in answers),
        median(answer.speed for answer in answers),
        median(gaps),
        quantiles(gaps, n=100, method="inclusive")[94],
    )


@contextmanager
def running(schedule: Schedule, folder: Path) -> Iterator[Running]:
    log = folder / "schedule.jsonl"
    log.write_text("", encoding="utf-8")
    options = [f"--{name}={getattr(schedule, name)}" for name in ("ttft", "gap", "hiccup", "every")]
    command = [sys.executable, str(PROGRAM), "--log", str(log), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Running(f"http://127.0.0.1:{int(process.stdout.readline())}", log)
        finally:
            process.kill()
