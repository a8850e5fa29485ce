"""Ways in which a server or a host lies or underperforms, each with what catches it. docs/sabotage.md is made from this list."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from hostproof.errors import HostproofError
from hostproof.judge import thresholds
from hostproof.judge.proof import DeviceProof
from hostproof.measure import unit
from hostproof.measure.result import Result, ResultError, from_json, to_json
from hostproof.shared import llama_proof, nvfp4_proof, page_evidence
from hostproof.shared.page_evidence import MIB
from tests.sabotage import world
from tests.unit.measure.test_canary import forgets, works
from tests.unit.plugins import test_llama_proof as llama
from tests.unit.plugins import test_nvfp4_proof as nvfp4
from tests.unit.plugins import test_preflight_judge as preflight

Said = Callable[[Path], set[str]]


@dataclass(frozen=True)
class Sabotage:
    """`said` does it and returns all that hostproof said; `caught_by` must be among it, and `proven` only where nothing was harmed."""

    name: str
    lie: str
    caught_by: str
    said: Said
    harmless: bool = False
    """The figures come out right in spite of it, or a finding names it: then a pass is right."""


def _server(
    name: str,
    lie: str,
    caught_by: str,
    *,
    harmless: bool = False,
    deadline_seconds: float = 60,
    **script: Any,
) -> Sabotage:
    asked = _Asked(script, {"deadline_seconds": deadline_seconds})
    return Sabotage(name, lie, caught_by, asked, harmless)


@dataclass(frozen=True)
class _Asked:
    script: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, folder: Path) -> set[str]:
        return world.said_of(folder, self.script, **self.changes)


SERVERS = (
    _server(
        "ignores max_tokens",
        "answers with more tokens than it was allowed",
        "refused: the server did not answer correctly",
        deadline_seconds=2,
        short_by=-4,
    ),
    _server(
        "stops too early", "answers with fewer tokens than were demanded", "check max_tokens", short_by=4
    ),
    _server("stop string leaks", "goes on behind a stop string", "check stop", ignores_stop=True),
    _server("never ends", "has lost its end-of-sequence token", "check eos", ends_after=10**6),
    _server(
        "stream differs",
        "streams another answer than it gives whole",
        "check streamed_equals_whole",
        stream_differs=True,
    ),
    _server(
        "usage lies",
        "counts more tokens than it gave",
        "refused: the server did not answer correctly",
        deadline_seconds=2,
        overstates=5,
    ),
    _server(
        "no usage in streams",
        "does not say how many tokens a stream had",
        "threshold generation_throughput: unmeasured",
        usage=False,
        running_count=False,
    ),
    _server(
        "prompt is cut", "reads ten tokens of each prompt and says nothing", "check whole_prompts", reads=10
    ),
    _server(
        "prompt is padded",
        "counts prompt tokens that nobody sent, so that prompts seem fast",
        "check whole_prompts",
        pads=2000,
    ),
    _server(
        "cached prompt", "finds cold prompts in its cache: TTFT is flattered", "check cold_prompts", cached=20
    ),
    _server(
        "smaller model",
        "serves a smaller model under the same name",
        "check model_size",
        parameters=120_000_000,
    ),
    _server(
        "other model",
        "serves another model than it was asked to",
        "refused: the server did not answer correctly",
        deadline_seconds=2,
        models=("other",),
    ),
    _server(
        "any key will do",
        "answers with a wrong API key",
        "check wrong_key_refused",
        key="right",
        ignores_key=True,
    ),
    _server(
        "early role",
        "sends a role at once and the first token a second later",
        "threshold ttft: below",
        ttft=0.7,
    ),
    _server(
        "stalls after the first token",
        "answers at once and then makes one wait",
        "threshold inter_token_latency: below",
        stalls=0.4,
    ),
    _server(
        "keeps tokens back",
        "sends all but the first token at the end, at once",
        "threshold inter_token_latency: below",
        bursts=True,
    ),
    _server(
        "one chunk",
        "sends the whole answer in one chunk, so that nothing can be timed",
        "threshold generation_throughput: unmeasured",
        tokens_per_chunk=10**6,
    ),
    _server(
        "slow", "generates at a third of the threshold", "threshold generation_throughput: below", gap=0.015
    ),
    _server(
        "slows down", "halves its pace in the middle of an answer", "check steady", slows_by=2.0, gap=0.003
    ),
    _server(
        "breaks off",
        "closes the connection in the middle of an answer",
        "threshold failed_requests: below",
        die_after=30,
    ),
    _server(
        "every third fails",
        "sends an error in the stream in place of every third answer",
        "threshold failed_requests: below",
        breaks_every=3,
    ),
    _server(
        "metrics are gone", "has no /metrics any more", "threshold kv_cache_usage: unmeasured", metrics=""
    ),
    _server(
        "flattering timings",
        "says that it was twice as fast as it was",
        "finding disagreement",
        harmless=True,
        flatters=2.0,
    ),
    _server(
        "several tokens a chunk",
        "sends four tokens at a time: gaps between them are not seen",
        "finding shared chunks",
        harmless=True,
        tokens_per_chunk=4,
    ),
)


def _wrong_kernels(folder: Path) -> set[str]:
    asked = {"canary": True, "server": {"context": 32_768}}
    good = world.said_of(folder, {"answer": works}, **asked)
    assert "proven" in good, good
    return world.said_of(folder, {"answer": forgets}, **asked)


def _neighbour(folder: Path) -> set[str]:
    """The server is slow for a reason that is not its own."""
    group = folder / "group"
    group.mkdir()
    # Without a group the neighbour, a child of this process, would be the server's own.
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n", encoding="ascii")
    mine = unit.Unit(os.getpid(), group)
    with mock.patch.object(unit, "find", return_value=mine), world.burning():
        return world.said_of(folder, {"gap": 0.015})


def _clock(folder: Path) -> set[str]:
    """Every look at the wall clock is an hour earlier than the one before."""
    now = [time.time()]

    def earlier() -> float:
        now[0] -= 3600
        return now[0]

    with mock.patch("time.time", earlier):
        return world.said_of(folder, {})


def _from_log(log: str) -> Said:
    """A fast server whose own log tells of other kernels than native ones."""

    def said(folder: Path) -> set[str]:
        proof = nvfp4_proof.prove(nvfp4.seen(log), nvfp4.expected())
        return world.labels(world.judged(folder, _honest(), _shown(proof, "native")))

    return said


def _silent_cpu(folder: Path) -> set[str]:
    proof = llama_proof.prove(llama.seen("llama-b11669-cpu-asked-for-gpu", processes=None), llama.EXPECTED)
    return world.labels(world.judged(folder, _honest(), _shown(proof, "gpu")))


def _shown(proof: Any, wanted: str) -> DeviceProof:
    return DeviceProof(proof.verdict, (wanted,), wrong=tuple(map(str, proof.wrong)))


@cache
def _honest() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return world.measured(Path(folder), {})


def _pool(folder: Path) -> set[str]:
    """A pool is set aside, and the server's weights lie in 4 KiB pages."""
    wanted = page_evidence.Expected("llama_server", "llama-server.service", 800 * MIB, "hugetlb")
    seen = page_evidence.Seen(resident=850 * MIB, transparent=0, pooled=2 * MIB)
    found = page_evidence.judge(wanted, seen, ["pool:global/2048kB"])
    return {str(each).partition(":")[0] for each in found}


