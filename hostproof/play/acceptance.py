"""What a host with a card must show to be accepted, from what it said. Pure.

docs/gpu-acceptance.md has the same table for people: a test holds one against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hostproof.judge.model import Outcome

Seen = Mapping[str, Any]
GIB: Final = 1024**3
LEAST_DRIVER: Final = (570, 169)
"""NVIDIA's own minimum for workstation Blackwell (shared facts)."""


@dataclass(frozen=True)
class Check:
    """`outcome` unmeasured: nobody could look, which is no pass."""

    name: str
    outcome: Outcome
    seen: str


def checks(seen: Seen) -> list[Check]:
    """One host, before its validation."""
    return [Check(name, *look(seen)) for name, look in CHECKS.items()]


Told = tuple[Outcome, str]


def _told(good: bool, words: str) -> Told:
    return (Outcome.PROVEN if good else Outcome.BELOW), words


def _cards(seen: Seen) -> list[Mapping[str, Any]]:
    return [card for card in seen["gpus"] if card["answers"]]


def _every(seen: Seen, look: Callable[[Mapping[str, Any]], tuple[bool | None, str]]) -> Told:
    """Of each card; one that does not tell is not measured."""
    found = [look(card) for card in _cards(seen)]
    if not found or any(good is None for good, _ in found):
        return Outcome.UNMEASURED, "; ".join(
            words for good, words in found if good is None
        ) or "no card answers"
    return _told(all(good for good, _ in found), "; ".join(dict.fromkeys(words for _, words in found)))


def _card(seen: Seen) -> Told:
    cards = _cards(seen)
    names = ", ".join(f"{card['name']} (SM {card['compute_capability']})" for card in cards)
    return _told(bool(cards), names or str(seen["driver"]["why"]) or "no card answers")


def _driver(seen: Seen) -> Told:
    driver = seen["driver"]
    words = f"{driver['loaded'] or 'none'} {driver['flavour']}".strip()
    return _told(driver["state"] == "ok", words if driver["state"] == "ok" else f"{words}: {driver['why']}")


def _open(seen: Seen) -> Told:
    driver = seen["driver"]
    needs = any(card["open_modules_only"] for card in seen["gpus"])
    version = tuple(int(part) for part in str(driver["loaded"]).split(".")[:2] if part.isdigit())
    if not needs:
        return _told(True, "this card takes either flavour")
    return _told(
        driver["flavour"] == "open" and version >= LEAST_DRIVER,
        f"{driver['flavour'] or 'unknown'}, {driver['loaded']}",
    )


def _kernels(seen: Seen) -> Told:
    without = seen["driver"]["kernels_without"]
    return _told(
        not without, f"none in {', '.join(without)}" if without else "in every kernel that could be booted"
    )


def _persistence(seen: Seen) -> Told:
    return _every(seen, lambda card: (card["persistence"], "on" if card["persistence"] else "off"))


def _bar(seen: Seen) -> Told:
    def look(card: Mapping[str, Any]) -> tuple[bool | None, str]:
        bar, vram = card["bar1_bytes"], card["vram"]["total_bytes"]
        if bar is None or vram is None:
            return None, "the card does not tell"
        return bar >= vram, f"BAR1 {bar / GIB:.0f} GiB, VRAM {vram / GIB:.0f} GiB"

    return _every(seen, look)


def _link(seen: Seen) -> Told:
    def look(card: Mapping[str, Any]) -> tuple[bool | None, str]:
        link = card["link"]
        if link["width"] is None or link["maximum_width"] is None:
            return None, "the card does not tell"
        # The generation falls at rest, the width never.
        return link["width"] == link["maximum_width"], f"x{link['width']} of x{link['maximum_width']}"

    return _every(seen, look)


def _errors(seen: Seen) -> Told:
    counts = [card["ecc"]["uncorrected_errors"] or 0 for card in _cards(seen)]
    told = [*seen["xids"][:2], *([f"{sum(counts)} uncorrected ECC errors"] if sum(counts) else [])]
    return _told(not told, "; ".join(told) or "no Xid in the kernel's log, no uncorrected ECC error")


def _container(seen: Seen) -> Told:
    if not seen["driver"]["toolkit"]:
        return Outcome.UNMEASURED, "no container toolkit (role nvidia_cdi)"
    problems = [*seen["cdi"], *([seen["container"]["problem"]] if seen["container"]["problem"] else [])]
    return _told(not problems, problems[0] if problems else "; ".join(seen["container"]["evidence"]))


def _servers(seen: Seen) -> Told:
    rows = seen["servers"]
    if not rows:
        return Outcome.UNMEASURED, "no server was provisioned"
    words = "; ".join(
        f"{row['server']} {row['verdict'] or row['active']} on {row['device'] or 'nothing'}, {row['state']}"
        for row in rows
    )
    on_a_card = any(str(row["device"]).startswith("GPU") for row in rows)
    return _told(on_a_card and all(row["state"] in ("as proved", "not proved") for row in rows), words)


CHECKS: Final[Mapping[str, Callable[[Seen], Told]]] = {
    "card": _card,
    "driver": _driver,
    "open modules": _open,
    "next kernels": _kernels,
    "persistence": _persistence,
    "resizable BAR": _bar,
    "PCIe width": _link,
    "errors": _errors,
    "container": _container,
    "servers": _servers,
}


def worst(found: Sequence[Check]) -> Outcome:
    order = (Outcome.BELOW, Outcome.UNMEASURED)
    return next((each for each in order if any(check.outcome is each for check in found)), Outcome.PROVEN)


def files(seen: Seen) -> Iterator[tuple[str, str]]:
    """Texts for the archive: name, content."""
    yield from sorted((str(name), str(text)) for name, text in seen["texts"].items())
