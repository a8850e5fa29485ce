"""How fast this host reads its memory: every core its own buffer, all at once, with glibc's memchr (docs/decisions/0012).

`measure` forks one process a core, pins it there, lets it touch its buffer (which places it on the core's own node) and has all of them
read for the same moments. Nothing is written to disk, and nothing is left running. Bytes a second, 1 GB = 10^9.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

METHOD: Final = 1
"""Counted up when figures of before are no longer comparable."""
ROUNDS: Final = 9
TRIES: Final = 3
"""As many times over while the host is busy: a neighbour may go away."""
ROUND_SECONDS: Final = 0.15
CHUNK: Final = 8 * 1024 * 1024
"""Read in one call: a quarter of a millisecond, against a microsecond for the call."""
CACHES: Final = 4
"""STREAM's rule: all buffers together are so many times the last-level caches."""
LEAST_BYTES: Final = 64 * 1024 * 1024
"""Of a core's buffer."""
MEMORY_SHARE: Final = 0.25
"""Of what is available, at most."""
LEAD_SECONDS: Final = 0.03
"""From telling everybody when to start to the start."""
ANSWER_SECONDS: Final = 60.0
"""Touching the buffers takes longest: a second for a few GB."""

NEIGHBOUR_SHARE: Final = 0.05
"""Of the host's cores, that others may take on a quiet one: as telemetry has it."""
UNSTEADY: Final = 0.15
"""Distance from the median to the best round, as a share of the best: a quiet host stays below a tenth of it."""
TICKS: Final = 100
"""USER_HZ, the unit of /proc/stat."""


Find = Callable[[int, int, int], int | None]
"""memchr: where, which byte, how many."""


class BandwidthError(RuntimeError):
    """It could not be measured; the reason in one sentence."""


@dataclass(frozen=True)
class Rate:
    """Of one arrangement of cores."""

    median: float
    low: float
    best: float
    """What a neighbour can only take away from: the limit, as STREAM has it."""
    rounds: int
    cores: int


@dataclass(frozen=True)
class Bandwidth:
    host: Rate
    """All cores, each from its own node."""
    core: Rate
    """One core alone."""
    nodes: Mapping[int, Rate] = field(default_factory=dict)
    """The cores of one node alone, where there are several."""
    buffer_bytes: int = 0
    """Of a core."""
    small: str = ""
    """Why the buffers may be too small to leave the caches; empty: they are not."""
    busy: str = ""
    """Why these figures may be too low; empty: the host was quiet."""


