"""Nothing flows back up: who may import whom (ARCHITECTURE, "Where code runs")."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WALLS = {
    "hostproof/measure": ("hostproof", {"hostproof", "hostproof.measure"}),
    "hostproof/judge": (
        "hostproof",
        {"hostproof.judge", "hostproof.measure", "hostproof.errors", "hostproof.exits"},
    ),
    "hostproof/report": (
        "hostproof",
        {
            "hostproof",
            "hostproof.report",
            "hostproof.judge",
            "hostproof.measure",
            "hostproof.errors",
            "hostproof.exits",
        },
    ),
    "plugins/module_utils": ("hostproof", set()),
    "plugins/modules": ("hostproof", set()),
}
"""Folder → what it may import of ours: everything else that begins with the first word is beyond the wall."""


def imported(file: Path) -> Iterator[str]:
    """Absolute names, `from a import b` as `a.b`, since b may be a module."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def allowed(name: str, rooms: set[str]) -> bool:
    """The root package alone may be named for its version only: `hostproof.__version__`."""
    if name in {"hostproof", "hostproof.__version__"}:
        return "hostproof" in rooms
    return any(name == room or name.startswith(f"{room}.") for room in rooms - {"hostproof"})


def beyond(file: Path, ours: str, rooms: set[str]) -> list[str]:
    mine = [name for name in imported(file) if name == ours or name.startswith(f"{ours}.")]
    return [name for name in mine if not allowed(name, rooms)]


@pytest.mark.parametrize("folder", WALLS)
def test_no_room_imports_what_stands_above_it(folder: str) -> None:
    ours, rooms = WALLS[folder]
    found = {str(f.relative_to(ROOT)): beyond(f, ours, rooms) for f in sorted((ROOT / folder).rglob("*.py"))}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize("folder", ["hostproof/measure", "hostproof/judge"])
def test_there_is_something_behind_the_wall(folder: str) -> None:
    assert list((ROOT / folder).glob("*.py"))


def test_the_product_never_imports_the_lab() -> None:
    files = [ROOT / "tasks.py", *sorted((ROOT / "hostproof/measure").rglob("*.py"))]
    files += [
        *sorted((ROOT / "hostproof/judge").rglob("*.py")),
        *sorted((ROOT / "hostproof/report").rglob("*.py")),
    ]
    used = {
        str(f): [n for n in imported(f) if n == "lab" or n.startswith("lab.")]
        for f in files
        if f.name != "tasks.py"
    }
    assert {file: names for file, names in used.items() if names} == {}


def test_the_wall_sees_an_import_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path, raising=True)
    room = tmp_path / "hostproof" / "measure"
    room.mkdir(parents=True)
    file = room / "x.py"
    lines = {
        "import hostproof.judge": ["hostproof.judge"],
        "from hostproof import judge": ["hostproof.judge"],
        "from hostproof.judge.model import Verdict": ["hostproof.judge.model.Verdict"],
        "from ..judge import model": ["hostproof.judge.model"],
        "def f():\n    import hostproof.play": ["hostproof.play"],
        "from . import result": [],
        "from hostproof import __version__": [],
    }
    for text, expected in lines.items():
        file.write_text(text)
        assert beyond(file, *WALLS["hostproof/measure"]) == expected, text