def _threads(folder: Path) -> set[str]:
    """More threads than cores share cores, and each waits for the slowest."""
    servers = (replace(preflight.LLAMA, threads=17), preflight.VLLM)
    return {f"preflight {each.id}" for each in preflight.judged(wishes={"servers": servers})}


def _telemetry(**run: Any) -> Said:
    def said(folder: Path) -> set[str]:
        result = _honest()
        runs = [{**each, **run} for each in result.telemetry["runs"]]
        return world.labels(
            world.judged(folder, replace(result, telemetry={**result.telemetry, "runs": runs}))
        )

    return said


def _refused(change: Callable[[str], str]) -> Said:
    def said(folder: Path) -> set[str]:
        try:
            from_json(change(to_json(_honest())))
        except ResultError as error:
            return {f"refused: {error}"}
        return {"proven"}

    return said


def _nothing_judged(folder: Path) -> set[str]:
    file = folder / "empty.yml"
    file.write_text(world.THRESHOLDS.partition("thresholds:\n")[0] + "thresholds: []\n", encoding="utf-8")
    try:
        thresholds.load_file(file)
    except HostproofError as error:
        return {f"refused: {error}"}
    return {"proven"}


HOSTS = (
    Sabotage(
        "kernels go wrong with size",
        "answers long prompts with rubbish, at full speed",
        "check canary_long",
        _wrong_kernels,
    ),
    Sabotage(
        "neighbour burns the cores",
        "busy loops on every core make a good server slow",
        "threshold generation_throughput: inconclusive",
        _neighbour,
    ),
    Sabotage(
        "clock steps back", "the wall clock goes back an hour at every look", "proven", _clock, harmless=True
    ),
    Sabotage(
        "fallback kernel",
        "the log says Marlin: weight-only FP4, at a passing speed",
        "device weight-only",
        _from_log("vllm-0.33.0-mixed"),
    ),
    Sabotage(
        "emulated FP4",
        "the log says that FP4 is emulated",
        "device emulated",
        _from_log("vllm-0.33.0-emulated"),
    ),
    Sabotage("silent CPU", "was told to use the GPU and computes on the CPU", "device cpu", _silent_cpu),
    Sabotage(
        "pool that nobody uses",
        "huge pages are set aside and the server has none of them",
        "ignored-by-workload",
        _pool,
    ),
    Sabotage("threads beyond cores", "asks for more threads than there are cores", "preflight cpu", _threads),
    Sabotage(
        "swaps",
        "the server's memory comes back from swap",
        "finding swap",
        _telemetry(swapped_in_pages=4096),
        harmless=True,
    ),
    Sabotage(
        "power cap",
        "the GPU holds its clocks back",
        "finding throttled",
        _telemetry(throttles=["power cap"]),
        harmless=True,
    ),
    Sabotage(
        "not a number",
        "a sample in the Result is NaN",
        "refused",
        _refused(lambda text: text.replace('"samples": [\n', '"samples": [\nNaN,\n', 1)),
    ),
    Sabotage(
        "Result of another schema",
        "a Result from another time is taken for one of today",
        "refused",
        _refused(lambda text: text.replace("hostproof.result/", "hostproof.result/0", 1)),
    ),
    Sabotage("nothing judged", "a thresholds file without thresholds", "refused", _nothing_judged),
)

ALL = (*SERVERS, *HOSTS)
