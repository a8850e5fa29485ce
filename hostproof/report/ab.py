"""A comparison as tables, Markdown and JSON: the same figures, the same words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console

from hostproof.judge import evidence
from hostproof.judge.effect import Effect, Ratio, Word
from hostproof.judge.evidence import Evidence
from hostproof.judge.units import figure
from hostproof.report import markdown, terminal
from hostproof.report.compared import Compared
from hostproof.report.table import NOTHING, Row, Table, left, right

SCHEMA = "hostproof.ab/1"
SIGNS = {Word.HELPS: "✓", Word.HURTS: "✗", Word.CANNOT_TELL: "?", Word.CONTENDED: "?"}
_GIB = 1024**3
_MIB = 1024**2


def headline(found: Compared) -> str:
    """`helps: hugepages on epyc01, llama-server on the CPU`."""
    return f"{found.answer.word}: {', '.join(found.knobs)} on {found.host}, {found.plan['title']}"


def findings(found: Compared) -> Iterator[str]:
    """What a reader should know besides, most important first."""
    if found.back is None:
        yield "there is no proof that the host is as it was found: run it again, or boot the host"
    yield from (f"disturbed: {told}" for told in found.answer.contended)
    yield from (f"not used: {told}" for told in evidence.unused(found.knobs, found.a, found.b))
    yield from _short(found)
    for one in found.seen:
        yield from (
            f"a check failed in round {one.visit.round}, {one.visit.arm}: {told}"
            for told in one.failed_checks
        )
    yield from (f"not compared: {one['name']}: {one['why']}" for one in found.plan["left"])
    gaps = dict.fromkeys(gap for one in found.seen for gap in one.witness["gaps"])
    yield from (f"not observed: {gap}" for gap in gaps)


def _short(found: Compared) -> Iterator[str]:
    told = {
        f"the kernel gave {reading['got']} of {reading['wanted']}: {reading['path']}"
        for one in found.seen
        for reading in one.readings
        if not reading["as_wanted"]
    }
    yield from (f"short: {sentence}" for sentence in sorted(told))


def commands(found: Compared, again: str) -> dict[str, str]:
    """What keeps it, what takes it back, what would tell more. `again`: the line that compares once more, without --rounds."""
    areas = ",".join(found.areas)
    server = str(found.plan["server"]["server"])
    parts = [part["name"] for part in found.plan["parts"]]
    back = [f"./inv undo --host {found.host} --only {areas}"] if areas else []
    if parts == ["service_pages"] and server == "llama_server":
        back.append(
            f"`llama_server_load_mode: mmap` in the inventory and ./inv provision --host {found.host}"
        )
    elif parts:
        back.append(f"`{server}_placement: {{}}` in the inventory and ./inv provision --host {found.host}")
    needed = max((effect.rounds_needed for effect in found.answer.effects), default=0)
    return {
        "keep": f"./inv provision --host {found.host}",
        "undo": ", and ".join(back),
        "tell": f"{again} --rounds {needed}" if needed else "",
    }


def tables(found: Compared) -> Iterator[Table]:
    yield _speeds(found)
    yield _arms(found)
    yield _evidence(found)
    yield _visits(found)


def _speeds(found: Compared) -> Table:
    return Table(
        "speeds",
        "Speeds, medians over rounds",
        (*left("metric"), *right("A tok/s", "B tok/s", "B/A", "95 %", "A/A", "95 %"), *left("verdict")),
        tuple(Row(_speed(effect)) for effect in found.answer.effects),
        "B/A compares B with both A's of its round. A/A is what two equal arms differ by, the machine's noise floor.",
    )


def _speed(effect: Effect) -> tuple[str, ...]:
    speeds = [figure(value) if value else NOTHING for value in (effect.a, effect.b)]
    return (
        effect.metric.replace("_", " "),
        *speeds,
        *_ratio(effect.ratio),
        *_ratio(effect.floor),
        str(effect.word),
    )


def _ratio(ratio: Ratio) -> tuple[str, str]:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}", NOTHING
    return f"{ratio.value:.3f}", f"{ratio.low:.3f}–{ratio.high:.3f}"


def _arms(found: Compared) -> Table:
    places: dict[tuple[str, str, str], list[str]] = {}
    for place in found.plan["places"]:
        key = (f"{place['kind']} {place['key']}", place["a"], place["b"])
        places.setdefault(key, []).append(place["found"])
    rows = [Row((name, a, b, ", ".join(dict.fromkeys(was)))) for (name, a, b), was in places.items()]
    rows += [Row((part["name"], part["a"], part["b"], "the unit's own")) for part in found.plan["parts"]]
    return Table(
        "arms",
        "What was switched",
        left("setting", "A: as it stood first", "B: as wanted", "found"),
        tuple(rows),
    )


def _evidence(found: Compared) -> Table:
    rows = [Row((name, a, b)) for name, a, b in _beside(found.a, found.b)]
    return Table(
        "evidence",
        "What the kernel saw, medians over visits",
        (*left("of the server"), *right("A", "B")),
        tuple(rows),
    )


def _beside(a: Evidence, b: Evidence) -> Iterator[tuple[str, str, str]]:
    yield "resident", _bytes(a.resident), _bytes(b.resident)
    yield "transparent huge pages (AnonHugePages)", _bytes(a.anon_huge), _bytes(b.anon_huge)
    yield "from pools (Private_Hugetlb, Shared_Hugetlb)", _bytes(a.hugetlb), _bytes(b.hugetlb)
    for node in sorted({*a.nodes, *b.nodes}, key=int):
        yield (
            f"own memory on node {node} (numa_maps)",
            _bytes(a.nodes.get(node, 0)),
            _bytes(b.nodes.get(node, 0)),
        )
    for pool in sorted({*a.pools, *b.pools}):
        yield f"pages of pool {pool}, free", _pool(a, pool), _pool(b, pool)
    yield "clock under load, mean of the cores", _mhz(a.mhz), _mhz(b.mhz)
    yield "clock under load, fastest core", _mhz(a.mhz_fastest), _mhz(b.mhz_fastest)
    yield "CPUs that others used", f"{a.others:.2f}", f"{b.others:.2f}"
    yield "load before", f"{a.load:.2f}", f"{b.load:.2f}"
    for name in ("cpu some", "memory some", "io some"):
        yield f"PSI {name}, host", _share(a.pressure, name), _share(b.pressure, name)
        yield f"PSI {name}, server", _share(a.server_pressure, name), _share(b.server_pressure, name)
    for event in sorted({*a.events, *b.events}):
        if a.events.get(event) or b.events.get(event):
            yield event, f"{a.events.get(event, 0):.0f}", f"{b.events.get(event, 0):.0f}"


def _pool(arm: Evidence, pool: str) -> str:
    pages, free = arm.pools.get(pool, (0.0, 0.0))
    return f"{pages:.0f}, {free:.0f}"


def _bytes(size: float) -> str:
    return f"{size / _GIB:,.1f} GiB" if size >= 10 * _GIB else f"{size / _MIB:,.0f} MiB"


def _mhz(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f} MHz"


def _share(shares: Mapping[str, float], name: str) -> str:
    return f"{shares[name]:.1%}" if name in shares else NOTHING


def _visits(found: Compared) -> Table:
    rows = []
    for one in found.seen:
        speeds = [figure(one.visit.speeds[m]) if m in one.visit.speeds else NOTHING for m in _METRICS]
        huge = one.witness["pages"]["anon_huge"] + one.witness["pages"]["private_hugetlb"]
        rows.append(
            Row(
                (
                    str(one.visit.round),
                    one.visit.arm,
                    *speeds,
                    _bytes(huge),
                    f"{one.visit.others:.2f}",
                    one.visit.contended,
                )
            )
        )
    return Table(
        "visits",
        "Every measurement, in the order taken",
        (
            *right("round"),
            *left("arm"),
            *right("PP tok/s", "TG tok/s", "huge pages", "others' CPUs"),
            *left("disturbed"),
        ),
        tuple(rows),
    )


_METRICS = ("prompt_throughput", "generation_throughput")


def show(console: Console, found: Compared) -> None:
    """Verdict, findings and tables on a terminal, or the same as plain lines."""
    console.print(
        f"{SIGNS[found.answer.word]} {headline(found)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
        style="bold",
    )
    for told in findings(found):
        console.print(f"  · {told}", markup=False, highlight=False, soft_wrap=True, style="dim")
    for table in tables(found):
        terminal.draw(console, table)


def render_markdown(found: Compared, again: str) -> str:
    escape = markdown.escape
    lines = [f"- {escape(told)}" for told in findings(found)]
    closing = [
        f"- {name}: {text if '`' in text else f'`{text}`'}"
        for name, text in commands(found, again).items()
        if text
    ]
    parts = [
        f"# {SIGNS[found.answer.word]} {escape(headline(found))}",
        f"Run `{found.run_id}`, {len(found.seen)} measurements in {found.plan['rounds']} rounds.",
        escape(found.answer.why),
        "\n".join(closing),
        "\n".join(lines),
        *(markdown.table_of(table) for table in tables(found)),
        _proof(found),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _proof(found: Compared) -> str:
    if found.back is None:
        return ""
    count, servers = len(found.back["readings"]), ", ".join(found.back["servers"]) or "none"
    return f"Put back: {count} settings read again and found as they were; servers started again: {servers}."


def as_json(found: Compared, again: str) -> dict[str, Any]:
    answer = found.answer
    return {
        "schema": SCHEMA,
        "run": found.run_id,
        "host": found.host,
        "setup": found.plan["setup"],
        "title": found.plan["title"],
        "server": found.plan["server"]["server"],
        "model": found.plan["server"]["model"],
        "workload": found.seen[0].workload if found.seen else "",
        "rounds": found.plan["rounds"],
        "verdict": str(answer.word),
        "why": answer.why,
        "effects": [{**asdict(effect), "word": str(effect.word)} for effect in answer.effects],
        "contended": list(answer.contended),
        "findings": list(findings(found)),
        "switched": {
            "places": found.plan["places"],
            "parts": found.plan["parts"],
            "left": found.plan["left"],
        },
        "arms": {"a": asdict(found.a), "b": asdict(found.b)},
        "visits": [
            {
                "round": one.visit.round,
                "arm": one.visit.arm,
                "speeds": dict(one.visit.speeds),
                "others_cpus": one.visit.others,
                "contended": one.visit.contended,
                "readings": list(one.readings),
                "witness": dict(one.witness),
            }
            for one in found.seen
        ],
        "back": {"as_found": found.as_found, **(found.back or {"readings": [], "servers": []})},
        **commands(found, again),
    }


def render_json(found: Compared, again: str) -> str:
    return json.dumps(as_json(found, again), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