@dataclass(frozen=True)
class Place:
    """Where to measure."""

    nodes: Mapping[int, Sequence[int]]
    """Node → one CPU of each of its cores."""
    cache_bytes: int
    """All last-level caches together."""
    available_bytes: int

    @property
    def cores(self) -> list[int]:
        return [cpu for cpus in self.nodes.values() for cpu in cpus]

    def buffer(self) -> tuple[int, str]:
        """Of each core, and why it may be too small."""
        cores = max(1, len(self.cores))
        wanted = max(LEAST_BYTES, CACHES * self.cache_bytes // cores)
        room = int(self.available_bytes * MEMORY_SHARE) // cores
        size = max(CHUNK, min(wanted, room) // CHUNK * CHUNK)
        if size >= wanted // CHUNK * CHUNK:
            return size, ""
        return size, (
            f"{size * cores / 1e9:.1f} GB in buffers are less than {CACHES} times the {self.cache_bytes / 1e9:.2f} GB of cache, "
            "as so little memory is available: part of it may have come from there"
        )


def place(facts: Mapping[str, Any], allowed: frozenset[int]) -> Place:
    """From host facts (docs/facts.md). `allowed`: CPUs that this process may use. Raises BandwidthError without a core."""
    cores = [sorted(_cpus(text) & allowed) for text in facts["cpu"]["core_cpus"]] or [
        [cpu] for cpu in allowed
    ]
    first = [cpus[0] for cpus in cores if cpus]
    nodes = {int(node["id"]): _cpus(node["cpus"]) for node in facts["numa"]["nodes"]}
    nodes = nodes or {0: frozenset(first)}
    found = {node: [cpu for cpu in first if cpu in cpus] for node, cpus in nodes.items()}
    found = {node: cpus for node, cpus in found.items() if cpus}
    if not found:
        raise BandwidthError("no core of this host may be used by this process")
    return Place(found, int(facts["cpu"]["l3_bytes"] or 0), int(facts["memory"]["available_bytes"] or 0))


def _cpus(text: str) -> frozenset[int]:
    numbers: set[int] = set()
    for part in filter(None, str(text).split(",")):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def measure(where: Place, proc: Path = Path("/proc")) -> Bandwidth:
    """Takes two seconds on a quiet host, six on a busy one. Raises BandwidthError."""
    size, small = where.buffer()
    with _workers(where.cores, size) as workers:
        for _ in range(TRIES):
            before, begun = _busy(proc), time.monotonic()
            host, used = _rounds(workers, where.cores, ROUNDS)
            others = _neighbours(_busy(proc) - before, used, time.monotonic() - begun, len(workers))
            busy = others or unsteady(host)
            if not busy:
                break
        core, _ = _rounds(workers, where.cores[:1], ROUNDS // 3)
        nodes = (
            {node: _rounds(workers, cpus, ROUNDS // 3)[0] for node, cpus in where.nodes.items()}
            if len(where.nodes) > 1
            else {}
        )
    return Bandwidth(host, core, nodes, size, small, busy)


def unsteady(rate: Rate) -> str:
    """Why a rate is not to be trusted by its own spread; empty if it is."""
    if rate.median >= (1 - UNSTEADY) * rate.best:
        return ""
    return (
        f"its rounds went from {rate.low / 1e9:.1f} to {rate.best / 1e9:.1f} GB/s, with a median of {rate.median / 1e9:.1f}: "
        "somebody else read memory meanwhile"
    )


def _neighbours(busy: float, own: float, seconds: float, cores: int) -> str:
    """`busy`: core seconds of everybody, `own` ours."""
    others = max(0.0, busy - own) / max(seconds, 1e-9)
    if others <= max(NEIGHBOUR_SHARE * cores, 1 / TICKS / seconds):
        return ""
    return f"others took {others:.2f} of {cores} cores meanwhile"


def _busy(proc: Path) -> float:
    """Core seconds that were not idle, stolen ones among them."""
    text = (proc / "stat").read_text(encoding="ascii")
    fields = [int(word) for word in text.splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


@dataclass(frozen=True)
class _Worker:
    pid: int
    ask: int
    answer: int


def _rounds(workers: Mapping[int, _Worker], cpus: Sequence[int], count: int) -> tuple[Rate, float]:
    """The rate, and the core seconds that it took."""
    totals, used = [], 0.0
    for _ in range(count):
        start = time.monotonic() + LEAD_SECONDS
        for cpu in cpus:
            os.write(workers[cpu].ask, f"{start!r}\n".encode())
        told = [_answer(workers[cpu]) for cpu in cpus]
        totals.append(sum(one["bytes"] / one["seconds"] for one in told))
        used += sum(one["cpu"] for one in told)
    return Rate(median(totals), min(totals), max(totals), count, len(cpus)), used


def _answer(worker: _Worker) -> dict[str, float]:
    ready, _, _ = select.select([worker.answer], [], [], ANSWER_SECONDS)
    line = os.read(worker.answer, 4096) if ready else b""
    try:
        told: dict[str, float] = json.loads(line)
    except ValueError as error:
        raise BandwidthError(f"a reading process ended or hangs ({line[:80]!r})") from error
    if "error" in told:
        raise BandwidthError(f"a reading process could not read: {told['error']}")
    return told


@contextmanager
def _workers(cpus: Sequence[int], size: int) -> Iterator[Mapping[int, _Worker]]:
    """One a CPU, each with its buffer touched. Killed at the end, whatever happened."""
    workers: dict[int, _Worker] = {}
    try:
        for cpu in cpus:
            workers[cpu] = _fork(cpu, size, workers.values())
        for worker in workers.values():
            _answer(worker)
        yield workers
    finally:
        for worker in workers.values():
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            os.close(worker.ask)
            os.close(worker.answer)


def _fork(cpu: int, size: int, others: Iterable[_Worker]) -> _Worker:
    asked, ask = os.pipe()
    answer, answered = os.pipe()
    pid = os.fork()
    if pid:
        os.close(asked)
        os.close(answered)
        return _Worker(pid, ask, answer)
    for other in others:
        os.close(other.ask)
        os.close(other.answer)
    os.close(ask)
    try:
        _serve(cpu, size, asked, answered)
    except (OSError, ValueError, AttributeError) as error:
        os.write(answered, json.dumps({"error": str(error)}).encode())
    finally:
        os._exit(0)  # nothing of the process that was forked may run its end here
    raise AssertionError


def _serve(cpu: int, size: int, asked: int, answered: int) -> None:
    """A line in: when to start, by time.monotonic(). A line out: what was read. Ends when nobody asks any more."""
    os.sched_setaffinity(0, {cpu})
    buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them reads in small pages, as its servers do
            buffer.madvise(mmap.MADV_HUGEPAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    ctypes.memset(address, 1, size)
    find = ctypes.CDLL(None).memchr
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    os.write(answered, b"{}")
    while line := os.read(asked, 64):
        start = float(line)
        time.sleep(max(0.0, start - time.monotonic() - 0.002))
        worked = time.process_time()
        while time.monotonic() < start:
            pass
        told = _read(find, address, size, start)
        told["cpu"] = time.process_time() - worked
        os.write(answered, json.dumps(told).encode())


def _read(find: Find, address: int, size: int, start: float) -> dict[str, float]:
    """Looks for a byte that is not there, chunk after chunk, until the round is over."""
    end, done, at = start + ROUND_SECONDS, 0, 0
    while (now := time.monotonic()) < end:
        if find(address + at, 0, CHUNK) is not None:
            raise ValueError("the buffer is not as it was written")
        done += CHUNK
        at = (at + CHUNK) % size
    return {"bytes": done, "seconds": now - start}


SCHEMA: Final = "hostproof.bandwidth/1"


def key(facts: Mapping[str, Any], where: Place) -> dict[str, Any]:
    """What the figure depends on, and a boot does not change: while these hold it need not be measured again."""
    return {
        "method": METHOD,
        "cpu": facts["cpu"]["model"],
        "kernel": facts["kernel"]["release"],
        "memory_bytes": facts["memory"]["total_bytes"],
        "dimms": [
            [one["slot"], one["size_bytes"], one["configured_mts"]] for one in facts["memory"]["dimms"]
        ],
        "nodes": [[node, list(cpus)] for node, cpus in where.nodes.items()],
    }


def kept(text: str, wanted: Mapping[str, Any]) -> Bandwidth | None:
    """The record of before, if it was of this host as it is now. One that cannot be read counts as none."""
    try:
        raw = json.loads(text)
        if raw["schema"] != SCHEMA or raw["key"] != wanted:
            return None
        return from_dict(raw["found"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def record(found: Bandwidth, wanted: Mapping[str, Any], measured_at: str) -> str:
    told = {"schema": SCHEMA, "key": wanted, "measured_at": measured_at, "found": to_dict(found)}
    return json.dumps(told, indent=1) + "\n"


def to_dict(found: Bandwidth) -> dict[str, Any]:
    told = asdict(found)
    return told | {"nodes": {str(node): asdict(rate) for node, rate in found.nodes.items()}}


def from_dict(raw: Mapping[str, Any]) -> Bandwidth:
    """Raises KeyError, TypeError or ValueError for what `to_dict` did not write."""
    rates = {name: Rate(**raw[name]) for name in ("host", "core")}
    nodes = {int(node): Rate(**rate) for node, rate in raw["nodes"].items()}
    return Bandwidth(**{**raw, **rates, "nodes": nodes})
