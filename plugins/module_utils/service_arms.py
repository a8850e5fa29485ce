"""What a server gets from its placement, taken away (A) and given (B), as a drop-in under /run. Pure.

Both arms come from the unit's own ExecStart, so that nothing else differs. In a unit that podman runs, the environment is a
word of its command line; elsewhere it is systemd's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

PARTS: Final[Mapping[str, str]] = {
    "service_pages": "the server's GLIBC_TUNABLES and load mode, which ask for huge pages",
    "service_nodes": "the server's NUMA policy",
    "service_threads": "the server's threads and CPUs",
}
"""Words of `--knobs` that name no setting of the kernel."""
OF_AREA: Final[Mapping[str, str]] = {"hugepages": "service_pages", "numa": "service_nodes"}
"""An area brings along what its settings need to reach the server."""
TUNABLES: Final = "GLIBC_TUNABLES"
LOAD_MODE: Final = "--load-mode"
THREADS: Final = ("--threads", "--threads-batch")
PODMAN: Final = re.compile(r"^\S*podman\s+run\b")


@dataclass(frozen=True)
class Words:
    """What one arm says; None takes away."""

    environment: Mapping[str, str | None] = field(default_factory=dict)
    flags: Mapping[str, str | None] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the section [Service]; an empty value is systemd's own."""


@dataclass(frozen=True)
class Part:
    """One part of a placement, both ways."""

    name: str
    a: str
    b: str
    """For people."""


@dataclass(frozen=True)
class Arms:
    """Both drop-ins; empty texts if nothing is to be switched."""

    a: str = ""
    b: str = ""
    parts: tuple[Part, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    """Part → why it cannot be compared."""


def chosen(words: Sequence[str]) -> tuple[str, ...]:
    """The parts that words of `--knobs` name, or bring along."""
    return tuple(part for part in PARTS if part in words or any(OF_AREA.get(word) == part for word in words))


def exec_start(text: str) -> str:
    """The last ExecStart of a unit and its drop-ins, one line; empty if there is none."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = ""
    for line in joined.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "ExecStart":
            found = value.strip()
    return found


def arms(unit_text: str, placement: Mapping[str, Any], parts: Sequence[str]) -> Arms:
    """`unit_text`: as `systemctl cat` shows it."""
    line = exec_start(unit_text)
    if not line:
        return Arms(left=dict.fromkeys(parts, "the unit has no ExecStart to work on"))
    made = {part: _MAKERS[part](line, unit_text, placement) for part in parts}
    left = {part: why for part, (why, _, _) in made.items() if why}
    kept = {part: (a, b) for part, (why, a, b) in made.items() if not why}
    if not kept:
        return Arms(left=left)
    shown = tuple(Part(part, described(a), described(b)) for part, (a, b) in kept.items())
    return Arms(
        _drop_in(line, [a for a, _ in kept.values()]),
        _drop_in(line, [b for _, b in kept.values()]),
        shown,
        left,
    )


Made = tuple[str, Words, Words]


def _pages(line: str, unit: str, placement: Mapping[str, Any]) -> Made:
    own = own_environment(line, unit).get(TUNABLES) or str(placement.get("environment", {}).get(TUNABLES, ""))
    mode = flag(line, LOAD_MODE) or str(placement.get("load_mode", ""))
    if not own and mode != "none":
        return (
            "this server is given no huge pages: neither GLIBC_TUNABLES nor load mode none",
            Words(),
            Words(),
        )
    return (
        "",
        Words({TUNABLES: None}, {LOAD_MODE: None}),
        Words({TUNABLES: own or None}, {LOAD_MODE: mode or None}),
    )


def _nodes(line: str, unit: str, placement: Mapping[str, Any]) -> Made:
    policy = _setting(unit, "NUMAPolicy") or str(placement.get("policy", ""))
    mask = _setting(unit, "NUMAMask") or str(placement.get("nodes", ""))
    if policy in ("", "default"):
        return (
            "this server is given no NUMA policy: the host has one node, or the server places itself",
            Words(),
            Words(),
        )
    none = Words(settings={"NUMAPolicy": "default", "NUMAMask": ""})
    return "", none, Words(settings={"NUMAPolicy": policy, "NUMAMask": mask})


def _threads(line: str, unit: str, placement: Mapping[str, Any]) -> Made:
    number = str(placement.get("threads") or "")
    flags = {name: flag(line, name) or number or None for name in THREADS}
    cpus = _setting(unit, "AllowedCPUs") or str(placement.get("cpus", ""))
    if not any(flags.values()) and not cpus:
        return "this server is given neither threads nor CPUs", Words(), Words()
    named = any(flags.values())
    return (
        "",
        Words(flags=dict.fromkeys(THREADS) if named else {}, settings={"AllowedCPUs": ""} if cpus else {}),
        Words(flags=flags if named else {}, settings={"AllowedCPUs": cpus} if cpus else {}),
    )


_MAKERS: Final = {"service_pages": _pages, "service_nodes": _nodes, "service_threads": _threads}


def flag(line: str, name: str) -> str:
    """A flag's value on a command line."""
    match = re.search(rf"(?<=\s){re.escape(name)}[ =](\S+)", line)
    return match[1].strip("\"'") if match else ""


def own_environment(line: str, unit: str) -> dict[str, str]:
    """podman's --env words, or the unit's own lines."""
    if PODMAN.match(line):
        return dict(re.findall(r"""\s--env[ =]["']?(\w+)=([^"'\s]*)["']?""", line))
    return dict(re.findall(r"""^Environment=["']?(\w+)=([^"'\n]*?)["']?$""", unit, re.MULTILINE))


def _setting(unit: str, name: str) -> str:
    found = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
    return found[-1].strip() if found else ""


def _drop_in(line: str, words: Sequence[Words]) -> str:
    lines: list[str] = []
    for one in words:
        for name, value in one.flags.items():
            line = _with_flag(line, name, value)
        for name, value in one.environment.items():
            if PODMAN.match(line):
                line = _with_podman_environment(line, name, value)
            else:
                lines.append(f"UnsetEnvironment={name}" if value is None else f'Environment="{name}={value}"')
        lines += [f"{name}={value}" for name, value in one.settings.items()]
    head = "# Written by hostproof (./inv ab) for the time of a comparison; gone after it, and after a boot."
    return "\n".join([head, "[Service]", "ExecStart=", f"ExecStart={line}", *lines, ""])


def _with_flag(line: str, name: str, value: str | None) -> str:
    pattern = rf"\s{re.escape(name)}[ =]\S+"
    if re.search(pattern, line):
        return re.sub(pattern, lambda _: f" {name} {value}" if value else "", line)
    return f"{line} {name} {value}" if value else line


def _with_podman_environment(line: str, name: str, value: str | None) -> str:
    bare = re.sub(rf"""\s--env[ =](["']?){name}=[^"'\s]*\1""", "", line)
    if value is None:
        return bare
    return PODMAN.sub(lambda found: f"{found[0]} --env {name}={value}", bare)


def described(words: Words) -> str:
    """`GLIBC_TUNABLES=glibc.malloc.hugetlb=1, --load-mode none`."""
    told = [f"{name}={value}" if value else f"no {name}" for name, value in words.environment.items()]
    told += [f"{name} {value}" if value else f"no {name}" for name, value in words.flags.items()]
    told += [f"{name}={value}" if value else f"no {name}" for name, value in words.settings.items()]
    return ", ".join(told)
