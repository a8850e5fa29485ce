"""What a kind of setting can do. Each module of `kinds/` makes one of these; it knows how, never why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .families import Family
from .host import Host
from .knob import Layer, Seen

Read = Callable[[Host, str], Seen]
Write = Callable[[Host, str, str], None]


def _nowhere(host: Host, key: str) -> tuple[str, ...]:
    return ()


def _nothing(host: Host, place: str, value: str) -> None:
    raise LookupError(f"{place} has no live layer")


@dataclass(frozen=True)
class Kind:
    """One sort of setting. Nothing here decides a value."""

    name: str
    reads: Mapping[Layer, Read]
    """By layer; `live` takes one of `places`, the others the knob's key. Problems are in the `Seen`, never raised."""
    normalise: Callable[[str], str]
    """What the kernel or a file shows, as it is compared: no brackets, no odd blanks."""
    refusal: Callable[[str, str], str]
    """What is wrong with a key and its wanted value, or nothing."""
    family: Callable[[str], Family]
    """The drop-in file that a key is persisted in."""
    line: Callable[[str, str], str]
    """The line there that sets a key to a value."""
    places: Callable[[Host, str], tuple[str, ...]] = _nowhere
    """Files of the live layer that a key names now. The key itself, or what it stands for, if none is there."""
    write: Write = _nothing
    """Sets one of `places`. Raises OSError as the kernel says it."""
    alike: Callable[[str, str], bool] = field(default=str.__eq__)
    """Whether two normalised values mean the same."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(self.reads)

    def same(self, wanted: str, seen: Seen) -> bool:
        """Whether a wanted value is what is there; a problem never is."""
        return not seen.problem and self.alike(self.normalise(wanted), seen.text)
