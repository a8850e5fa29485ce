"""A whole measurement: ready, checks, cells, Result."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from hostproof import __version__
from hostproof.measure import (
    agreements,
    behaviour,
    counting,
    environment,
    gpu,
    metrics,
    metrics_page,
    procfs,
    progress,
    raw,
    ready,
    recorder,
    remarks,
    sample,
    server_truth,
    special,
    telemetry,
    unit,
)
from hostproof.measure.bench import LOOK_SECONDS, SCRAPE_LIMIT_SECONDS, Bench
from hostproof.measure.checks import SECONDS, Checker
from hostproof.measure.client import Client, read_key
from hostproof.measure.config import Config
from hostproof.measure.counting import WordBook
from hostproof.measure.dialect import DIALECTS
from hostproof.measure.errors import DeadlinePassed, SampleFailed
from hostproof.measure.lessons import lessons
from hostproof.measure.metrics_page import Page
from hostproof.measure.overheard import Overheard, with_evidence
from hostproof.measure.probe import Subject
from hostproof.measure.recorder import Record, Recorder
from hostproof.measure.result import Agreement, Check, Result, Setup
from hostproof.measure.sample import CellRuns, Run
from hostproof.measure.ticks import Tick
from hostproof.measure.transport import HttpTransport
from hostproof.measure.unit import Unit
from hostproof.measure.watch import Watch
from hostproof.measure.workload import Cell

READY_SECONDS = 120.0
SPARE = 3.0
"""Times the longest run so far: what must be left of the deadline for a run beyond the workload's own."""
STOPPED = "it was stopped by a signal"


@dataclass(frozen=True)
class Voice:
    """Where progress goes: `line` for people, `event` for programs."""

    line: Callable[[str], None]
    event: Callable[[Mapping[str, Any]], None]
    run: Callable[[Cell, Run], None] = lambda cell, run: None
    """Everything that was seen of a run."""


