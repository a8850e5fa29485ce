"""The tables of the article behind this project, with our figures and its own rows beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostproof.judge.lanes import active
from hostproof.judge.statistics import median_interval, spread
from hostproof.judge.units import figure, shown, span
from hostproof.judge.viability import RULE, decoding, viability
from hostproof.measure.result import LATENCY_AT, Measurement, Result
from hostproof.report import reference
from hostproof.report.material import Material, Part
from hostproof.report.table import NOTHING, Row, Table, left, right


def latency(material: Material) -> Iterator[Table]:
    """By output length; one row for each setup and cell with checkpoints."""
    found = [
        (part, cell, points)
        for part, result in material.measured
        for cell, points in checkpoints(result).items()
    ]
    lengths = sorted({tokens for _, _, points in found for tokens in points})
    if not lengths:
        return
    rows = [
        Row((part.title, cell, *(_median_and_range(points.get(tokens)) for tokens in lengths)))
        for part, cell, points in found
    ]
    theirs = (*(reference.LATENCIES.get(tokens, NOTHING) for tokens in lengths),)
    if any(tokens in reference.LATENCIES for tokens in lengths):
        rows += [Row((f"{reference.SOURCE}, GPU nvfp4", NOTHING, *theirs), muted=True)]
    columns = (*left("Config", "Cell"), *right(*(f"{tokens} tokens" for tokens in lengths)))
    note = "From sending the request until the answer had so many tokens; median, and in brackets the range."
    yield Table("latency", "Latency by output length", columns, tuple(rows), note)


def checkpoints(result: Result) -> dict[str, dict[int, Measurement]]:
    """Cell → output tokens → measurement."""
    found: dict[str, dict[int, Measurement]] = {}
    for measured in result.measurements:
        if measured.metric.startswith(LATENCY_AT):
            tokens = int(measured.metric.removeprefix(LATENCY_AT))
            found.setdefault(measured.cell, {})[tokens] = measured
    return found


def _median_and_range(measured: Measurement | None) -> str:
    if measured is None or measured.problem:
        return NOTHING
    middle, around = median_interval(measured.samples).value, spread(measured.samples)
    text = shown(middle, measured.metric)
    if len(measured.samples) == 1:
        return f"{text} (1 run)"
    return f"{text} ({span(around.low, around.high, measured.metric)})"


def comparison(material: Material) -> Table:
    rows = [_compared(part) for part in material.parts]
    rows += [
        Row(
            (f"{reference.SOURCE}, {their.config}", their.speed, their.viability, their.use, NOTHING),
            muted=True,
        )
        for their in reference.SETUPS
    ]
    columns = (*left("Config"), *right("TG (tok/s)"), *left("Viability", "Use case", "Because"))
    return Table("comparison", "Comparison summary", columns, tuple(rows), RULE)


def _compared(part: Part) -> Row:
    speed, found = decoding(part.result), viability(part.result, part.verdict.outcome)
    return Row((part.title, _speed_range(speed), found.word, found.use, found.why))


def _speed_range(speed: Measurement | None) -> str:
    if speed is None:
        return "not measured"
    around = spread(speed.samples)
    ends = [figure(end) for end in (around.low, around.high)]
    return ends[0] if ends[0] == ends[1] else "–".join(ends)


def ceiling(material: Material) -> Iterator[Table]:
    """How near to what the memory allows; only where somebody could say what that is."""
    known = [(part, result) for part, result in material.measured if result.setup.ceiling]
    if not known:
        return
    rows = [_near(part, result) for part, result in known]
    rows += [_theirs(each) for each in _same_model(result for _, result in known)]
    columns = (*left("Config"), *right("TG (tok/s)", "Ceiling", "Share"), *left("Because"))
    note = (
        "The ceiling is the memory's bandwidth by the bytes read for each token, at batch 1; healthy servers reach 55–70 % of it. "
        "Being as fast as the article and being near the ceiling are two questions with a threshold each."
    )
    yield Table("ceiling", "How near to the ceiling", columns, tuple(rows), note)


def _near(part: Part, result: Result) -> Row:
    speed, setup = decoding(result), result.setup
    if speed is None:
        return Row((part.title, "not measured", figure(setup.ceiling), NOTHING, setup.ceiling_why))
    share = f"{median_interval(speed.samples).value / setup.ceiling:.0%}"
    return Row((part.title, _speed_range(speed), figure(setup.ceiling), share, setup.ceiling_why))


def _same_model(results: Iterable[Result]) -> Iterator[float]:
    """The article's TG says something beside a ceiling of its own model alone."""
    words = (reference.MODEL_WORD, reference.QUANTISATION_WORD)
    for result in results:
        if all(word in result.setup.model.lower() for word in words):
            yield result.setup.ceiling
            return


def _theirs(most: float) -> Row:
    low, high = (speed / most for speed in reference.SPEED)
    their = next(each for each in reference.SETUPS if reference.QUANTISATION_WORD in each.config)
    because = "its TG by the ceiling above; it names none"
    return Row(
        (f"{reference.SOURCE}, {their.config}", their.speed, figure(most), f"{low:.0%}–{high:.0%}", because),
        muted=True,
    )


def performance_factor(material: Material) -> Table:
    rows = [_factor(part, result) for part, result in material.measured]
    rows += [
        Row(
            (f"{reference.SOURCE}, {r.model}", r.parameters, r.speed, r.factor, r.factor, r.relative),
            muted=True,
        )
        for r in reference.FACTORS
    ]
    columns = (
        *left("Model"),
        *right("Parameters", "TG", "tok/s per B", "tok/s per active B", "Relative PF"),
    )
    note = (
        "Generated tokens per second by billions of parameters, of all and of those that compute each token (of a dense model all do); "
        "relative, by all of them, to the 0.10 of command-a-reasoning, as in the article. "
        "Small models come out high: compare models of one size."
    )
    return Table("performance-factor", "Performance factor", columns, tuple(rows), note)


def _factor(part: Part, result: Result) -> Row:
    setup, speed = result.setup, decoding(result)
    name, size, computing = (
        f"{setup.model} ({part.title})",
        f"{setup.parameters_billion:.4g}B",
        active(result),
    )
    if computing < setup.parameters_billion:
        size += f", {computing:.4g}B active"
    if speed is None or not setup.parameters_billion:
        return Row((name, size, NOTHING, NOTHING, NOTHING, NOTHING))
    middle = median_interval(speed.samples).value
    factor = middle / setup.parameters_billion
    relative = figure(factor / reference.BASE_FACTOR)
    return Row(
        (name, size, shown(middle, speed.metric), figure(factor), figure(middle / computing), relative)
    )
