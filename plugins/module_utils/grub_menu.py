"""Which entry of GRUB's menu boots by default, and with which words. Pure: texts in, text out.

The generated `grub.cfg` decides, not `GRUB_DEFAULT` that it was made from: after an edit of the defaults the menu is what it was until
`update-grub` runs. Entries are found as GRUB finds them (grub-core/normal/menu.c, get_entry_number): a number counts from 0, a submenu
as one; else a title or an id; `>` goes on in a submenu, where `>>` stands for `>` in a title; what is not there is the first entry.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

ENVIRONMENT = "/boot/grub/grubenv"
"""Where `grub-set-default` keeps `saved_entry`."""
_DEFAULT = re.compile(r"\s*set\s+default=(.*)")
_LINUX = re.compile(r"\s*linux(?:16|efi)?\s+\S+\s*(.*)")
_OPENS = re.compile(r"\s*(?:menuentry|submenu)\s+(.*)\{\s*$")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass
class Entry:
    """An entry or a submenu of the menu. Mutable while the menu is read."""

    title: str
    id: str = ""
    entries: list[Entry] = field(default_factory=list)
    """A submenu's."""
    words: str | None = None
    """What its first kernel is started with; None for one that starts no Linux."""


@dataclass(frozen=True)
class Chosen:
    """What boots by default."""

    title: str
    """With the submenus before it: `Advanced options for Ubuntu > Ubuntu, with Linux 6.8.0-45-generic`."""
    words: str | None
    asked: str
    """What the menu asks for, as it stands there, variables filled in."""
    found: bool
    """False: there is no such entry, and GRUB takes the first one."""


def default(menu: str, environment: str = "") -> Chosen | None:
    """The entry that boots when nobody touches a key; None for a menu without entries.

    `environment` is the text of `grubenv`. A choice for one boot alone (`grub-reboot`) does not count.
    """
    entries, asked = read(menu)
    if not entries:
        return None
    wish = _VARIABLE.sub(lambda found: variables(environment).get(found[1], ""), asked)
    entry, below, found = _pick(entries, wish)
    titles = [entry.title]
    while entry.entries:
        entry, below, there = _pick(entry.entries, below)
        titles.append(entry.title)
        found = found and there
    return Chosen(" > ".join(titles), entry.words, wish, found)


def read(menu: str) -> tuple[list[Entry], str]:
    """The entries, and what stands behind the last `set default=` that is not the choice for one boot."""
    top = Entry("")
    open_ones, wish = [top], ""
    for line in menu.replace("\\\n", " ").splitlines():
        if opens := _OPENS.match(line):
            entry = _entry(opens[1])
            open_ones[-1].entries.append(entry)
            open_ones.append(entry)
        elif line.strip() == "}":
            # At the top a function ends with it, and closes nothing.
            open_ones = open_ones[:-1] or [top]
        elif (linux := _LINUX.match(line)) and open_ones[-1] is not top and open_ones[-1].words is None:
            open_ones[-1].words = linux[1]
        elif (found := _DEFAULT.match(line)) and "next_entry" not in found[1]:
            wish = "".join(_split(found[1])[:1])
    return top.entries, wish


def variables(environment: str) -> dict[str, str]:
    """`grubenv`: lines of name=value, padded with # to 1024 bytes."""
    pairs = (line.partition("=") for line in environment.splitlines() if not line.startswith("#"))
    return {name: value for name, equals, value in pairs if equals}


def _entry(heading: str) -> Entry:
    title, *options = _split(heading)
    marks = ("--id", "$menuentry_id_option", "${menuentry_id_option}")
    ids = [value for mark, value in pairwise(options) if mark in marks]
    return Entry(title, ids[0] if ids else "")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text) or [""]
    except ValueError:
        return text.split() or [""]


def _pick(entries: Sequence[Entry], wish: str) -> tuple[Entry, str, bool]:
    """The entry that a wish names at this level, what it says of the levels below, and whether there is one."""
    here, below = _level(wish)
    if not here:
        return entries[0], below, True
    if here.isdecimal() and int(here) < len(entries):
        return entries[int(here)], below, True
    named = next((entry for entry in entries if here in (entry.title, entry.id)), None)
    return named or entries[0], below, named is not None


def _level(wish: str) -> tuple[str, str]:
    """`a>>b>c` → (`a>b`, `c`)."""
    parts = re.split(r"(?<!>)>(?!>)", wish, maxsplit=1)
    return parts[0].replace(">>", ">"), parts[1] if len(parts) > 1 else ""
