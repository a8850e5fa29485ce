"""All areas together: one list of knobs, every refusal at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from ..facts.model import Facts
from ..knob import AREAS as NAMES
from ..knob import Knob
from . import cpu_power, hugepages, kernel_cmdline, limits, numa
from .base import Derived, Draft, Option, Reason, Wishes, nearest, parse, shown

AREAS: tuple[ModuleType, ...] = (hugepages, numa, cpu_power, kernel_cmdline, limits)
AREA = "tuning"
ACCEPTED = Option(
    "tuning_owners_accepted",
    "list",
    [],
    "other software that tunes this host and may go on with it, by name, as tuned",
)
CHOSEN = Option(
    "tuning_areas",
    "list",
    list(NAMES),
    f"areas that hostproof sets on this host, of {', '.join(NAMES)}; the others are left alone",
)
WISHES = (CHOSEN, ACCEPTED)
PREFIX = "tuning_"
OF_THE_ROLE = (
    "tuning_state",
    "tuning_force",
    "tuning_reboot_required",
    "tuning_placements",
    "tuning_drift",
    "tuning_compared",
)
"""Variables of the role that are no wishes: what it does, and what it tells."""

Derive = Callable[[Facts, Wishes], Derived]


def options() -> tuple[Option, ...]:
    """Every wish of every area, each once."""
    found: dict[str, Option] = {}
    for area in AREAS:
        found |= {option.name: option for option in area.WISHES}
    return (*found.values(), *WISHES)


def reasons() -> Mapping[str, Mapping[str, Reason]]:
    """By area, then by name."""
    return {area.AREA: area.REASONS for area in AREAS}


def derive(facts: Facts, wishes: Wishes, only: Iterable[str] = ()) -> Derived:
    """Knobs of the wished areas, or of those among them that are named. With refusals there may be knobs too; nobody may apply them."""
    draft = Draft(AREA, facts, {})
    chosen = _chosen(draft, wishes) & set(only or NAMES)
    parts = [area.derive(facts, wishes) for area in AREAS if area.AREA in chosen]
    _refuse_unknown(draft, wishes)
    _refuse_owners(draft, wishes)
    knobs = [knob for part in parts for knob in part.knobs]
    _refuse_twice(draft, knobs)
    # Areas that read the same wish say the same of it.
    findings = {(f.what, f.where): f for part in parts for f in part.findings}
    findings |= {(f.what, f.where): f for f in draft.findings}
    ordered = sorted(findings.values(), key=lambda finding: finding.severity != "refuse")
    return Derived(tuple(knobs), tuple(ordered), tuple(p for part in parts for p in part.placements))


def _chosen(draft: Draft, wishes: Wishes) -> set[str]:
    """The areas that are wished, if each is one."""
    words = parse(draft, [CHOSEN], wishes)[CHOSEN.name]
    for word in words:
        if word not in NAMES:
            mend = f"{nearest(str(word), NAMES)}Areas: {', '.join(NAMES)}."
            draft.refuse(f"there is no area {shown(word)}", CHOSEN.name, mend)
    return {str(word) for word in words}


def _refuse_unknown(draft: Draft, wishes: Mapping[str, Any]) -> None:
    """A misspelt wish would be ignored, and nobody would know."""
    known = {option.name for option in options()}
    for name in wishes:
        if name.startswith(PREFIX) and name not in known and name not in OF_THE_ROLE:
            draft.refuse(f"unknown wish {name}", name, f"{nearest(name, known)}docs/knobs.md lists them all.")


def _refuse_owners(draft: Draft, wishes: Wishes) -> None:
    accepted = {str(name) for name in parse(draft, [ACCEPTED], wishes)[ACCEPTED.name]}
    for tuner in draft.facts.os.tuners:
        where = f"{tuner.name}.service"
        about = f"{tuner.name} is {tuner.state}{f' with {tuner.detail}' if tuner.detail else ''}"
        if tuner.state == "installed":
            draft.note(f"{about}; started, it would write the same settings", where, "Leave it stopped.")
        elif tuner.name not in accepted:
            draft.refuse(
                f"{about} and writes the same settings: the last writer would win",
                where,
                f"Stop it (systemctl disable --now {where}), or name it in {ACCEPTED.name}.",
            )


def _refuse_twice(draft: Draft, knobs: Iterable[Knob]) -> None:
    owners: dict[tuple[str, str], Knob] = {}
    for knob in knobs:
        other = owners.setdefault((knob.kind, knob.key), knob)
        if other is not knob:
            draft.refuse(
                f"{knob.name} is wanted twice: {other.area} wants {other.wanted!r}, {knob.area} wants {knob.wanted!r}",
                f"{other.area}, {knob.area}",
                "Leave it to one of them.",
            )
