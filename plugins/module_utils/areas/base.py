"""What every area is made of: its wishes, its reasons, and what it gives back. No area opens a file. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..facts.model import Facts, Node
from ..knob import Knob

Wishes = Mapping[str, Any]
"""Role variables by name, as the user left them. What is not in it has its default."""

LEAVE = "leave"
AUTO = "auto"


@dataclass(frozen=True)
class Option:
    """One role variable. `defaults/main.yml` and `meta/argument_specs.yml` of the role are checked against it."""

    name: str
    type: Literal["str", "int", "list", "dict"]
    default: Any
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reason:
    """Why a knob is what it is; docs/knobs.md is made from these."""

    what: str
    why: str
    source: str
    effect: str
    """How much it is worth, and how that is known; `none measured` where nobody has."""
    risk: str
    see: str
    """How to see it on a host, without hostproof."""


@dataclass(frozen=True)
class Finding:
    """Something to say about a wish or the host. A refusal stops everything, before anything is written."""

    area: str
    severity: Literal["refuse", "note"]
    what: str
    where: str
    mend: str

    def __str__(self) -> str:
        return f"{self.area}: {self.what} ({self.where}). {self.mend}"


@dataclass(frozen=True)
class Placement:
    """Where a server should run: advice that the server's own unit carries out."""

    server: str
    threads: int
    """0: the server is not told; it works on a GPU."""
    cpus: str
    """For podman's --cpuset-cpus; empty: all."""
    nodes: str
    """For numactl or systemd's NUMAMask; empty: no policy needed."""
    policy: str
    """`interleave`, `bind` or empty."""
    load_mode: str
    """For llama.cpp's --load-mode; empty: the server's own choice."""
    environment: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    source: str = ""


@dataclass(frozen=True)
class Derived:
    """What came of facts and wishes."""

    knobs: tuple[Knob, ...] = ()
    findings: tuple[Finding, ...] = ()
    placements: tuple[Placement, ...] = ()

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "refuse")


@dataclass
class Draft:
    """One area's answer while it is being worked out."""

    area: str
    facts: Facts
    reasons: Mapping[str, Reason]
    knobs: list[Knob] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    placements: list[Placement] = field(default_factory=list)

    def want(self, reason: str, kind: str, key: str, wanted: str, *, group: str = "", why: str = "") -> None:
        """`why` is put before the reason's own: what it was on this host."""
        because = self.reasons[reason]
        self.knobs.append(
            Knob(
                area=self.area,
                kind=kind,
                key=key,
                wanted=wanted,
                why=f"{why}; {because.why}" if why else because.why,
                source=because.source,
                risk=because.risk,
                effect=because.effect,
                group=group,
                reason=reason,
            )
        )

    def refuse(self, what: str, where: str, mend: str) -> None:
        self.findings.append(Finding(self.area, "refuse", what, where, mend))

    def note(self, what: str, where: str, mend: str) -> None:
        self.findings.append(Finding(self.area, "note", what, where, mend))

    def done(self) -> Derived:
        return Derived(tuple(self.knobs), tuple(self.findings), tuple(self.placements))


def parse(draft: Draft, options: Iterable[Option], wishes: Wishes) -> dict[str, Any]:
    """Every option's value; one that is no good is refused and its default taken, so that all faults come at once."""
    return {
        option.name: _value(draft, option, wishes[option.name]) if option.name in wishes else option.default
        for option in options
    }


def _value(draft: Draft, option: Option, value: object) -> object:
    what, mend = _problem(option, value)
    if what:
        draft.refuse(f"{option.name} is {shown(value)}, {what}", option.name, mend)
        return option.default
    return int(str(value)) if option.type == "int" else str(value) if option.type == "str" else value


def _problem(option: Option, value: object) -> tuple[str, str]:
    """What is wrong with a value, and how to mend it."""
    problem: tuple[str, str] = ("", "")
    if isinstance(value, str) and "{{" in value:
        problem = "a template that was not resolved", "Give the value itself."
    elif option.type in ("list", "dict"):
        if not isinstance(value, (list, tuple) if option.type == "list" else Mapping):
            problem = f"no {option.type}", f"Its form: {option.help}."
    elif isinstance(value, bool):
        problem = "which YAML made of a bare yes, no, on or off", "Put the word in quotes."
    elif not isinstance(value, (str, int)):
        problem = "no single word", "Write one word."
    elif option.type == "int" and not re.fullmatch(r"[0-9]{1,18}", str(value)):
        problem = "no whole number from 0 on", "Write it in digits."
    elif option.choices and str(value) not in option.choices:
        hint = nearest(str(value), option.choices)
        problem = "not one of its words", f"{hint}Choose one of {', '.join(map(_word, option.choices))}."
    return problem


def _word(choice: str) -> str:
    return choice or "(nothing)"


def memory_nodes(facts: Facts) -> tuple[Node, ...]:
    """Nodes that ordinary memory comes from. Those without CPUs (CXL, a GPU's memory) are left out.

    All of them if no node's memory could be read.
    """
    with_memory = nodes_with_memory(facts)
    return tuple(node for node in with_memory if node.cpus) or with_memory


def nodes_with_memory(facts: Facts) -> tuple[Node, ...]:
    nodes = facts.numa.nodes
    return tuple(node for node in nodes if node.memory_bytes) or nodes


def nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]}? " if close else ""


def shown(value: object) -> str:
    """A value in a sentence, cut when it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
