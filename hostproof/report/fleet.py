"""Several hosts side by side: their order, the one that is unlike the others, and what differs in its passport. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hostproof.judge.fleet import FEWEST_HOSTS, Group, Outlier, Place, groups
from hostproof.judge.odd_facts import Difference, differences
from hostproof.judge.units import label, shown, span
from hostproof.report.figures import Figure
from hostproof.report.material import Material, Part
from hostproof.report.places import places
from hostproof.report.table import NOTHING, WORDS, Row, Table, left, right

TOLD = 5
"""Differences that fit into one sentence."""


@dataclass(frozen=True)
class Fleet:
    """`sentences`: what it comes to, the most important first."""

    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]


def of(material: Material) -> Fleet | None:
    """None for a single host."""
    if len(material.hosts) < 2:
        return None
    found = tuple(groups(material.results))
    odd = differences(material.passports, material.results)
    return Fleet(
        tuple(_sentences(found, odd)),
        (*(_ranking(material, group) for group in found), *_passports(odd, material)),
        tuple(_figure(group) for group in found if group.speed),
        found,
        odd,
    )


def tables(material: Material) -> tuple[Table, ...]:
    found = of(material)
    return found.tables if found else ()


def _sentences(found: Sequence[Group], odd: Sequence[Difference]) -> Iterator[str]:
    for group in found:
        yield from (_outlier(group, each, odd) for each in group.outliers)
    for group in found:
        if group.too_few:
            yield f"{group.setup}: no outlier is named among {group.too_few}"
        elif not group.outliers:
            yield f"{group.setup}: no host is unlike the others"
        yield from (f"{group.setup}: {host} is not ranked: {why}" for host, why in group.left_out)
    if not found:
        yield f"nothing to rank: no setup was measured on two hosts (it takes {FEWEST_HOSTS} to name an outlier)"


def _outlier(group: Group, each: Outlier, odd: Sequence[Difference]) -> str:
    word = "better" if each.good else "worse"
    head = (
        f"outlier: {each.host} is {word} than the others in {group.setup}: {label(each.metric)} {shown(each.value, each.metric)}, "
        f"median of the hosts {shown(each.middle, each.metric)} ({each.distance:.3g} MADs away; chance gives {each.limit:g})"
    )
    mine = [one for one in odd if one.usual is not None and each.host in one.odd]
    told = [
        f"{one.key} {_fact(one.key, one.values[each.host])} (others {_fact(one.key, one.usual or NOTHING)})"
        for one in mine[:TOLD]
    ]
    more = f", and {len(mine) - TOLD} more" if len(mine) > TOLD else ""
    return f"{head}. " + (
        f"In its passport alone: {'; '.join(told)}{more}" if told else "Its passport is like the others'"
    )


def _ranking(material: Material, group: Group) -> Table:
    parts = [part for part in material.parts if part.verdict.setup == group.setup]
    ranks = {place.host: (number, place) for number, place in enumerate(group.speed, 1)}
    waits = {place.host: place for place in group.wait}
    ordered = sorted(parts, key=lambda part: ranks.get(part.verdict.host, (len(parts) + 1,))[0])
    middle = _middle(group.speed)
    rows = tuple(_ranked(part, ranks, waits.get(part.verdict.host), middle, group) for part in ordered)
    columns = (
        *right("Rank"),
        *left("Host"),
        *right("TG", "95 % interval", "To the hosts' median", "TTFT", "95 % interval"),
        *left("Verdict", "Remarks"),
    )
    note = (
        f"Model {group.model}, workload {group.workload}. By TG; a rank such as 1–3 says that the intervals do not tell these hosts apart. "
        f"An outlier is further from the median than chance puts one host in 100 fleets; it takes {FEWEST_HOSTS} undisturbed hosts."
    )
    return Table(f"fleet-{group.setup}", f"Ranking: {group.setup}", columns, rows, note)


def _middle(order: Sequence[Place]) -> float | None:
    values = sorted(place.found.value for place in order)
    half = len(values) // 2
    return None if not values else values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def _ranked(
    part: Part, ranks: dict[str, tuple[int, Place]], wait: Place | None, middle: float | None, group: Group
) -> Row:
    host, outcome = part.verdict.host, part.verdict.outcome
    number, place = ranks.get(host, (0, None))
    cells = (
        _rank(number, place),
        host,
        *_found(place),
        f"{place.found.value / middle - 1:+.1%}" if place and middle else NOTHING,
        *_found(wait),
        WORDS[outcome],
        "; ".join(_remarks(part, place, group)) or NOTHING,
    )
    odd = any(each.host == host for each in group.outliers)
    return Row(cells, outcome, marked=odd)


def _rank(number: int, place: Place | None) -> str:
    if place is None:
        return NOTHING
    if place.first is None or place.last is None:
        return f"{number} ?"
    return str(place.first) if place.first == place.last else f"{place.first}–{place.last}"


def _found(place: Place | None) -> tuple[str, str]:
    if place is None:
        return NOTHING, NOTHING
    low, high = place.found.low, place.found.high
    around = NOTHING if low is None or high is None else span(low, high, place.metric)
    return shown(place.found.value, place.metric), around


def _remarks(part: Part, place: Place | None, group: Group) -> Iterator[str]:
    yield from (
        f"outlier in {label(each.metric)}" for each in group.outliers if each.host == part.verdict.host
    )
    if place and place.contended:
        yield "contended: it counts neither as usual nor as an outlier"
    if part.result is None:
        yield (part.verdict.findings or ("no Result",))[0].splitlines()[0]
    yield from (why for host, why in group.left_out if host == part.verdict.host)


def _passports(odd: Sequence[Difference], material: Material) -> Iterator[Table]:
    rows = tuple(_differs(each, material.hosts) for each in odd)
    told = {*material.passports, *(result.host for result in material.results)}
    note = (
        "Facts (docs/facts.md), circumstances of the measurement and the servers' flags. What changes by the minute is left out."
        if rows
        else "Of what was read of the hosts, nothing differs."
        if len(told) > 1
        else "Fewer than two hosts could be read, so nothing can differ."
    )
    yield Table(
        "fleet-passports", "What differs between the hosts", left("Fact", "Most hosts", "Others"), rows, note
    )


def _differs(each: Difference, hosts: Sequence[str]) -> Row:
    told = "; ".join(f"{host}: {_fact(each.key, each.values[host])}" for host in hosts if host in each.odd)
    return Row((each.key, NOTHING if each.usual is None else _fact(each.key, each.usual), told))


def _fact(key: str, value: str) -> str:
    """Sizes as people read them."""
    if not key.endswith("bytes"):
        return value
    return re.sub(r"\b\d{7,}\b", lambda size: shown(float(size[0]), "peak_memory"), value)


def _figure(group: Group) -> Figure:
    title = f"{label(group.speed[0].metric)} by host · {group.setup}"
    return Figure(title, places(title, group.speed, {each.host for each in group.outliers}))


def as_json(material: Material) -> dict[str, Any] | None:
    """None for a single host."""
    found = of(material)
    if found is None:
        return None
    return {
        "sentences": list(found.sentences),
        "groups": [
            {
                "setup": group.setup,
                "model": group.model,
                "workload": group.workload,
                "generation_throughput": [_place(place) for place in group.speed],
                "ttft": [_place(place) for place in group.wait],
                "outliers": [
                    {
                        "host": each.host,
                        "metric": each.metric,
                        "value": each.value,
                        "median_of_hosts": each.middle,
                        "distance_mad": each.distance,
                        "limit_mad": each.limit,
                        "better": each.good,
                    }
                    for each in group.outliers
                ],
                "too_few": group.too_few,
            }
            for group in found.groups
        ],
        "differences": [
            {"fact": each.key, "usual": each.usual, "odd": list(each.odd), "values": dict(each.values)}
            for each in found.differences
        ],
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "host": place.host,
        "cell": place.cell,
        "median": place.found.value,
        "interval": None if place.found.low is None else [place.found.low, place.found.high],
        "rank": None if place.first is None else [place.first, place.last],
        "contended": place.contended,
    }