@dataclass(frozen=True)
class Measured:
    """What the cells gave."""

    done: tuple[CellRuns, ...]
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True)
class Found:
    """All that a Result is made of."""

    config: Config
    bench: Bench
    measured: Measured
    checks: tuple[Check, ...]
    environment: Mapping[str, str]
    started: str
    kv_capacity: float | None
    used: Mapping[str, float]
    """What the instrument itself took: `cpu_seconds` of `wall_seconds`."""
    record: Record
    """What was seen of the host meanwhile."""
    notes: tuple[str, ...] = ()
    """What cannot be known of this server."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """What it says of itself over the whole measurement (server_truth.py)."""


@dataclass(frozen=True)
class Kept:
    """Files that a measurement leaves beside its Result; None: it does not."""

    telemetry: Path | None = None
    """One line of JSON a look at the host, gzipped."""
    chunks: Path | None = None
    """One line of JSON a request with every event and its time, gzipped (raw.py)."""


def client_of(config: Config) -> Client:
    server = config.server
    return Client(HttpTransport(server.url), server.served_name, read_key(server.api_key_file))


def measure(config: Config, voice: Voice, kept: Kept = Kept()) -> Result:
    """Raises Stopped if nothing could be measured; a server that fails later is in the Result."""
    begun = time.monotonic()
    client = client_of(config)
    first = ready.wait(client, min(READY_SECONDS, config.deadline_seconds))
    return of(Subject(client, DIALECTS[config.server.server], first), config, voice, kept, begun)


def of(
    subject: Subject, config: Config, voice: Voice, kept: Kept, begun: float, *, interruptible: bool = False
) -> Result:
    """Of a server that has answered. `begun`: when its deadline began to run.

    `interruptible`: Ctrl-C ends the workload, and what there is becomes an unfinished Result.
    """
    with tempfile.TemporaryDirectory(prefix="hostproof-measure-") as folder:
        file = Path(folder) / "telemetry.jsonl"
        where = unit.find(config.server.unit)
        with (
            Recorder(where, file, config.telemetry_hertz) as watching,
            raw.opened(kept.chunks) as chunks,
        ):
            telling = replace(voice, run=chunks)
            found = _found(subject, config, where, telling, begun, interruptible=interruptible)
        found = replace(found, record=watching.record())
        if kept.telemetry is not None and file.is_file():
            recorder.compress(file, kept.telemetry)
    return _result(found)


def _found(
    subject: Subject, config: Config, where: Unit, voice: Voice, begun: float, *, interruptible: bool
) -> Found:
    started, cpu = _now(), time.process_time()
    seed = f"{config.run_id}/{time.time_ns()}"  # the same run id may come twice
    client, dialect = subject.client, subject.dialect
    gpus = gpu.find()
    about = environment.gather(client, dialect, config.server, gpus, __version__) | {"prompt_seed": seed}
    heard = Overheard(client.transport)
    checker = Checker(
        replace(client, transport=heard),
        dialect,
        f"{seed}/checks",
        min(SECONDS, config.deadline_seconds),
        config.canary,
        0.0
        if subject.parameters_billion
        else config.server.parameters_billion,  # its own word proves nothing
    )
    tried = checker.all(subject.first)
    if config.workload.behaviour:
        tried = chain(tried, behaviour.more(checker, config.server.context))
    checks = tuple(_told(with_evidence(tried, heard), voice))
    page = _first_page(client)
    bench = Bench(
        client=client,
        dialect=dialect,
        unit=where,
        gpus=gpus,
        seed=seed,
        workload_id=f"{config.workload.name}/{config.workload.version}",
        scrapes=metrics_page.is_useful(page),
        until=begun + config.deadline_seconds,
        local=subject.local,
        book=WordBook(None if dialect.counting == "nothing" else partial(counting.with_usage, client)),
    )
    capacity = config.server.context if dialect.server == "llama_server" else metrics_page.kv_capacity(page)
    grower = _Grower(bench, config, voice, capacity or None, config.growth.seconds)
    scrapes: list[tuple[float, str]] = []
    since, origin = time.time(), time.monotonic()

    def scrape() -> None:
        at, text = time.monotonic() - origin, client.get("/metrics", limit_seconds=SCRAPE_LIMIT_SECONDS)
        scrapes.append((at, server_truth.relevant(text)))

    with Watch(scrape, LOOK_SECONDS) if page.samples else nullcontext():
        measured = _cells(bench, config.workload.cells, voice, grower, interruptible=interruptible)
    server = _server_truth(config, scrapes, page, client, since)
    used = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.monotonic() - begun}
    return Found(
        config,
        bench,
        measured,
        checks,
        about,
        started,
        capacity or None,
        used,
        Record(),
        (*subject.notes, *config.left_out),
        server,
    )


def _server_truth(
    config: Config, scrapes: list[tuple[float, str]], before: Page, client: Client, since: float
) -> dict[str, Any]:
    looks = [server_truth.look(metrics_page.parse(text), at) for at, text in scrapes]
    after = _first_page(client) if before.samples else metrics_page.EMPTY
    log: dict[str, Any] = {}
    if config.server.server == "vllm_server":
        log = server_truth.table(list(server_truth.windows(server_truth.journal(config.server.unit, since))))
    pages = server_truth.told(looks, before, after)
    return {key: value for key, value in (("metrics", pages), ("log", log)) if value}


def _told(checks: Iterable[Check], voice: Voice) -> Iterator[Check]:
    for check in checks:
        voice.line(f"check {check.name}: {'yes' if check.passed else 'NO'} ({check.detail})")
        yield check


@dataclass
class _Grower:
    """Makes runs beyond a cell's own until its bounds are clear of their intervals, or the seconds for that are used."""

    bench: Bench
    config: Config
    voice: Voice
    kv_capacity: float | None
    left: float

    def grow(self, cell: Cell, runs: list[Run]) -> str:
        """Adds to `runs`. Why the cell cannot go on at all; empty otherwise."""
        rule = self.config.growth
        while self._may(runs) and self._made(runs) < rule.most(cell.name) and not self._settled(cell, runs):
            begun = time.monotonic()
            try:
                runs.append(self.bench.run(cell, self._made(runs) + 1, warmup=False))
            except DeadlinePassed:  # the workload's own runs are whole
                return ""
            self.left -= time.monotonic() - begun
            _tell(self.voice, cell, runs[-1])
            if ended := self.bench.given_up(runs):
                return ended
        return ""

    def _may(self, runs: list[Run]) -> bool:
        """A run that the deadline would cut off is not begun: it would count as failed."""
        windows = [run.observed.window for run in runs if run.observed.window]
        longest = max((end - begin for begin, end in windows), default=0.0)
        return self.left > 0 and self.bench.left > SPARE * longest

    def _made(self, runs: list[Run]) -> int:
        return sum(not run.warmup for run in runs)

    def _settled(self, cell: Cell, runs: list[Run]) -> bool:
        """Between two looks nothing is settled: to look there would be one look more than the rule has."""
        good = sum(bool(run.stream) and not run.warmup for run in runs)
        if good not in self.config.growth.looks:
            return False
        server = self.config.server
        about = metrics.Circumstances(
            server.parameters_billion, "", "", self.kv_capacity, ceiling=server.ceiling
        )
        found = metrics.measurements(CellRuns(cell, tuple(runs)), about)
        return self.config.growth.settled(cell.name, found)


