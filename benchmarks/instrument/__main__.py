"""How wrong the instrument is, and what it takes, beside guidellm and aiperf.

    python -m benchmarks.instrument error [--rounds 7]
    python -m benchmarks.instrument compare [--rounds 3] [--requests 6]
    python -m benchmarks.instrument server --url URL --model NAME [--rounds 3] [--requests 6]

`error`: our client against a server on a known schedule, from 5 to 2,000 tokens a second. `compare`: the three tools against such
a server, once steady, once with every tenth token late. `server`: the three against a real one. Rounds in which each tool runs
once, every round begun with another one. Writes results/<what>.{json,md}. The other two need the folder of a tokenizer
(the lab's part `gemma_safetensors`, docs/lab-parts.md); they live in environments of their own, pinned by guidellm.lock and aiperf.lock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.instrument import engines
from benchmarks.instrument.engines import ENGINES, HERE, Order, Ran
from benchmarks.instrument.schedule import Figures, Schedule, Sent, running, truth
from hostproof.measure import sample
from hostproof.measure.client import Client
from hostproof.measure.stream import Stream
from hostproof.measure.transport import HttpTransport
from lab.parts import paths

RATES: Final = (5, 28, 100, 500, 1000, 2000)
SECONDS: Final = 2.0
"""Of stream in a measurement of the error."""
TTFT_SECONDS: Final = 0.5
OUTPUT: Final = 100
SCHEDULES: Final = {
    "steady": Schedule(ttft=0.3, gap=1 / 28),
    "every tenth token 190 ms late": Schedule(ttft=0.3, gap=0.01, hiccup=0.19, every=10),
}
MODEL: Final = "schedule"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("error", "compare", "server"))
    parser.add_argument("--rounds", type=int, default=0, help="7 for error, else 3")
    parser.add_argument("--requests", type=int, default=6)
    parser.add_argument("--url", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    head = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": f"python -m benchmarks.instrument {_words(sys.argv[1:])}",
        "machine": f"{os.cpu_count()} cores, kernel {platform.release()}, Python {platform.python_version()}",
        "load_before": os.getloadavg(),
    }
    if options.what == "error":
        rows, text = errors(options.rounds or 7)
    elif options.what == "compare":
        rows, text = compared(options.rounds or 3, options.requests)
    else:
        rows, text = served(options.rounds or 3, options.requests, options.url, options.model)
    head["load_after"] = os.getloadavg()
    loads = f"load {head['load_before'][0]:.1f} before and {head['load_after'][0]:.1f} after"
    page = f"{text}\n\n`{head['command']}`, {head['date']}; {head['machine']}; {loads}.\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.what}.json").write_text(
        json.dumps({**head, "rows": rows}, indent=1) + "\n", encoding="utf-8"
    )
    (options.out / f"{options.what}.md").write_text(page, encoding="utf-8")
    print(page)


def _words(given: Sequence[str]) -> str:
    """The command line without where its results went."""
    kept = [
        word
        for at, word in enumerate(given)
        if not word.startswith("--out") and given[at - 1 : at] != ["--out"]
    ]
    return " ".join(kept)


def errors(rounds: int) -> tuple[list[dict[str, Any]], str]:
    """Of one request each: TTFT, generation, median gap, 95th percentile of gaps, against what the server noted."""
    rows = []
    for rate in RATES:
        tokens = max(8, int(rate * SECONDS))
        with tempfile.TemporaryDirectory() as folder:
            schedule = Schedule(TTFT_SECONDS, 1 / rate)
            with running(schedule, Path(folder)) as server:
                client = Client(HttpTransport(server.url), MODEL)
                cpu = time.process_time()
                streams = [_stream(client, tokens) for _ in range(rounds)]
                cpu = time.process_time() - cpu
                time.sleep(0.2)  # the last line of the log
                found = server.answers(tokens)
        wall = sum(stream.arrivals[-1].at for stream in streams)
        off = [_off(stream, sent) for stream, sent in zip(streams, found, strict=True)]
        rows.append(
            {"rate": rate, "tokens": tokens, "errors": off, "cpu_seconds_per_20_seconds": 20 * cpu / wall}
        )
    return rows, _error_page(rows)


def _stream(client: Client, tokens: int) -> Stream:
    return client.chat_stream(
        "hello", {"max_tokens": tokens, "stream_options": {"continuous_usage_stats": True}}
    )


def _off(stream: Stream, sent: Sent) -> dict[str, float]:
    """Client by truth, less one."""
    seen = _figures(stream)
    real = truth([sent])
    return {name: value / getattr(real, name) - 1 for name, value in asdict(seen).items()}


def _figures(stream: Stream) -> Figures:
    gaps = sorted(sample.gaps(stream))
    speed = sample.generation_throughput(stream)
    assert speed is not None
    return Figures(sample.ttft(stream), speed, median(gaps), gaps[round(0.95 * (len(gaps) - 1))])


def _error_page(rows: Sequence[dict[str, Any]]) -> str:
    names = {"ttft": "TTFT", "speed": "tok/s", "itl_median": "ITL, median", "itl_p95": "ITL, p95"}
    lines = [
        f"| tok/s | {' | '.join(names.values())} | CPU s per 20 s of stream |",
        f"|---|{'---|' * len(names)}---|",
    ]
    for row in rows:
        told = [_span([each[name] for each in row["errors"]]) for name in names]
        lines.append(f"| {row['rate']} | {' | '.join(told)} | {row['cpu_seconds_per_20_seconds']:.2f} |")
    number = len(rows[0]["errors"])
    return "\n".join(
        [
            "# Error of the client",
            "",
            *lines,
            "",
            f"Client by truth, less one: median over {number} requests (least to greatest).",
        ]
    )


def _span(values: Sequence[float]) -> str:
    return f"{median(values):+.2%} ({min(values):+.2%} to {max(values):+.2%})"


def compared(rounds: int, requests: int) -> tuple[list[dict[str, Any]], str]:
    rows = []
    for title, schedule in SCHEDULES.items():
        for number, name, ran, answers in _against_schedule(schedule, rounds, requests):
            real = truth(answers)
            rows.append(
                {
                    "schedule": title,
                    "round": number,
                    "engine": name,
                    "start_seconds": answers[0].received - ran.begun,
                    "wall_seconds": ran.wall_seconds,
                    "traffic_seconds": answers[-1].sent[-1] - answers[0].received,
                    "cpu_seconds": ran.cpu_seconds,
                    "told": asdict(ran.figures),
                    "truth": asdict(real),
                }
            )
            print(rows[-1], flush=True)
    return rows, _compare_page(rows, rounds, requests)


def _against_schedule(
    schedule: Schedule, rounds: int, requests: int
) -> Iterator[tuple[int, str, Ran, list[Sent]]]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with running(schedule, folder) as server:
            order = Order(server.url, MODEL, requests, OUTPUT, paths.gemma_safetensors(), folder)
            for number, engine in _turns(rounds):
                server.forget()
                ran = engines.run(engine, order)
                time.sleep(0.2)
                yield number, engine.name, ran, server.answers(OUTPUT)


def _turns(rounds: int) -> Iterator[tuple[int, engines.Engine]]:
    for engine in ENGINES[1:]:
        engines.environment(engine.name)
    for number in range(rounds):
        for step in range(len(ENGINES)):
            yield number, ENGINES[(number + step) % len(ENGINES)]


def served(rounds: int, requests: int, url: str, model: str) -> tuple[list[dict[str, Any]], str]:
    rows = []
    with tempfile.TemporaryDirectory() as place:
        order = Order(url, model, requests, OUTPUT, paths.gemma_safetensors(), Path(place))
        for number, engine in _turns(rounds):
            ran = engines.run(engine, order)
            rows.append({"round": number, "engine": engine.name, **asdict(ran)})
            print(rows[-1], flush=True)
    return rows, _served_page(rows, rounds, requests)


def _compare_page(rows: Sequence[dict[str, Any]], rounds: int, requests: int) -> str:
    text = ["# Against a server on a known schedule", ""]
    for title in SCHEDULES:
        mine = [row for row in rows if row["schedule"] == title]
        text += [
            f"## {title[0].upper()}{title[1:]}",
            "",
            "| tool | TTFT, error | tok/s, error | ITL p95 told | ITL p95, truth | first request after, s | wall, s | CPU s | ratio |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        least = median(row["cpu_seconds"] for row in mine if row["engine"] == ENGINES[0].name)
        for engine in ENGINES:
            own = [row for row in mine if row["engine"] == engine.name]
            off = {
                key: [row["told"][key] / row["truth"][key] - 1 for row in own] for key in ("ttft", "speed")
            }
            cpu = [row["cpu_seconds"] for row in own]
            text.append(
                f"| {engine.name} {engine.version} | {_span(off['ttft'])} | {_span(off['speed'])} "
                f"| {1000 * median(row['told']['itl_p95'] for row in own):.1f} ms "
                f"| {1000 * median(row['truth']['itl_p95'] for row in own):.1f} ms "
                f"| {_numbers([row['start_seconds'] for row in own])} | {_numbers([row['wall_seconds'] for row in own])} "
                f"| {_numbers(cpu)} | {median(cpu) / least:.1f} |"
            )
        text.append("")
    text.append(
        f"{rounds} rounds, {requests} requests of {OUTPUT} tokens each, one after the other. Median (least to greatest). "
        "Wall and CPU are of the whole "
        "command with all that it starts; of ours the checks of behaviour and the telemetry of the machine (5 Hz) are in them. "
        "The two others tell percentiles of per-request means as percentiles of ITL."
    )
    return "\n".join(text)


def _served_page(rows: Sequence[dict[str, Any]], rounds: int, requests: int) -> str:
    text = [
        "# Against a real llama-server",
        "",
        "| tool | TTFT, s | tok/s | ITL p95, s | wall, s | CPU s | CPU s, ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    least = median(row["cpu_seconds"] for row in rows if row["engine"] == ENGINES[0].name)
    for engine in ENGINES:
        own = [row for row in rows if row["engine"] == engine.name]
        told = [_numbers([row["figures"][key] for row in own]) for key in ("ttft", "speed", "itl_p95")]
        told += [_numbers([row[key] for row in own]) for key in ("wall_seconds", "cpu_seconds")]
        ratio = median(row["cpu_seconds"] for row in own) / least
        text.append(f"| {engine.name} {engine.version} | {' | '.join(told)} | {ratio:.1f} |")
    text += ["", f"{rounds} rounds, {requests} requests of {OUTPUT} tokens each. Median (least to greatest)."]
    return "\n".join(text)


def _numbers(values: Sequence[float]) -> str:
    return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
