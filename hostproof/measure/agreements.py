"""The client's figures beside the server's own, like for like. Pure.

llama-server tells in `timings` of each answer; vLLM in histograms, which give means over the runs between two
scrapes. Warm-ups are outside both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from hostproof.measure import sample
from hostproof.measure.metrics_page import Page, histogram_mean
from hostproof.measure.result import Agreement
from hostproof.measure.sample import CellRuns
from hostproof.measure.stream import Stream
from hostproof.measure.workload import Cell

_TIMINGS = "server:timings"


def agreements(cells: CellRuns, before: Page, after: Page) -> Iterator[Agreement]:
    cell = cells.cell
    streams = [run.stream for run in cells.measured if run.stream]
    if not streams:
        return
    if all("predicted_ms" in stream.timings for stream in streams):
        yield from _with_timings(cell, streams)
    elif len(streams) == len(cells.measured):  # a failed run may be in the histograms or not
        yield from _with_histograms(cell, streams, before, after)


def _with_timings(cell: Cell, streams: Sequence[Stream]) -> Iterator[Agreement]:
    pairs = [
        ("ttft", sample.ttft, lambda s: s.timings["prompt_ms"] / 1000),
        ("generation_throughput", sample.generation_throughput, _predicted_per_second),
    ]
    if cell.cache == "cold":
        pairs.append(
            ("prompt_throughput", sample.prompt_throughput, lambda s: s.timings["prompt_per_second"])
        )
    for metric, of_client, of_server in pairs:
        client, server = _median(of_client, streams), _median(of_server, streams)
        if client is not None and server is not None:
            yield Agreement(cell.name, metric, client, server, _TIMINGS)


def _predicted_per_second(stream: Stream) -> float | None:
    """llama-server divides all n tokens by the time that n − 1 took; here the first is left out."""
    tokens, took = stream.timings["predicted_n"], stream.timings["predicted_ms"] / 1000
    return (tokens - 1) / took if took else None


def _median(of: Callable[[Stream], float | None], streams: Sequence[Stream]) -> float | None:
    values = [value for stream in streams if (value := of(stream)) is not None]
    return median(values) if values else None


def _with_histograms(cell: Cell, streams: Sequence[Stream], before: Page, after: Page) -> Iterator[Agreement]:
    speeds = [speed for stream in streams if (speed := sample.generation_throughput(stream))]
    per_token = histogram_mean(before, after, "vllm:request_time_per_output_token_seconds")
    gap = histogram_mean(before, after, "vllm:inter_token_latency_seconds")
    first = histogram_mean(before, after, "vllm:time_to_first_token_seconds")
    gaps = [gap for stream in streams for gap in sample.gaps(stream)]
    source = "server:/metrics"
    if first:
        yield Agreement(cell.name, "ttft", fmean(map(sample.ttft, streams)), first, source)
    if per_token and speeds:
        client = 1 / fmean(1 / speed for speed in speeds)  # a mean of times per token on both sides
        yield Agreement(cell.name, "generation_throughput", client, 1 / per_token, source)
    if gap and gaps:
        yield Agreement(cell.name, "inter_token_latency", fmean(gaps), gap, source)
