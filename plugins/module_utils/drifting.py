"""Wanted, live, persisted, booted and first, side by side. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from . import engine, journal, journal_file, plan, states, wishes
from .host import Host
from .journal import Entry, Ledger
from .knob import LAYERS, Knob, Layer, Observation, Row, Seen
from .observe import together
from .registry import KINDS
from .states import Scene

IN_ORDER: Final = ("ok", "ignored-by-workload")
"""States that are no drift."""


def drift(
    host: Host,
    knobs: Sequence[Knob],
    owners: Collection[str] = (),
    *,
    evidence: Mapping[str, str] | None = None,
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """A row for each wanted knob and each orphan, and what a reader should know besides. Raises KnobError.

    `owners`: areas that the caller knows the wishes of; only theirs can be orphans. None means all.
    `evidence`: `kind:key` → the proof that nobody uses it.
    """
    wishes.check(knobs)
    reading = journal_file.read(host)
    entries = journal.ledger(reading.records)
    # Without its `first` an entry can't say whose a value is.
    entries = {subject: entry for subject, entry in entries.items() if entry.first}
    todo = engine.work(host, knobs, entries)
    scene = Scene("drift", todo.boot, entries, todo.foreign, evidence=evidence or {})
    rows = [_row(observation, scene) for observation in todo.observed]
    left = plan.orphans(entries, knobs).values()
    rows += [_orphan(host, found) for found in left if not owners or found[0].about.area in owners]
    notes = [reading.torn] if reading.torn else []
    notes += [
        f"the journal is damaged ({damage}): ./inv undo --host HOST --salvage" for damage in reading.damages
    ]
    return tuple(rows), tuple(notes)


def _row(observation: Observation, scene: Scene) -> Row:
    knob, outcome = observation.knob, states.judge(observation, scene)
    return Row(
        **_values(observation.seen),
        area=knob.area,
        kind=knob.kind,
        key=knob.key,
        wanted=knob.wanted,
        first=_first(scene.entries, knob.name),
        state=outcome.state,
        detail=outcome.detail,
    )


def _orphan(host: Host, entries: Sequence[Entry]) -> Row:
    about = entries[0].about
    return Row(
        **_values(_now(host, entries)),
        area=about.area,
        kind=about.kind,
        key=about.key,
        wanted="",
        first=_first({entry.subject: entry for entry in entries}, about.name),
        state="orphan",
        detail="set by an earlier run and wanted no more: ./inv undo takes it back",
    )


def _now(host: Host, entries: Sequence[Entry]) -> dict[Layer, Seen]:
    about, kind = entries[0].about, KINDS[entries[0].about.kind]
    seen: dict[Layer, Seen] = {
        layer: read(host, about.key) for layer, read in kind.reads.items() if layer != "live"
    }
    live = [kind.reads["live"](host, e.subject.place) for e in entries if e.subject.sort == "live"]
    return {**seen, **({"live": together(live)} if live else {})}


def _first(entries: Ledger, name: str) -> dict[str, str]:
    found = [e for s, e in entries.items() if s.sort != "file" and e.about.name == name and e.first]
    return {
        ("persisted" if e.subject.sort == "persisted" else e.subject.place): str(e.first.seen)
        for e in found
        if e.first
    }


def _values(seen: Mapping[Layer, Seen]) -> dict[str, str]:
    """Each layer as text, empty for one that the kind lacks, and who owns the persisted one."""
    texts: dict[str, str] = {layer: str(seen.get(layer, "")) for layer in LAYERS}
    return {**texts, "owner": seen["persisted"].owner if "persisted" in seen else ""}
