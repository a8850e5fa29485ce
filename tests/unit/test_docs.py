"""The pages: every link leads somewhere, every page is found from the index, the tables say what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostproof.exits import ExitStatus
from hostproof.play import testing

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def pages() -> list[Path]:
    """All but what is made: environments, caches, run records."""
    found = (path for path in ROOT.rglob("*.md") if path.is_file())
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") or part == "runs" for part in path.relative_to(ROOT).parts)
    )


def links(page: Path) -> Iterator[str]:
    yield from LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """As the hosting sites make them: lower case, signs gone, spaces to hyphens."""
    titles = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page: Path) -> Iterator[str]:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title, with signs\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md) ![b](none.png) [c](other.md#a-title-with-signs) [d](other.md#no) [e](https://x.example)\n"
        "```\n[f](none.md)\n```\n[g](#none)\n"
    )
    assert list(broken(page)) == ["none.png", "other.md#no", "#none"]


def test_the_index_has_every_page_once() -> None:
    index = ROOT / "docs" / "README.md"
    listed = [link for link in links(index) if not link.startswith("..")]
    there = [str(path.relative_to(index.parent)) for path in index.parent.rglob("*.md") if path != index]
    assert sorted(listed) == sorted(there)


def test_the_table_of_exit_statuses_is_the_codes() -> None:
    text = (ROOT / "docs" / "exit-statuses.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == sorted(ExitStatus)


def test_the_table_of_stages_is_the_codes() -> None:
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == testing.NAMES


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License\n")
    assert "END OF TERMS AND CONDITIONS" in text
