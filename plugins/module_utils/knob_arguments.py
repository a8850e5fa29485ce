"""How knobs cross from Ansible into the modules: as they are, or as wishes that are worked out on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .areas import every
from .areas.base import Placement
from .facts import gather
from .knob import AREAS, Knob, KnobError

_TEXT: Final = {"type": "str", "required": True}
_REASON: Final = {"type": "str", "default": ""}
OPTIONS: Final[Mapping[str, Any]] = {
    "knobs": {
        "type": "list",
        "elements": "dict",
        "options": {
            **dict.fromkeys(("area", "kind", "key"), _TEXT),
            "wanted": {"type": "raw", "required": True},
            **dict.fromkeys(("why", "source", "risk", "effect", "group"), _REASON),
        },
    },
    "wishes": {"type": "dict"},
    "areas": {"type": "list", "elements": "str", "choices": list(AREAS), "default": []},
    "root": {"type": "path", "default": "/"},
}
"""Options that `knobs` and `knobs_drift` share."""
EITHER: Final = [["knobs", "wishes"]]
"""required_one_of, and mutually_exclusive."""


@dataclass(frozen=True)
class Wanted:
    """What is to be made of a host."""

    knobs: tuple[Knob, ...]
    findings: tuple[str, ...] = ()
    """What there is to say about the wishes, without a full stop."""
    placements: tuple[Placement, ...] = ()


def wanted(params: Mapping[str, Any]) -> Wanted:
    """Raises KnobError with every refusal at once."""
    if params["knobs"] is not None:
        return Wanted(tuple(knob_of(raw) for raw in params["knobs"]))
    derived = every.derive(gather.gather(Path(params["root"])), params["wishes"], params["areas"])
    if derived.refusals:
        first, *others = derived.refusals
        more = "".join(f"\n{finding}" for finding in others)
        raise KnobError(f"{first.area}: {first.what}", where=first.where, mend=f"{first.mend}{more}")
    findings = tuple(str(finding).rstrip(".") for finding in derived.findings)
    return Wanted(derived.knobs, findings, derived.placements)


def knob_of(raw: Mapping[str, Any]) -> Knob:
    """Raises KnobError for what YAML makes of `yes` and `off`: which was meant can't be told any more."""
    wanted = raw["wanted"]
    if isinstance(wanted, bool) or not isinstance(wanted, (str, int)):
        raise KnobError(
            f"wanted is {wanted!r}, no text and no whole number",
            where=f"{raw['kind']}:{raw['key']}",
            mend="Put the value into quotes.",
        )
    return Knob(**{**raw, "wanted": str(wanted)})
