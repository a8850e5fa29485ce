"""What looking at the host costs the host and the measurement: `python -m benchmarks.telemetry.cost [--rounds 10] [--out FILE]`.

A server that sends tokens on a known schedule is measured with looks at 0, 5 and 20 Hz in turn (each round in another
order), by the instrument as it is. Told for each rate, as median and spread over the rounds: processor time of the looks,
error of the generation throughput, and the 99th percentile of how late a token's time stamp is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hostproof.measure import config, run
from hostproof.measure.result import Result
from hostproof.measure.run import Kept, Voice
from tests.unit.measure import build
from tests.unit.measure.mock_server import Script, running

RATES = (0.0, 5.0, 20.0)
GAP_SECONDS = 0.02
TOKENS = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    load = os.getloadavg()
    rows: dict[float, list[dict[str, float]]] = {rate: [] for rate in RATES}
    for number in range(options.rounds):
        for rate in RATES[number % len(RATES) :] + RATES[: number % len(RATES)]:
            rows[rate].append(_one(rate))
    text = _page(rows, load)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def _one(rate: float) -> dict[str, float]:
    with running(Script(gap=GAP_SECONDS)) as mock, tempfile.TemporaryDirectory() as folder:
        cells = [build.cell(output_tokens=TOKENS)]
        raw = build.config(
            server=build.server(url=mock.url),
            workload=build.workload(*cells, runs=1, warmups=0),
            telemetry_hertz=rate,
        )
        wanted = config.parse(json.loads(json.dumps(raw)))
        result = run.measure(wanted, Voice(_silent, _silent), Kept(telemetry=Path(folder) / "looks.gz"))
        return _row(result)


def _row(result: Result) -> dict[str, float]:
    speed, gaps = (
        result.find("decode", "generation_throughput"),
        result.find("decode", "inter_token_latency"),
    )
    assert speed and gaps
    late = sorted(gap - GAP_SECONDS for gap in gaps.samples)
    told: Mapping[str, Any] = result.telemetry.get("sampling", {})
    used = result.telemetry["instrument"]
    return {
        "looks, share of a core": told.get("cpu_seconds", 0.0) / told["wall_seconds"] if told else 0.0,
        "client, share of a core": used["cpu_seconds"] / used["wall_seconds"],
        "error of generation throughput": speed.samples[0] * GAP_SECONDS - 1,
        "p99 of lateness of a token, s": late[int(0.99 * len(late))],
    }


def _page(rows: Mapping[float, Sequence[Mapping[str, float]]], load: Sequence[float]) -> str:
    names = list(rows[RATES[0]][0])
    lines = [
        "| looks a second | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
        *(
            f"| {rate:g} | " + " | ".join(_cell(name, told) for name in names) + " |"
            for rate, told in rows.items()
        ),
    ]
    about = (
        f"{len(rows[0.0])} rounds of {TOKENS} tokens, one each {GAP_SECONDS * 1000:g} ms, in turn; "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, kernel {platform.release()}, "
        f"load before {load[0]:.2f}. Median (lower quartile to upper quartile)."
    )
    return "\n".join([*lines, "", about, ""])


def _cell(name: str, told: Sequence[Mapping[str, float]]) -> str:
    values = [row[name] for row in told]
    low, middle, high = statistics.quantiles(values, n=4)
    if name.endswith(", s"):
        return f"{middle * 1000:.2f} ms ({low * 1000:.2f} to {high * 1000:.2f})"
    return f"{middle:.2%} ({low:.2%} to {high:.2%})"


def _silent(line: object) -> None: ...


if __name__ == "__main__":
    main()
