"""YAML with line numbers: every key and value knows where it stands, so that every error can say it."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from hostproof.errors import HostproofError

_DECIMAL = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Entry:
    """A YAML node at `file:line`; `key` is the path to it as a person would write it."""

    node: yaml.Node
    file: Path
    key: str

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"

    def error(self, what: str, mend: str) -> HostproofError:
        place = f"{self.where}, key {self.key}" if self.key else self.where
        return HostproofError(what, where=place, mend=mend)

    def fields(self, known: Iterable[str], required: Iterable[str]) -> Fields:
        """This mapping's entries. Unknown, doubled and missing keys are errors."""
        known = tuple(known)
        found: dict[str, Entry] = {}
        for name, key, value in self.pairs():
            if name not in known:
                raise key.error(f"unknown key {name!r}", f"{nearest(name, known)}Known: {', '.join(known)}.")
            if name in found:
                raise key.error(f"the key {name!r} is there twice", f"First at line {found[name].line}.")
            found[name] = value
        for name in required:
            if name not in found:
                raise self.error(f"the key {name!r} is missing", f"Known keys: {', '.join(known)}.")
        return Fields(found)

    def texts(self) -> Mapping[str, str]:
        """A mapping with keys of any name to texts, such as cell → reason."""
        found: dict[str, str] = {}
        for name, key, value in self.pairs():
            if name in found:
                raise key.error(f"the key {name!r} is there twice", "Keep one of them.")
            found[name] = value.text()
        return found

    def pairs(self) -> Iterator[tuple[str, Entry, Entry]]:
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error(f"must be a mapping, not {self._kind()}", "Write `key: value` lines.")
        for key, value in self.node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            path = f"{self.key}.{name}" if self.key else name
            yield name, Entry(key, self.file, path), Entry(value, self.file, path)

    def items(self) -> list[Entry]:
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error(f"must be a list, not {self._kind()}", "Begin each entry with `- `.")
        return [Entry(node, self.file, f"{self.key}[{i}]") for i, node in enumerate(self.node.value)]

    def text(self) -> str:
        """A text as it stands; what YAML takes for a number or a truth value must be quoted."""
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag != "tag:yaml.org,2002:str":
            raise self.error(f"must be a text, not {self._kind()}", "Quote it if it is meant as a text.")
        value = str(self.node.value).strip()
        if not value:
            raise self.error("is empty", "Write a text.")
        return value

    def number(self) -> float:
        """Only plain decimals: YAML takes 010 for 8, 1:30 for 90, yes for true and 1e3 for a text."""
        text = str(self.node.value)
        if self.node.tag.rpartition(":")[2] not in ("int", "float") or not _DECIMAL.fullmatch(text):
            raise self.error(
                f"must be a finite decimal number, not {self._kind()}", "Write it like 25 or 0.12, unquoted."
            )
        if len(text.lstrip("+-").partition(".")[0]) > 1 and text.lstrip("+-").startswith("0"):
            raise self.error(f"{text!r} could be read as octal", "Leave the leading zero out.")
        value = float(text)
        if not math.isfinite(value):
            raise self.error(
                f"{text!r} is too large for a number", "Write the bound in the metric's own unit."
            )
        return value

    def truth(self) -> bool:
        """`true` or `false`, as YAML 1.2 has them."""
        text = str(self.node.value)
        if self.node.tag.rpartition(":")[2] != "bool" or text not in ("true", "false"):
            raise self.error(f"must be true or false, not {self._kind()}", "Write it unquoted.")
        return text == "true"

    def _kind(self) -> str:
        if isinstance(self.node, yaml.ScalarNode):
            return f"{self.node.value!r}" if self.node.value else "nothing"
        return "a list" if isinstance(self.node, yaml.SequenceNode) else "a mapping"


@dataclass(frozen=True)
class Fields:
    """The entries of a mapping by key."""

    found: Mapping[str, Entry] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Entry:
        return self.found[name]

    def get(self, name: str) -> Entry | None:
        return self.found.get(name)


def read(file: Path) -> Entry:
    """The file's one document. Not UTF-8, not YAML, empty, several documents: an error that says where."""
    mend = "Mend the YAML; yamllint shows the place too."
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise HostproofError(
            f"cannot be read: {error.strerror}", where=str(file), mend="Check the file."
        ) from error
    except UnicodeDecodeError as error:
        raise HostproofError("is not UTF-8", where=f"{file}, byte {error.start}", mend=mend) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}, column {mark.column + 1}" if mark else str(file)
        raise HostproofError(f"is no YAML: {error.problem or error}", where=place, mend=mend) from error
    except yaml.YAMLError as error:  # an unprintable character
        raise HostproofError(f"is no YAML: {error}", where=str(file), mend=mend) from error
    if node is None:
        raise HostproofError("is empty", where=str(file), mend="Write thresholds into it, or remove it.")
    return Entry(node, file, "")


def plain(entry: Entry) -> object:
    """The document as plain data. A key that is there twice is an error: YAML would let the last one win."""
    _no_doubled_keys(entry)
    loader = yaml.SafeLoader("")
    try:
        found: object = loader.construct_document(entry.node)
        return found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{entry.file}:{mark.line + 1}" if mark else str(entry.file)
        raise HostproofError(
            f"is no plain data: {error.problem}", where=place, mend="Write texts, numbers and lists."
        ) from error
    finally:
        loader.dispose()


def _no_doubled_keys(entry: Entry) -> None:
    if isinstance(entry.node, yaml.MappingNode):
        seen: set[str] = set()
        for name, key, value in entry.pairs():
            if name in seen:
                raise key.error(f"the key {name!r} is there twice", "Keep one of them.")
            seen.add(name)
            _no_doubled_keys(value)
    elif isinstance(entry.node, yaml.SequenceNode):
        for item in entry.items():
            _no_doubled_keys(item)


def find(entry: Entry, path: str) -> Entry:
    """The entry at `cells[1].cache`, or the nearest one around it that is there."""
    for step in re.findall(r"[^.\[\]]+", path):
        children = _children(entry)
        if step not in children:
            break
        entry = children[step]
    return entry


def _children(entry: Entry) -> Mapping[str, Entry]:
    if isinstance(entry.node, yaml.MappingNode):
        return {name: Entry(value.node, value.file, value.key) for name, _, value in entry.pairs()}
    if isinstance(entry.node, yaml.SequenceNode):
        return {str(number): item for number, item in enumerate(entry.items())}
    return {}


def nearest(name: str, known: Iterable[str]) -> str:
    """'Did you mean …? ' or nothing."""
    close = difflib.get_close_matches(name, list(known), n=2, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}? " if close else ""
