"""The tables of docs/knobs.md and docs/facts.md are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.play import pages
from hostproof.shared.areas import every

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_current(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert pages.filled(page, pages.PAGES[name]()) == page, "python -m hostproof.play.pages makes it current"


def test_every_knob_and_every_wish_is_in_it() -> None:
    made = pages.knobs()
    for area, reasons in every.reasons().items():
        assert f"## `{area}`" in made
        assert all(f"### {name}\n" in made for name in reasons)
    assert all(f"| `{option.name}` |" in made for option in every.options())


def test_the_keys_are_the_field_s_own() -> None:
    made = pages.facts()
    for key in (
        *(
            "cpu.sockets",
            "cpu.cores",
            "cpu.threads",
            "cpu.model",
            "cpu.l3_domains[].size_bytes",
            "numa.nodes[].id",
        ),
        *(
            "numa.nodes[].cpus",
            "numa.nodes[].memory_bytes",
            "numa.nodes[].hugepages.*.total",
            "unreadable",
            "schema",
        ),
    ):
        assert f"| `{key}` |" in made


def test_no_reason_is_left_out() -> None:
    for reasons in every.reasons().values():
        for reason in reasons.values():
            assert all((reason.what, reason.why, reason.source, reason.effect, reason.risk, reason.see))


@pytest.mark.parametrize("page", ["", pages.BEGIN, pages.END])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="the page lacks"):
        pages.filled(page, "x")
