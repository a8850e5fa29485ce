"""Says of a knob how it stands, from what was seen and what was done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .journal import Entry, Ledger, Subject
from .kinds import cmdline, modprobe, pool
from .knob import Knob, Observation, Outcome, Seen, State, brief, worst
from .registry import KINDS

View = Literal["plan", "applied", "drift"]
Said = tuple[State, str]
"""A state, and why."""


@dataclass(frozen=True)
class Scene:
    """What is known beside the knob itself."""

    view: View
    boot: str
    entries: Ledger
    foreign_files: frozenset[str] = frozenset()
    """Drop-in files of ours that somebody else wrote or edited."""
    troubles: Mapping[str, Said] = field(default_factory=dict)
    """applied: `kind:key` → what went wrong."""
    changed: frozenset[str] = frozenset()
    """`kind:key` of what was changed, or would be."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    """`kind:key` → the caller's proof that nobody uses it."""


def judge(observation: Observation, scene: Scene) -> Outcome:
    """The worst of what holds, with every reason that is not plain from the state itself."""
    knob = observation.knob
    changed = knob.name in scene.changed
    said: list[Said] = []
    if knob.name in scene.troubles:
        said.append(scene.troubles[knob.name])
    else:
        said += live(observation, scene)
        said += persisted(observation, scene)
    said += booted(observation, scene, changed=changed)
    if changed and scene.view == "applied":
        said.append(("changed", _waits_for(knob)))
    if proof := scene.evidence.get(knob.name, ""):
        said.append(("ignored-by-workload", proof))
    state = worst(*(state for state, _ in said))
    details = dict.fromkeys(why for _, why in said if why)
    return Outcome(knob, state, observation.seen, "; ".join(details), changed)


def _waits_for(knob: Knob) -> str:
    """Who has a persisted value only later, where no other layer would show it."""
    kind = KINDS[knob.kind]
    needs = kind.family(knob.key).needs
    return f"takes effect with {needs}" if kind.layers == ("persisted",) and needs else ""


def live(observation: Observation, scene: Scene) -> Iterable[Said]:
    knob, kind = observation.knob, KINDS[observation.knob.kind]
    for place, seen in observation.places.items():
        if not kind.same(knob.wanted, seen):
            yield _live(knob, place, seen, scene)


def _live(knob: Knob, place: str, seen: Seen, scene: Scene) -> Said:
    entry = scene.entries.get(Subject("live", place))
    if seen.problem == "unsupported" or (not seen.problem and seen.detail):
        return "unsupported", seen.detail
    if seen.problem:
        return "refused", seen.detail
    if scene.view == "applied" or is_known_short(knob, place, seen, scene.entries, scene.boot):
        if _is_less(knob, seen):
            return "short", f"asked {knob.wanted}, got {seen.text}: {place}"
        return "refused", f"asked {brief(knob.wanted)}, reads back {brief(seen.text)}: {place}"
    if entry and is_foreign(entry, seen, scene.boot) and entry.done:
        return (
            "foreign" if scene.view == "drift" else "pending",
            f"somebody changed it from {brief(str(entry.done.seen))} to {brief(str(seen))} since {entry.done.time}: {place}",
        )
    return "pending", ""


def is_known_short(knob: Knob, place: str, seen: Seen, entries: Ledger, boot: str) -> bool:
    """The kernel has given this many for the same wish before, in this boot."""
    entry = entries.get(Subject("live", place))
    if knob.kind != pool.KIND.name or entry is None or entry.done is None or entry.open:
        return False
    return entry.done.boot == boot and entry.done.asked == knob.wanted and entry.done.seen == seen


def _is_less(knob: Knob, seen: Seen) -> bool:
    return knob.wanted.isdigit() and seen.text.isdigit() and int(seen.text) < int(knob.wanted)


def is_foreign(entry: Entry, seen: Seen, boot: str) -> bool:
    """Neither what we last read back in this boot nor what stood there first. Begun and unknown counts as ours."""
    if entry.open or entry.done is None or entry.done.boot != boot:
        return False
    return seen != entry.done.seen and (entry.first is None or seen != entry.first.seen)


def persisted(observation: Observation, scene: Scene) -> Iterable[Said]:
    knob, seen = observation.knob, observation.seen["persisted"]
    path = KINDS[knob.kind].family(knob.key).path
    entry = scene.entries.get(Subject("persisted", knob.name))
    same = KINDS[knob.kind].same(knob.wanted, seen)
    if path in scene.foreign_files and (not same or (entry and entry.touched)):
        yield "foreign", f"somebody else wrote or edited {path}"
    if same:
        return
    live_seen = observation.seen.get("live")
    if seen.problem == "unsupported":
        yield "unsupported", seen.detail
    elif live_seen is not None and live_seen.problem:
        return
    elif seen.problem == "unreadable":
        yield "refused", seen.detail
    elif entry and entry.asked == knob.wanted and seen.owner not in ("", path):
        yield "foreign", f"{seen.owner} is read after {path} and sets {brief(str(seen))}"
    elif scene.view == "applied" and path not in scene.foreign_files:
        why = f": {seen.detail}" if seen.detail else ""
        yield "refused", f"persisted, yet what the next boot will read is {brief(str(seen))}{why}"
    elif scene.view != "applied":
        yield "pending", seen.detail


def booted(observation: Observation, scene: Scene, *, changed: bool) -> Iterable[Said]:
    knob, seen = observation.knob, observation.seen.get("booted")
    if seen is None or KINDS[knob.kind].same(knob.wanted, seen):
        return
    if observation.seen["persisted"].problem == "unsupported":
        return
    unknown = knob.kind == modprobe.KIND.name and seen.problem
    if not unknown and not changed and is_booted_in_vain(observation, scene):
        yield (
            "refused",
            f"the host was booted since this was persisted, and this boot has {seen}: which entry did it boot?",
        )
    elif not unknown:
        yield "needs-reboot", f"this boot has {seen}"
    elif changed and seen.problem == "unreadable":
        yield "needs-reboot", seen.detail


def is_booted_in_vain(observation: Observation, scene: Scene) -> bool:
    """Another boot would end where this one did, so nobody should be asked for one."""
    knob, seen = observation.knob, observation.seen["persisted"]
    entry = scene.entries.get(Subject("persisted", knob.name))
    if knob.kind != cmdline.KIND.name or entry is None or entry.done is None or entry.open:
        return False
    return (
        KINDS[knob.kind].same(knob.wanted, seen)
        and entry.done.asked == knob.wanted
        and entry.done.boot != scene.boot
    )
