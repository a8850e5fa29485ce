"""How knobs cross from Ansible into the modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .knob import Knob, KnobError

_TEXT: Final = {"type": "str", "required": True}
_REASON: Final = {"type": "str", "default": ""}
SPEC: Final[Mapping[str, Any]] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {
        **dict.fromkeys(("area", "kind", "key"), _TEXT),
        "wanted": {"type": "raw", "required": True},
        **dict.fromkeys(("why", "source", "risk", "effect", "group"), _REASON),
    },
}
"""The option `knobs`."""


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