def _cells(
    bench: Bench, cells: tuple[Cell, ...], voice: Voice, grower: _Grower, *, interruptible: bool
) -> Measured:
    done: list[CellRuns] = []
    agreed: list[Agreement] = []
    stopped = ""
    for cell in cells:
        if stopped:
            done.append(CellRuns(cell, (), stopped))
            continue
        if cell.kind == "single":
            cell_runs, before = _cell(bench, cell, voice, grower, interruptible=interruptible)
            agreed += agreements.agreements(cell_runs, before, bench.page())
        else:
            tell = partial(_tell, voice)
            cell_runs = special.run(bench, cell, tell, STOPPED, interruptible=interruptible)
        done.append(cell_runs)
        stopped = STOPPED if cell_runs.ended == STOPPED else ""
    return Measured(tuple(done), tuple(agreed))


def _cell(
    bench: Bench, cell: Cell, voice: Voice, grower: _Grower, *, interruptible: bool
) -> tuple[CellRuns, Page]:
    """The runs, and /metrics as it was before the first measured one."""
    runs: list[Run] = []
    before, ended = metrics_page.EMPTY, ""
    plan = [(number + 1, True) for number in range(cell.warmups)]
    plan += [(number + 1, False) for number in range(cell.runs)]
    try:
        for number, warmup in plan:
            if (number, warmup) == (1, False):
                before = bench.page()
            runs.append(bench.run(cell, number, warmup=warmup))
            _tell(voice, cell, runs[-1])
            ended = bench.given_up(runs)
            if ended:
                break
        ended = ended or grower.grow(cell, runs)
    except DeadlinePassed as error:
        ended = str(error)
    except KeyboardInterrupt:
        if not interruptible:
            raise
        ended = STOPPED
    return CellRuns(cell, tuple(runs), ended), before


def _tell(voice: Voice, cell: Cell, run: Run) -> None:
    voice.line(progress.line(cell, run))
    voice.event(progress.event(cell, run))
    voice.run(cell, run)


def _first_page(client: Client) -> Page:
    try:
        return metrics_page.parse(client.get("/metrics"))
    except SampleFailed:
        return metrics_page.EMPTY  # then the server does not tell, and what is missing for it says so


def _result(found: Found) -> Result:
    config = found.config
    done, bench = _watched(found.measured.done, found.record.ticks), found.bench
    return Result(
        run_id=config.run_id,
        host=config.host,
        hardware=config.hardware,
        setup=_setup(config),
        workload=config.workload_raw,
        started=found.started,
        finished=_now(),
        environment=found.environment,
        measurements=tuple(m for cells in done for m in metrics.measurements(cells, _circumstances(found))),
        checks=(*found.checks, *remarks.behaviour(done)),
        agreements=found.measured.agreements,
        telemetry=_seen(found, done),
        gaps=(*found.notes, *_absences(bench), *remarks.gaps(done), *_unseen(found.record)),
        unfinished=_unfinished(done),
        findings=(
            *lessons(done, found.kv_capacity),
            *server_truth.findings(found.server.get("metrics", {}), found.server.get("log", {})),
        ),
    )


def _seen(found: Found, done: tuple[CellRuns, ...]) -> dict[str, Any]:
    """All that was seen beside the runs."""
    server = {"server": dict(found.server)} if found.server else {}
    return _telemetry(done, found.used) | _paces(done, found.record) | _beside(done, found.record) | server


def _unfinished(done: tuple[CellRuns, ...]) -> str:
    """Empty if every cell had all its runs."""
    short = next((cells for cells in done if cells.ended), None)
    if short is None:
        return ""
    made = len(short.measured)
    return f"cell {short.cell.name} has {made} of {short.cell.runs} runs, because {short.ended}"


