"""A Prometheus text page, and what the two servers say on theirs. Pure: text in, numbers out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostproof.measure.errors import BadStream

CONFIG = "vllm:cache_config_info"
_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"(?:\{(?P<labels>(?:\s*[a-zA-Z_]\w*\s*=\s*\"(?:[^\"\\]|\\.)*\"\s*,?)*\s*)\})?"
    r"\s+(?P<value>\S+)(?:\s+-?\d+)?"
)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(frozen=True)
class Sample:
    """One line of the page."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Page:
    """One scrape."""

    samples: tuple[Sample, ...]

    def total(self, name: str) -> float | None:
        """Over all label sets (engines, models); None if the page does not have it."""
        found = [sample.value for sample in self.samples if sample.name == name]
        return math.fsum(found) if found else None

    def highest(self, name: str) -> float | None:
        return max((sample.value for sample in self.samples if sample.name == name), default=None)


EMPTY = Page(())


def parse(text: str) -> Page:
    """Raises BadStream for a line that is no comment and no sample."""
    return Page(tuple(_samples(text)))


def _samples(text: str) -> Iterator[Sample]:
    for line in text.splitlines():
        line = line.strip()  # noqa: PLW2901
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line)
        if match is None:
            raise BadStream(f"/metrics has a line that is no sample: {line[:80]!r}")
        labels = {key: _unescape(value) for key, value in _LABEL.findall(match["labels"] or "")}
        yield Sample(match["name"], labels, _number(match["value"], line))


def _number(text: str, line: str) -> float:
    try:
        return float(text.replace("Inf", "inf"))
    except ValueError as error:
        raise BadStream(f"/metrics has a value that is no number: {line[:80]!r}") from error


def _unescape(value: str) -> str:
    return re.sub(r"\\.", lambda match: _ESCAPES.get(match[0], match[0]), value)


def kv_cache_usage(page: Page) -> float | None:
    """The fullest engine's share, 0..1 (llama-server dropped its gauge in 2025)."""
    vllm = page.highest("vllm:kv_cache_usage_perc")
    return vllm if vllm is not None else page.highest("llamacpp:kv_cache_usage_ratio")


def kv_capacity(page: Page) -> float | None:
    """vLLM: how many tokens the cache holds, where it says so."""
    found = [
        sample.labels.get("kv_cache_size_tokens", "") for sample in page.samples if sample.name == CONFIG
    ]
    return float(found[0]) if found and found[0].isdigit() else None


def prefix_hits(before: Page, after: Page) -> tuple[float, float] | None:
    """vLLM: tokens found in the prefix cache and tokens looked up, between two scrapes."""
    hits = _growth(before, after, "vllm:prefix_cache_hits_total")
    queries = _growth(before, after, "vllm:prefix_cache_queries_total")
    return None if hits is None or queries is None else (hits, queries)


def histogram_mean(before: Page, after: Page, name: str) -> float | None:
    """Mean of what a histogram took in between two scrapes."""
    total = _growth(before, after, f"{name}_sum")
    number = _growth(before, after, f"{name}_count")
    return total / number if total is not None and number else None


def is_useful(page: Page) -> bool:
    """Whether it has something that no answer tells."""
    return kv_cache_usage(page) is not None or finished_requests(page) is not None


def finished_requests(page: Page) -> float | None:
    """vLLM: answers that its statistics already contain."""
    return page.total("vllm:request_success_total")


def _growth(before: Page, after: Page, name: str) -> float | None:
    first, last = before.total(name), after.total(name)
    if last is None:
        return None
    grown = last - (first or 0.0)
    return grown if grown >= 0 else None  # smaller than before: the server started anew in between
