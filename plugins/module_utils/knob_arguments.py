"""How knobs cross from Ansible into the modules: as they are, or as wishes that are worked out on the host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .areas import every
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


def wanted(params: Mapping[str, Any]) -> tuple[tuple[Knob, ...], tuple[str, ...]]:
    """The knobs, and what there is to say about the wishes. Raises KnobError with every refusal at once."""
    if params["knobs"] is not None:
        return tuple(knob_of(raw) for raw in params["knobs"]), ()
    derived = every.derive(gather.gather(Path(params["root"])), params["wishes"], params["areas"])
    if derived.refusals:
        first, *others = derived.refusals
        more = "".join(f"\n{finding}" for finding in others)
        raise KnobError(f"{first.area}: {first.what}", where=first.where, mend=f"{first.mend}{more}")
    return derived.knobs, tuple(str(finding).rstrip(".") for finding in derived.findings)


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
