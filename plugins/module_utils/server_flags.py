"""A server's command line: built from wishes, and held against the server's own `--help`. Pure."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w.-]*")
WIDE_GAP = re.compile(r"(?<![,\s])\s{2,}")
IS_FLAG = re.compile(r"--?[A-Za-z]")
REMOVED = "argument has been removed"
LEAST_THREADS = 1
KEPT_CORES = 2

RENAMED: Mapping[str, str] = {
    "--mlock": "--load-mode",
    "--no-mmap": "--load-mode",
    "-fa": "--flash-attn",
    "--defrag-thold": "--kv-unified",
    "--draft-max": "--spec-draft-n-max",
}
"""Flags of older builds whose successor has another name; offered only where the successor is known."""

Value = str | int | float | bool | None
"""None or an empty text: left out. True: the flag alone. False: left out."""


@dataclass(frozen=True)
class Unknown:
    """A flag that the server does not have, with the nearest that it has."""

    flag: str
    nearest: tuple[str, ...]

    def __str__(self) -> str:
        hint = f" (nearest: {', '.join(self.nearest)})" if self.nearest else ""
        return f"{self.flag}{hint}"


def known(help_text: str) -> frozenset[str]:
    """Every flag that a help text lists, long and short, without its placeholder.

    llama-server goes on to list flags that it has no more, as "the argument has been removed": they end it at once.
    """
    lines = help_text.splitlines()
    # Descriptions are indented further; where one goes on in a new line, that may begin with another flag.
    indents = {index: _indent(line) for index, line in enumerate(lines) if IS_FLAG.match(line.strip())}
    # The most frequent one: prose at the margin may begin with a flag too, as `--help=ModelConfig` does in vLLM's.
    usual = Counter(indents.values()).most_common(1)
    return frozenset(
        flag
        for index, indent in indents.items()
        if indent == usual[0][0] and REMOVED not in _entry(lines, index)
        for flag in _listed(lines[index].strip())
    )


def _entry(lines: list[str], index: int) -> str:
    """A flag's line, with the next one if that belongs to it."""
    more = lines[index + 1 : index + 2]
    return " ".join([lines[index], *(line for line in more if _indent(line) > _indent(lines[index]))])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _listed(line: str) -> Iterator[str]:
    # What comes after a wide gap is the description, where other flags may be mentioned.
    head = WIDE_GAP.split(line, maxsplit=1)[0]
    for part in head.split(","):
        if found := OPTION.match(part.strip()):
            yield found.group()


def unknown(arguments: Iterable[str], help_flags: frozenset[str]) -> list[Unknown]:
    """The flags among the arguments that the help does not list, each once."""
    used = dict.fromkeys(argument for argument in arguments if IS_FLAG.match(argument))
    return [
        Unknown(name, _nearest(name, help_flags)) for name in map(plain, used) if not _has(name, help_flags)
    ]


def plain(argument: str) -> str:
    """`--max_num_seqs=1` → `--max-num-seqs`: what argparse-like parsers make of it."""
    name = argument.partition("=")[0]
    return name.replace("_", "-") if name.startswith("--") else name


def _has(name: str, help_flags: frozenset[str]) -> bool:
    if name in help_flags:
        return True
    # vLLM sets one key of a JSON option as --option.key, and -O3 stands for -O 3.
    if name.startswith("--"):
        return name.partition(".")[0] in help_flags
    return name[:2] in help_flags and name[2:3] in set("0123456789.")


def _nearest(name: str, help_flags: frozenset[str]) -> tuple[str, ...]:
    if RENAMED.get(name) in help_flags:
        return (RENAMED[name],)
    return tuple(difflib.get_close_matches(name, sorted(help_flags), n=2, cutoff=0.6))


def arguments(flags: Mapping[str, Value], extra: Iterable[str] = ()) -> list[str]:
    """The words of the command line, in the order of the mapping; the extra ones last, so that they win."""
    return [*(word for flag, value in flags.items() for word in _words(flag, value)), *extra]


def _words(flag: str, value: Value) -> list[str]:
    if value is True:
        return [flag]
    if value is None or value is False or value == "":
        return []
    return [flag, str(value)]


def as_mapping(words: Iterable[str]) -> dict[str, str]:
    """For the record of what is served: `["--jinja", "-c", "8192"]` → `{"--jinja": "", "-c": "8192"}`."""
    flags: dict[str, str] = {}
    last = ""
    for word in words:
        if IS_FLAG.match(word):
            last, _, value = word.partition("=")
            flags[last] = value
        elif last:
            flags[last] = f"{flags[last]} {word}".strip()
    return flags


def threads(cores: int) -> int:
    """All cores but two, which the system and a second server keep; never none."""
    return max(LEAST_THREADS, cores - KEPT_CORES)


def cores(cpuinfo: str) -> int:
    """Cores, not the threads that share them, from /proc/cpuinfo."""
    blocks = (dict(_pairs(block)) for block in cpuinfo.split("\n\n"))
    found = [block for block in blocks if "processor" in block]
    return len({(block.get("physical id"), block.get("core id", block["processor"])) for block in found})


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()
