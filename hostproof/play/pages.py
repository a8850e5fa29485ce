"""Makes the tables of docs/knobs.md, facts.md and contracts.md from the code that they describe: `python -m hostproof.play.pages`.

What stands between the marks is made; the rest of a page is written by hand. A test holds the pages to be current.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hostproof.shared.areas import every
from hostproof.shared.areas.base import Option, Reason
from hostproof.shared.areas.servers import FIELDS
from hostproof.shared.facts import gpu_model, model

BEGIN, END = "<!-- made from the code: begin -->", "<!-- made from the code: end -->"
UNDO = {
    "hugepages": "live and persisted counts and words; 1 GiB pages with the next boot",
    "numa": "at once",
    "cpu_power": "at once; `amd_pstate` with the next boot",
    "kernel_cmdline": "with the next boot",
    "limits": "for what starts afterwards",
}


def knobs() -> str:
    """Every knob with its reasons, then every wish."""
    parts = []
    for area, reasons in every.reasons().items():
        parts.append(f"## `{area}`\n`./inv undo --host HOST --only {area}` takes it back, {UNDO[area]}.")
        parts += [_knob(name, reason) for name, reason in reasons.items()]
    wishes = "\n".join(_wish(option) for option in every.options())
    parts.append(
        f"## Wishes\nVariables of the role `tuning`.\n\n| variable | type | default | what |\n|---|---|---|---|\n{wishes}"
    )
    fields = "\n".join(_field(name, option) for name, option in FIELDS.items())
    parts.append(
        f"### An entry of `tuning_servers`\n\n| key | type | default | words |\n|---|---|---|---|\n{fields}"
    )
    return "\n\n".join(parts)


def _knob(name: str, reason: Reason) -> str:
    return (
        f"### {name}\n"
        f"{_sentence(reason.what)}\n"
        f"- why: {reason.why}\n- source: {reason.source}\n- effect: {reason.effect}\n- risk: {reason.risk}\n"
        f"- see it: `{reason.see}`"
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _wish(option: Option) -> str:
    words = f" ({', '.join(option.choices)})" if option.choices else ""
    return f"| `{option.name}` | {option.type} | {_default(option.default)} | {option.help}{words} |"


def _field(name: str, option: Option) -> str:
    words = ", ".join(choice or "(nothing)" for choice in option.choices)
    return f"| `{name}` | {option.type} | {_default(option.default)} | {words} |"


def _default(value: object) -> str:
    return f"`{value}`" if value not in ("", None) else ""


@dataclass(frozen=True)
class Key:
    """One key of the facts' JSON, as a path: `numa.nodes[].hugepages.*.total`."""

    path: str
    type: str
    what: str


def documented() -> tuple[Key, ...]:
    """Every key of `./inv facts --json`, in its order, with what the type's own page says of it."""
    sources = (inspect.getsource(module) for module in (model, gpu_model))
    parsed = (node for source in sources for node in ast.parse(source).body)
    classes = {node.name: node for node in parsed if isinstance(node, ast.ClassDef)}
    return tuple(_keys("", classes["Facts"], classes))


def facts() -> str:
    rows = "\n".join(f"| `{key.path}` | {key.type} | {key.what} |" for key in documented())
    return f"| key | type | what |\n|---|---|---|\n{rows}"


STABLE: Final = (
    *("schema", "unreadable", "cpu.model", "cpu.sockets", "cpu.cores", "cpu.threads", "cpu.threads_per_core"),
    *("cpu.ccds", "cpu.online", "cpu.smt_active", "cpu.l3_domains", "cpu.l3_bytes", "numa.nodes", "numa.nps"),
    *("memory.total_bytes", "memory.dimms", "memory.channels", "memory.peak_bandwidth_bytes_per_second"),
    *("memory.hugepages", "memory.thp"),
)
"""What others may rely on, with all below it. Renaming one is another schema."""
UNITS: Final = {
    "_bytes": "bytes",
    "_bytes_per_second": "bytes a second",
    "_mts": "MT/s",
    "hugepages.*.": "pages",
    "cpus": "CPUs, kernel's list format",
    ".online": "CPUs, kernel's list format",
    ".distances": "the firmware's, 10 is its own node",
}
"""End of a key, or part of it where it ends with a dot → unit; the longest counts."""


def stable_keys() -> str:
    """What others may rely on of the facts, with types and units."""
    rows = "\n".join(
        f"| `{key.path}` | {key.type} | {unit(key.path)} |"
        for key in documented()
        if any(re.fullmatch(rf"{re.escape(name)}(\[\]|\..*|\[\]\..*)?", key.path) for name in STABLE)
    )
    return f"| key | type | unit |\n|---|---|---|\n{rows}"


def unit(path: str) -> str:
    fitting = [end for end in UNITS if (end in path if end.endswith(".") else path.endswith(end))]
    return UNITS[max(fitting, key=len)] if fitting else ""


def _keys(prefix: str, node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Iterator[Key]:
    for statement, following in itertools.pairwise([*node.body, None]):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        said = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            said = " ".join(str(following.value.value).split())
        kind = ast.unparse(statement.annotation)
        inner = next((word for word in re.findall(r"\w+", kind) if word in classes), "")
        key = prefix + statement.target.id
        if inner:
            said = said or " ".join((ast.get_docstring(classes[inner]) or "").split())
            yield Key(key, _shape(kind), said)
            below = f"{key}[]." if "tuple" in kind else f"{key}.*." if "Mapping" in kind else f"{key}."
            yield from _keys(below, classes[inner], classes)
        else:
            yield Key(key, _shape(kind), said)


def _shape(kind: str) -> str:
    """Python's annotation in JSON's words."""
    optional = " or null" if "| None" in kind else ""
    if "tuple" in kind:
        return f"list{optional}"
    if "Mapping[str, int]" in kind:
        return "numbers by name"
    if "Mapping" in kind:
        return "object by name"
    words = {"str": "text", "int": "number", "float": "number", "bool": "true or false"}
    return words.get(kind.removesuffix(" | None"), "object") + optional


PAGES: Mapping[str, Callable[[], str]] = {"knobs.md": knobs, "facts.md": facts, "contracts.md": stable_keys}


def filled(page: str, made: str) -> str:
    """The page with what is made between its marks. Raises ValueError if it has not one of each."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks {END if begin else BEGIN}")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def write(folder: Path) -> None:
    for name, make in PAGES.items():
        path = folder / name
        path.write_text(filled(path.read_text(encoding="utf-8"), make()), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parents[2] / "docs")