def _watched(done: tuple[CellRuns, ...], ticks: Sequence[Tick]) -> tuple[CellRuns, ...]:
    """Each run with what was seen of the host meanwhile."""

    def seen(run: Run) -> Run:
        window = run.observed.window
        found = telemetry.during(ticks, window) if window else None
        return replace(run, observed=replace(run.observed, seen=found))

    return tuple(replace(cells, runs=tuple(map(seen, cells.runs))) for cells in done)


def _unseen(record: Record) -> Iterator[str]:
    if record.missing:
        yield f"telemetry does not have {'; '.join(dict.fromkeys(record.missing))}"


def _beside(done: tuple[CellRuns, ...], record: Record) -> dict[str, Any]:
    """What telemetry adds to a Result; nothing if there was none."""
    if not record.ticks:
        return {}
    origin = record.ticks[0].at
    return {
        "sampling": {
            "hertz": record.hertz,
            "looks": len(record.ticks),
            "cpu_seconds": round(record.cpu_seconds, 3),
            "wall_seconds": round(record.wall_seconds, 3),
        },
        "runs": [
            {"cell": cells.cell.name, "number": run.number}
            | telemetry.summary(run.observed.seen, run.observed.window, origin)
            for cells in done
            for run in cells.measured
            if run.observed.seen and run.observed.window
        ],
        "series": telemetry.series(record.ticks, origin),
        "heat": telemetry.heat(record.ticks),
    }


def _paces(done: tuple[CellRuns, ...], record: Record) -> dict[str, Any]:
    """Token arrivals of each measured run in steps, on the clock of the telemetry beside them."""
    runs = [(cells.cell.name, run) for cells in done for run in cells.measured if run.observed.window]
    windows = [run.observed.window[0] for _, run in runs if run.observed.window]
    origin = record.ticks[0].at if record.ticks else min(windows, default=0.0)
    told = [
        {
            "cell": name,
            "number": run.number,
            "begun_seconds": round(run.observed.window[0] - origin, 3),
            **sample.pace(run.stream),
        }
        for name, run in runs
        if run.stream and run.observed.window
    ]
    return {"pace": [each for each in told if "tokens" in each]} if told else {}


def _setup(config: Config) -> Setup:
    server = config.server
    return Setup(
        name=config.setup,
        server=server.server,
        model=server.model,
        parameters_billion=server.parameters_billion,
        active_parameters_billion=server.active_parameters_billion,
        flags=server.flags,
        ceiling=server.ceiling,
        ceiling_why=server.ceiling_why,
    )


def _circumstances(found: Found) -> metrics.Circumstances:
    server, bench = found.config.server, found.bench
    return metrics.Circumstances(
        parameters_billion=server.parameters_billion,
        memory_source=bench.unit.source,
        memory_problem=bench.unit.problem or "the processes of the unit cannot be read",
        kv_capacity=found.kv_capacity,
        ceiling=server.ceiling,
        energy_source=_energy_source(found.record),
    )


def _energy_source(record: Record) -> str:
    last = record.ticks[-1] if record.ticks else None
    if last is None:
        return ""
    told = {"rapl": last.rapl is not None, "nvml": any("energy_joules" in gpu for gpu in last.gpus)}
    return "+".join(name for name, there in told.items() if there)


def _absences(bench: Bench) -> Iterator[str]:
    if bench.gpus.problem:
        yield bench.gpus.problem
    if bench.dialect.server == "vllm_server" and not bench.scrapes:
        yield "/metrics has nothing of vLLM's, so its own figures are not beside the client's"
    if bench.unit.problem:
        yield f"peak memory was not observed: {bench.unit.problem}"


def _telemetry(done: tuple[CellRuns, ...], used: Mapping[str, float]) -> dict[str, Any]:
    runs = [run for cells in done for run in cells.measured if run.stream]
    told: dict[str, Any] = {
        "cpu_per_core": list(procfs.mean_per_core([run.observed.cores for run in runs]).values()),
        "connect_seconds_max": max((run.stream.connect_seconds for run in runs if run.stream), default=0.0),
        "instrument": dict(used),
    }
    gpus = [run.observed.gpu for run in runs if run.observed.gpu]
    if gpus:
        told["gpu"] = {
            "memory_used_bytes_max": max(g.get("memory_used_bytes", 0.0) for g in gpus),
            "energy_joules": sum(g.get("energy_joules", 0.0) for g in gpus),
            "power_watts_max": max(g.get("power_watts", 0.0) for g in gpus),
        }
    return told


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
