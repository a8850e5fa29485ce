"""Writes every form of the report into a run's folder, each file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hostproof.errors import HostproofError
from hostproof.judge.verdict_json import to_json
from hostproof.report import html, json_file, junit, markdown
from hostproof.report.material import VERDICT, Material

FORMS: dict[str, Callable[[Material], str]] = {
    "report.html": html.render,
    "report.md": markdown.render,
    "report.json": json_file.render,
    "junit.xml": junit.render,
    # Last: whoever finds it finds the rest too.
    VERDICT: lambda material: to_json(material.verdict, material.titles),
}


def write(material: Material, folder: Path) -> tuple[Path, ...]:
    """All forms are made before the first is written. Returns what was written."""
    made = {folder / name: text for name, text in _made(material)}
    for path, text in made.items():
        write_page(path, text)
    return tuple(made)


def write_page(path: Path, text: str) -> None:
    """Whole or not at all. Raises HostproofError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise HostproofError(
            f"the report cannot be written: {error.strerror}",
            where=str(error.filename or path.parent),
            mend="Make room, or choose a run_dir that may be written.",
        ) from error


def _made(material: Material) -> Iterator[tuple[str, str]]:
    """Of several hosts each has a page of its own, and report.html is the fleet's."""
    if len(material.hosts) > 1:
        yield from ((html.page_of(host), html.render(material.of_host(host))) for host in material.hosts)
    yield from ((name, form(material)) for name, form in FORMS.items())


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
