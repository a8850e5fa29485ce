"""A server and a host to sabotage, measured and judged by what users run; and what was said of them, as labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hostproof.judge import thresholds
from hostproof.judge.model import Outcome, SetupVerdict
from hostproof.judge.proof import DeviceProof
from hostproof.judge.verdict import judge_setup
from hostproof.measure import config, run
from hostproof.measure.errors import MeasureError
from hostproof.measure.result import Result, from_json, to_json
from hostproof.measure.run import Voice
from tests.unit.measure import build
from tests.unit.measure.mock_server import Script, running

TOKENS = 96
GAP_SECONDS = 0.004
THRESHOLDS = """schema: hostproof.thresholds/2
hardware: lab
setup: gpu
model: mock-model
workload: small
source: "the honest server: 250 tok/s, TTFT 20 ms"
thresholds:
  - {cell: decode, metric: generation_throughput, statistic: median, min: 100, unit: tok/s}
  - {cell: decode, metric: ttft, statistic: median, max: 0.5, unit: s}
  - {cell: decode, metric: inter_token_latency, statistic: max, max: 0.25, unit: s}
  - {cell: decode, metric: kv_cache_usage, statistic: max, max: 0.5, unit: ratio}
  - {cell: decode, metric: failed_requests, statistic: max, max: 0, unit: requests}
"""
METRICS = """vllm:kv_cache_usage_perc{engine="0"} 0.125
vllm:prefix_cache_hits_total 0
vllm:prefix_cache_queries_total 0
"""
HONEST: Mapping[str, Any] = {"ttft": 0.02, "gap": GAP_SECONDS, "parameters": 500_000_000, "metrics": METRICS}


def measured(folder: Path, script: Mapping[str, Any], **changes: Any) -> Result:
    """What the instrument makes of such a server, through the file that crosses from host to judge."""
    with running(Script(**{**HONEST, **script})) as mock:
        server = {"url": mock.url, **changes.pop("server", {})}
        if mock.script.key:
            key = folder / "key"
            key.write_text(mock.script.key, encoding="utf-8")
            server["api_key_file"] = str(key)
        work = build.workload(build.cell(output_tokens=TOKENS), runs=6, warmups=1)
        raw = build.config(**{"server": build.server(**server), "workload": work, **changes})
        result = run.measure(config.parse(raw), Voice(lambda _: None, lambda _: None))
    return from_json(to_json(result))


def judged(folder: Path, result: Result, proof: DeviceProof | None = None) -> SetupVerdict:
    file = folder / "thresholds.yml"
    file.write_text(THRESHOLDS, encoding="utf-8")
    return judge_setup(result, thresholds.load_file(file), proof)


def labels(verdict: SetupVerdict) -> set[str]:
    """`check X`, `threshold X: outcome` for what is not proven, `device`, `finding`s by their first words, and `proven`."""
    said = {f"check {each.partition(':')[0]}" for each in verdict.failed_checks}
    said |= {
        f"threshold {each.threshold.metric}: {each.outcome}"
        for each in verdict.judged
        if each.outcome is not Outcome.PROVEN
    }
    if verdict.proof and verdict.proof.outcome is not Outcome.PROVEN:
        said.add(f"device {verdict.proof.verdict}")
    said |= {
        f"finding {name}" for name, words in FINDINGS.items() if any(words in f for f in verdict.findings)
    }
    said |= {"proven"} if verdict.outcome is Outcome.PROVEN else set()
    return said


FINDINGS = {
    "disagreement": "client and server disagree",
    "contended": "contended: in",
    "swap": "came back from swap",
    "throttled": "held its clocks back",
    "no metrics": "/metrics has nothing of vLLM's",
    "shared chunks": "came several to a chunk",
}
"""Name here → words of the finding."""


def said_of(folder: Path, script: Mapping[str, Any], **changes: Any) -> set[str]:
    """Of a server; one that cannot be measured at all is `refused`."""
    try:
        return labels(judged(folder, measured(folder, script, **changes)))
    except MeasureError as error:
        return {f"refused: {error}"}


@contextmanager
def burning() -> Iterator[None]:
    """A neighbour: two busy loops a core, so that somebody always waits. Ended by the ids that they were started with."""
    children = [_burner() for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for pid in children:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def _burner() -> int:
    return os.posix_spawn("/bin/sh", ["sh", "-c", "while :; do :; done"], dict(os.environ))
