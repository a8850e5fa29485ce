"""A role's README, made from its argument specs and defaults: `python -m hostproof.play.role_pages`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hostproof.play.checkout import here

SHORT = 80
"""Characters of a default that a table cell holds; a longer one is read in defaults/main.yml."""


def page(name: str, spec: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """`spec`: the entry `main` of meta/argument_specs.yml. Pure."""
    return "\n".join([*_head(name, spec), *_table(spec["options"], defaults), ""])


def _head(name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    yield "<!-- Made from meta/argument_specs.yml and defaults/main.yml by: python -m hostproof.play.role_pages -->"
    yield f"# {name}"
    yield f"*{spec['short_description']}*"
    yield ""
    yield from (_plain(line) for line in spec["description"])
    yield ""
    yield "Override a variable in `inventory/group_vars/<class>/`, `inventory/host_vars/<host>.yml`, or for one run of plain"
    yield "`ansible-playbook` with `-e '{\"name\": value}'`. Why a default is what it is says [defaults/main.yml](defaults/main.yml)."
    yield ""


def _table(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    yield "| variable | type | default | what |"
    yield "|---|---|---|---|"
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        choices = option.get("choices")
        kind = " \\| ".join(f"`{choice}`" if choice else '`""`' for choice in choices) if choices else kind
        default = _shown(defaults[name]) if name in defaults else "none: it must be given"
        yield f"| `{name}` | {kind} | {default} | {_cell(_plain(option['description']))} |"


def _shown(value: object) -> str:
    if isinstance(value, str):
        text = value or '""'
    else:
        text = (
            yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix("...").strip()
        )
    if len(text) > SHORT or "\n" in text:
        return "see defaults" if "{{" not in text else "derived, see defaults"
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _plain(text: str | list[str]) -> str:
    """Ansible's markup, `C(x)`, `O(x)`, as Markdown."""
    words = " ".join(text) if isinstance(text, list) else text
    for mark in ("C(", "O(", "RV(", "V("):
        while (start := words.find(mark)) >= 0 and (start == 0 or not words[start - 1].isalnum()):
            end = words.index(")", start)
            words = f"{words[:start]}`{words[start + len(mark) : end]}`{words[end + 1 :]}"
    return words


def pages(roles: Path) -> dict[Path, str]:
    """Where each page belongs, and its text."""
    return {
        role / "README.md": _page_of(role) for role in sorted(roles.iterdir()) if (role / "meta").is_dir()
    }


def _page_of(role: Path) -> str:
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {}
    return page(role.name, spec["argument_specs"]["main"], defaults)


def main() -> int:
    for path, text in pages(here().root / "roles").items():
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
