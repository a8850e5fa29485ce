"""What a server says of itself over the whole measurement: its /metrics once a second, and vLLM's periodic log lines.

Pure but for `journal`.
The log lines are averages over windows of 10 seconds: a short request in an idle window reads as 0.6-8 tok/s. They are the view that
an operator has, shown as such; figures are taken per request.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from hostproof.measure.metrics_page import Page, kv_cache_usage

JOURNAL_SECONDS = 20
MOST_LINES = 720
"""Of the log in a Result: two hours of windows."""
MOST_POINTS = 600
GAUGES: Final[Mapping[str, tuple[str, ...]]] = {
    "running": ("vllm:num_requests_running", "llamacpp:requests_processing"),
    "waiting": ("vllm:num_requests_waiting", "llamacpp:requests_deferred"),
}
COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt_tokens": ("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total"),
    "generated_tokens": ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total"),
    "preemptions": ("vllm:num_preemptions_total",),
    "cached_tokens": ("vllm:prefix_cache_hits_total", "llamacpp:prompt_tokens_cached_total"),
}
FINISHED: Final = "vllm:request_success_total"


@dataclass(frozen=True)
class Look:
    """One scrape: seconds since the first, gauges, counters, usage of the KV cache (0..1); what a server does not tell is left out."""

    seconds: float
    values: Mapping[str, float]


NAMES: Final = (
    *(name for table in (GAUGES, COUNTERS) for names in table.values() for name in names),
    *("vllm:kv_cache_usage_perc", "llamacpp:kv_cache_usage_ratio"),
)


def relevant(text: str) -> str:
    """The lines that are kept of a scrape; read when the measurement is over, so that reading disturbs no time stamp."""
    return "\n".join(line for line in text.splitlines() if line.startswith(NAMES))


def look(page: Page, seconds: float) -> Look:
    found = {
        key: value
        for table in (GAUGES, COUNTERS)
        for key, names in table.items()
        if (value := next((v for name in names if (v := page.total(name)) is not None), None)) is not None
    }
    usage = kv_cache_usage(page)
    return Look(round(seconds, 2), found | ({} if usage is None else {"kv_cache_usage": usage}))


def told(looks: Sequence[Look], before: Page, after: Page) -> dict[str, Any]:
    """For a Result: growth of the counters, peaks of the gauges, why answers ended, and the series. Empty if /metrics is not there."""
    if len(looks) < 2:
        return {}
    first, last = looks[0].values, looks[-1].values
    growth = {key: last[key] - first[key] for key in COUNTERS if key in first and key in last}
    peaks = {
        f"{key}_max": max(each.values[key] for each in looks if key in each.values)
        for key in (*GAUGES, "kv_cache_usage")
        if any(key in each.values for each in looks)
    }
    step = -(-len(looks) // MOST_POINTS)
    series = {
        key: [each.values.get(key) for each in looks[::step]]
        for key in (*GAUGES, "kv_cache_usage")
        if key in last
    }
    return {
        "seconds": looks[-1].seconds,
        "looks": len(looks),
        "growth": growth,
        **peaks,
        "finish_reasons": finish_reasons(before, after),
        "series": {"seconds": [each.seconds for each in looks[::step]], **series},
    }


def findings(server: Mapping[str, Any], log: Mapping[str, Any]) -> Iterator[str]:
    """What of it a reader must know."""
    preempted = server.get("growth", {}).get("preemptions", 0)
    if preempted:
        yield (
            f"the server pre-empted {preempted:.0f} requests: its KV cache is too small for what was asked at once "
            "(fewer sequences, a shorter context, or more memory for the cache)"
        )
    if log.get("idle_windows"):
        yield (
            f"{log['idle_windows']} of {log['windows']} windows of the server's log read 0 tok/s: nothing was asked then, or the "
            "window fell between two answers; a stall would show as a gap between tokens"
        )


def finish_reasons(before: Page, after: Page) -> dict[str, float]:
    """vLLM: why answers ended in between; only what happened."""
    reasons = {s.labels.get("finished_reason", "") for s in after.samples if s.name == FINISHED}

    def count(page: Page, reason: str) -> float:
        return sum(
            s.value for s in page.samples if s.name == FINISHED and s.labels.get("finished_reason") == reason
        )

    grown = {reason: count(after, reason) - count(before, reason) for reason in sorted(reasons)}
    return {reason: number for reason, number in grown.items() if number > 0}


@dataclass(frozen=True)
class Window:
    """One periodic line of vLLM's log. Speeds in tok/s, shares 0..1; None: the line does not say."""

    prompt: float
    generation: float
    running: int
    waiting: int
    kv_cache_usage: float | None
    prefix_cache_hit_rate: float | None


def windows(text: str) -> Iterator[Window]:
    """Read by key: the parts of the line come and go between versions."""
    for line in text.splitlines():
        generation = _number(r"Avg generation throughput: ([\d.]+) tokens/s", line)
        if generation is None:
            continue
        yield Window(
            prompt=_number(r"Avg prompt throughput: ([\d.]+) tokens/s", line) or 0.0,
            generation=generation,
            running=int(_number(r"Running: (\d+) reqs", line) or 0),
            waiting=int(_number(r"Waiting: (\d+) reqs", line) or 0),
            kv_cache_usage=_share(r"KV cache usage: ([\d.]+)%", line),
            prefix_cache_hit_rate=_share(r"(?<!External )Prefix cache hit rate: ([\d.]+)%", line),
        )


def _number(pattern: str, line: str) -> float | None:
    found = re.search(pattern, line)
    return float(found[1]) if found else None


def _share(pattern: str, line: str) -> float | None:
    found = _number(pattern, line)
    return None if found is None else round(found / 100, 5)


def table(found: Sequence[Window]) -> dict[str, Any]:
    """The article's table of measured throughput, from the log as the article had it: least, middle and most of the windows."""
    if not found:
        return {}
    columns = {
        "prompt_tok_s": [each.prompt for each in found if each.prompt > 0],
        "generation_tok_s": [each.generation for each in found if each.generation > 0],
        "kv_cache_usage": [each.kv_cache_usage for each in found if each.kv_cache_usage is not None],
        "prefix_cache_hit_rate": [
            each.prefix_cache_hit_rate for each in found if each.prefix_cache_hit_rate is not None
        ],
    }
    return {
        "windows": len(found),
        "idle_windows": sum(each.prompt == each.generation == 0 for each in found),
        "running_max": max(each.running for each in found),
        "waiting_max": max(each.waiting for each in found),
        **{
            name: {"min": min(values), "median": median(values), "max": max(values)}
            for name, values in columns.items()
            if values
        },
        "lines": [asdict(each) for each in found[-MOST_LINES:]],
    }


def journal(unit: str, since: float) -> str:
    """What the unit logged since (seconds of the epoch); empty where there is no unit or no journal that may be read."""
    if not unit:
        return ""
    command = ["journalctl", "--unit", unit, "--since", f"@{since:.0f}", "--output", "cat", "--no-pager"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=JOURNAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
