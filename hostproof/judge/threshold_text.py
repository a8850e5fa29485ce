"""A file of thresholds with calibrated entries, as text: everything else in it stays as it was written. Pure but for reading."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from hostproof.judge.calibration import Proposal
from hostproof.judge.marked import Entry, read
from hostproof.judge.thresholds import SCHEMA, Key

KIND = "no_worse_than"


def updated(path: Path, proposals: Sequence[Proposal]) -> str:
    """The file's text, with an older calibrated entry of the same figure replaced, and new ones at the end of the list."""
    lines = path.read_text(encoding="utf-8").splitlines()
    top = read(path).fields(_ANY, ()).found
    items = top["thresholds"].items()
    wanted = {(each.cell, each.metric) for each in proposals}
    starts = [item.line - 1 for item in items]
    end = _end(top["thresholds"].node, lines)
    regions = list(zip(starts, [*starts[1:], end], strict=True))
    dash = lines[starts[0]].index("-")
    gone = {
        number
        for item, (start, stop) in zip(items, regions, strict=True)
        if _is_one_of(item, wanted)
        for number in range(start, _last(lines, start, stop))
    }
    last = max(_last(lines, start, stop) for start, stop in regions)
    new = [f"{' ' * dash}{line}" for each in proposals for line in entry(each)]
    kept = [line for number, line in enumerate(lines[:last]) if number not in gone]
    return "\n".join([*kept, *new, *lines[last:]]) + "\n"


def fresh(key: Key, proposals: Sequence[Proposal], cells: Sequence[str]) -> str:
    """A whole file, for what had none. Cells without a proposal get their failed requests judged, as all do."""
    hardware, setup, model, workload = key
    failed = "max: 0, unit: requests, source: a failed request is never right"
    head = {
        "schema": SCHEMA,
        "hardware": hardware,
        "setup": setup,
        "model": model,
        "workload": workload,
        "source": "calibrated",
    }
    lines = [
        *(f"{name}: {_text(value)}" for name, value in head.items()),
        "thresholds:",
        *(f"  - {{cell: {cell}, metric: failed_requests, statistic: max, {failed}}}" for cell in cells),
        *(f"  {line}" for each in proposals for line in entry(each)),
    ]
    return "\n".join(lines) + "\n"


def entry(proposal: Proposal) -> tuple[str, ...]:
    """Lines of one item of the list."""
    return (
        f"- cell: {proposal.cell}",
        f"  metric: {proposal.metric}",
        "  statistic: median",
        f"  {KIND}: {{baseline: {_plain(proposal.baseline)}, margin: {proposal.margin:.2f}}}",
        f"  unit: {proposal.unit}",
        f"  source: {json.dumps(proposal.source)}",
    )


_ANY = ("schema", "hardware", "setup", "model", "workload", "source", "thresholds", "not_judged")


def _is_one_of(item: Entry, wanted: set[tuple[str, str]]) -> bool:
    found: Mapping[str, Entry] = {name: value for name, _, value in item.pairs()}
    named = (found["cell"].text(), found["metric"].text())
    return KIND in found and named in wanted and found["statistic"].text() == "median"


def _end(node: yaml.Node, lines: Sequence[str]) -> int:
    """0-based number of the line after the list."""
    mark = node.end_mark
    return len(lines) if mark.line >= len(lines) else mark.line + (mark.column > 0)


def _last(lines: Sequence[str], start: int, stop: int) -> int:
    """Without the blank lines and comments behind it: they belong to what follows."""
    while stop > start + 1 and (not lines[stop - 1].strip() or lines[stop - 1].lstrip().startswith("#")):
        stop -= 1
    return stop


def _plain(value: float) -> str:
    """A decimal without an exponent."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def _text(value: str) -> str:
    """Quoted where YAML would take it for something else."""
    return value if yaml.safe_load(value) == value else json.dumps(value)
