"""Every throughput beside its limit, what the limits are made of, and who is suspected where good hosts are faster. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hostproof.judge import suspects
from hostproof.judge.roofline import Point, Roofline, points
from hostproof.judge.units import figure, label, shown
from hostproof.measure.result import Result
from hostproof.report.material import Material, Part
from hostproof.report.table import NOTHING, Row, Table, left, right


def limited(material: Material) -> Iterator[tuple[Part, Result, Roofline]]:
    """Setups that were measured and whose host told what limits them."""
    for part, result in material.measured:
        roof = material.rooflines.get((part.verdict.host, part.verdict.setup))
        if roof is not None:
            yield part, result, roof


def roofline(material: Material) -> Iterator[Table]:
    rows = [
        _point(part, point, roof)
        for part, result, roof in limited(material)
        for point in points(result, roof)
    ]
    if rows:
        columns = (
            *left("Config", "Cell", "Metric"),
            *right("Measured", "Limit", "Share"),
            *left("Usual", "By", "Why"),
        )
        note = (
            "A limit cannot be passed: the bytes of a token by the memory's bandwidth, or its operations by the peak, whichever is lower. "
            "In brackets the shares that both intervals allow. ≤: the host was busy when its bandwidth was measured, so the limit may be "
            "higher. How: docs/roofline.md."
        )
        yield Table("roofline", "Roofline", columns, tuple(rows), note)


def _point(part: Part, point: Point, roof: Roofline) -> Row:
    around = f" ({point.low:.0%}–{point.high:.0%})" if f"{point.low:.0%}" != f"{point.high:.0%}" else ""
    usual = NOTHING
    if point.metric == "generation_throughput" and roof.usual:
        usual = f"{roof.usual[0]:.0%}–{roof.usual[1]:.0%}"
    return Row(
        (
            part.title,
            point.cell,
            label(point.metric),
            shown(point.measured, point.metric),
            figure(point.limit.tokens_per_second),
            f"{'≤ ' if roof.is_floor and point.limit.by == 'bandwidth' else ''}{point.share:.0%}{around}",
            usual,
            point.limit.by,
            point.limit.why,
        )
    )


def limits(material: Material) -> Iterator[Table]:
    """What the limits are made of."""
    rows = [Row((part.title, *row)) for part, _, roof in limited(material) for row in _made_of(roof)]
    if rows:
        yield Table("limits", "What limits it", left("Config", "What", "Value"), tuple(rows))


def _made_of(roof: Roofline) -> Iterator[tuple[str, str]]:
    if roof.read_bytes:
        about = f"{roof.read_bytes / 1e9:.3g} of {roof.weights_bytes / 1e9:.3g} GB, {roof.quantisation or 'unknown type'}"
        used, experts = roof.model.get("experts_used"), roof.model.get("experts")
        about += f", {used} of {experts} experts" if used and experts else ""
        passes = int(roof.model.get("passes") or 1)
        yield "weights read for a token", about + (f", layers {passes} times" if passes > 1 else "")
        if by_type := roof.model.get("read_by_type"):
            shares = sorted(by_type.items(), key=lambda each: -each[1])
            told = ", ".join(
                f"{name} {size / roof.read_bytes:.0%}"
                for name, size in shares
                if size >= roof.read_bytes / 100
            )
            yield "of that by type", told
        growth = (roof.bytes_per_token(2) - roof.bytes_per_token(1)) / 1024
        late = (roof.bytes_per_token(100_001) - roof.bytes_per_token(100_000)) / 1024
        more = f", {late:,.0f} KiB beyond the window" if late != growth else ""
        yield "cache read for each token before", f"{growth:,.0f} KiB{more}"
        yield "operations of a prompt token", f"{2 * roof.multiplied / 1e9:,.3g} GFLOP, and attention"
    yield from _memory(roof)
    if roof.operations:
        yield "peak", f"{roof.operations / 1e12:,.3g} TFLOP/s: {roof.compute.get('why')}"


def _memory(roof: Roofline) -> Iterator[tuple[str, str]]:
    memory = roof.memory
    if not roof.bandwidth:
        yield "bandwidth", "not known"
        return
    yield "bandwidth", f"{roof.bandwidth / 1e9:,.4g} GB/s ({memory.get('source')}): {memory.get('why')}"
    if memory.get("median"):
        yield (
            "over the rounds",
            f"median {memory['median'] / 1e9:,.4g}, lowest {memory['low'] / 1e9:,.4g} GB/s",
        )
    if memory.get("one_core"):
        yield "one core alone", f"{memory['one_core'] / 1e9:,.4g} GB/s"
    if memory.get("nodes"):
        yield (
            "each node alone",
            ", ".join(f"node {n}: {r / 1e9:,.4g} GB/s" for n, r in memory["nodes"].items()),
        )
    if memory.get("theory") and memory.get("source") != "theory":
        yield "what its DIMMs promise", f"{memory['theory'] / 1e9:,.4g} GB/s"
    if memory.get("copied"):
        yield "a copy inside VRAM moves", f"{memory['copied'] / 1e9:,.4g} GB/s, read and written"
    for key, what in (("busy", "the host was busy then"), ("small", "buffers"), ("not_copied", "no copy")):
        if memory.get(key):
            yield what, str(memory[key])


def suspected(material: Material) -> Iterator[Table]:
    for part, result, roof in limited(material):
        ranked = suspects.suspects(result, roof, part.verdict.proof, points(result, roof))
        rows = tuple(
            Row((str(place), each.what, each.evidence, each.mend)) for place, each in enumerate(ranked, 1)
        )
        if rows:
            yield Table(
                f"suspects-{part.verdict.host}-{part.verdict.setup}",
                f"Suspects: {part.title}",
                (*right("Rank"), *left("What", "Evidence", "Mend")),
                rows,
                "Ranked by what each has cost elsewhere (docs/roofline.md). A suspect is no verdict: mend one, and compare.",
            )
