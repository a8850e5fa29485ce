"""On what the servers computed, and what their model could reach there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hostproof.judge.proof import UNPROVED, DeviceProof
from hostproof.judge.statistics import median_interval
from hostproof.judge.units import figure, shown
from hostproof.judge.viability import decoding
from hostproof.measure.result import Result
from hostproof.report import reference
from hostproof.report.material import Material, Part
from hostproof.report.table import NOTHING, WORDS, Row, Table, left, right

NVFP4_BYTES, FP8_BYTES, BF16_BYTES = 0.5625, 1.0, 2.0
"""A weight takes, with NVFP4's scale of a byte for 16."""
ARTICLE_CONTEXT = 32_768
"""Tokens for which its config B was started."""


def proof(material: Material) -> Iterator[Table]:
    """One row a line of evidence; the verdict stands in the first. Where nothing was demanded and nothing seen there is no row."""
    rows = [
        row
        for part in material.parts
        if (found := part.verdict.proof) and (found.wanted or found.verdict != UNPROVED)
        for row in _proof(part, found)
    ]
    if rows:
        note = (
            "From the server's own log since its start, NVML and the questions with known answers (docs/nvfp4-proof.md). "
            "Unproved: somebody has to look yet, or something contradicts."
        )
        yield Table(
            "proof",
            "On what it computed",
            left("Config", "Computes", "Wanted", "Verdict", "Seen"),
            tuple(rows),
            note,
        )


def _proof(part: Part, found: DeviceProof) -> Iterator[Row]:
    told = [
        *found.evidence,
        *(f"against it: {each}" for each in found.wrong),
        *(f"not looked at: {each}" for each in found.missing),
    ] or ["nothing"]
    wanted = " or ".join(found.wanted) or NOTHING
    outcome = WORDS[found.outcome] if found.outcome else NOTHING
    yield Row((part.title, found.verdict, wanted, outcome, told[0]), found.outcome)
    yield from (Row(("", "", "", "", each)) for each in told[1:])


def costs(material: Material) -> Iterator[Table]:
    """What a token costs by the checkpoint's own headers, and which speeds that allows: ours, and what else would give the article's."""
    for part, result in material.measured:
        found = part.verdict.proof
        if found and found.figures.get("read_bytes_per_token") and result.setup.ceiling:
            yield _costs(part, result, found)


def _costs(part: Part, result: Result, found: DeviceProof) -> Table:
    told, most = found.figures, result.setup.ceiling
    read, cache = float(told["read_bytes_per_token"]), float(told.get("kv_bytes_per_token") or 0)
    bandwidth = most * read
    rows = [_row("this checkpoint", read, most, result)]
    if cache:
        full = read + cache * ARTICLE_CONTEXT
        rows.append(
            _row(f"the same, {ARTICLE_CONTEXT:,} tokens into a sequence", full, bandwidth / full, None)
        )
    rows += _others(told, read, bandwidth)
    before = f", and {cache / 1024:,.0f} KiB of KV cache for each token before it" if cache else ""
    note = (
        f"Bytes by the checkpoint's headers: {read / 1e9:.2f} GB of weights are read for each token{before}. "
        f"The ceiling is {bandwidth / 1e9:,.0f} GB/s by those bytes. The last column has the article's tok/s as a share of it: "
        "a poor figure of one model is a healthy one of another."
    )
    columns = (
        *left("What is read"),
        *right("GB a token", "Ceiling (tok/s)", "Ours", f"{reference.SOURCE}, 25–28 tok/s"),
    )
    return Table(
        f"costs-{part.verdict.host}-{part.verdict.setup}",
        f"What a token costs: {part.title}",
        columns,
        tuple(rows),
        note,
    )


def _others(told: Mapping[str, Any], read: float, bandwidth: float) -> list[Row]:
    """What else those figures could be: derived, none of it was measured. Of dense models in NVFP4 alone."""
    weights, parameters = float(told.get("weights_bytes") or 0), float(told.get("parameters") or 0)
    passes = int(told.get("passes") or 1)
    if not str(told.get("quantisation", "")).startswith("nvfp4") or read < weights / 2:
        return []
    # What is no NVFP4 (head, embedding, norms) is in 16 bits: two equations, two unknowns.
    quantised = (BF16_BYTES * parameters - weights) / (BF16_BYTES - NVFP4_BYTES)
    once = read - (passes - 1) * quantised * NVFP4_BYTES
    loop = ("if its layers ran twice (Loop)", read + quantised * NVFP4_BYTES)
    if passes > 1:
        loop = ("if its layers ran once (Instruct)", once)
    many = (
        loop,
        ("if its weights were FP8", once + quantised * (FP8_BYTES - NVFP4_BYTES)),
        ("if its weights were BF16", once + quantised * (BF16_BYTES - NVFP4_BYTES)),
    )
    return [Row(_cells(what, size, bandwidth / size, NOTHING), muted=True) for what, size in many]


def _row(what: str, size: float, most: float, result: Result | None) -> Row:
    speed = decoding(result) if result else None
    ours = NOTHING
    if speed is not None:
        middle = median_interval(speed.samples).value
        ours = f"{shown(middle, speed.metric)}, {middle / most:.0%}"
    return Row(_cells(what, size, most, ours))


def _cells(what: str, size: float, most: float, ours: str) -> tuple[str, ...]:
    low, high = (speed / most for speed in reference.SPEED)
    return what, f"{size / 1e9:.2f}", figure(most), ours, f"{low:.0%}–{high:.0%}"
