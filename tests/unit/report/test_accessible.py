"""What a screen reader, a keyboard, paper and a closed network need of the page; no browser is needed to see it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from hostproof.report import html
from hostproof.report.material import Material

from . import build
from .page import Node, read

STYLE = (Path(html.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
MATERIALS = {
    "judged": build.judged(),
    "hostile": build.hostile(),
    "empty": build.empty(),
    "timed": build.timed(),
    "fleet": build.fleet(),
}
PAGES = {name: html.render(material) for name, material in MATERIALS.items()}
every = pytest.mark.parametrize("page", [read(text) for text in PAGES.values()], ids=list(PAGES))
TEXT, GRAPHIC = 4.5, 3.0
"""WCAG 2.2, 1.4.3 and 1.4.11: the least contrast of text, and of what a drawing needs to be understood."""


@every
def test_ids_are_unique_and_whatever_is_pointed_at_is_there(page: Node) -> None:
    everything = list(page.all(*{node.tag for node in _walk(page)}))
    ids = Counter(node.attributes["id"] for node in everything if "id" in node.attributes)
    assert [name for name, times in ids.items() if times > 1] == []
    for node in everything:
        for name in ("aria-labelledby", "aria-describedby"):
            assert all(target in ids for target in node.attributes.get(name, "").split()), node.attributes
        if node.attributes.get("href", "").startswith("#"):
            assert node.attributes["href"][1:] in ids


def _walk(node: Node) -> list[Node]:
    return [each for child in node.children for each in (child, *_walk(child))]


@every
def test_every_table_has_a_caption_and_headings_that_say_their_direction(page: Node) -> None:
    for table in page.all("table"):
        assert next(table.all("caption")).text
        headings = list(table.all("th"))
        assert headings
        assert all(th.attributes.get("scope") in {"col", "row"} for th in headings), "a heading of what?"
        assert all(th.text for th in headings)
        assert any(th.attributes["scope"] == "col" for th in headings)
        for row in next(table.all("tbody")).all("tr"):
            first = row.children[0]
            assert first.tag == "th" or not first.text, f"{first.text}: the row has no heading"


@every
def test_every_drawing_is_an_image_with_a_name_and_says_what_is_seen(page: Node) -> None:
    for svg in page.all("svg"):
        if any(above.tag == "svg" for above in svg.above()) or svg.attributes.get("aria-hidden") == "true":
            continue
        assert svg.attributes.get("role") == "img"
        assert svg.attributes.get("aria-label")
        assert svg.children[0].tag == "title"
        assert svg.children[0].text == svg.attributes["aria-label"]


def test_the_large_drawings_tell_their_figures_in_words() -> None:
    told = [node.text for node in read(PAGES["timed"]).all("desc")]
    assert any("Medians. B: GPU nvfp4, decode: 200 tokens 7.4" in text for text in told), told
    assert any("Over tokens. decode: p50" in text for text in told)
    assert any("Generation: mean" in text for text in told)
    assert any("Mean use of 16 processors" in text for text in told)


@every
def test_there_are_landmarks_one_main_heading_and_no_level_is_left_out(page: Node) -> None:
    assert [len(list(page.all(tag))) for tag in ("main", "nav", "h1")] == [1, 1, 1]
    assert next(page.all("nav")).attributes["aria-label"]
    levels = [int(node.tag[1]) for node in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    for section in next(page.all("main")).children:
        if section.tag == "section":
            assert section.attributes["aria-labelledby"]
    assert next(page.all("html")).attributes["lang"] == "en"


@every
def test_what_scrolls_can_be_reached_with_the_keyboard_and_has_a_name(page: Node) -> None:
    for div in page.all("div"):
        if div.attributes.get("class") == "scroll":
            assert div.attributes["tabindex"] == "0"
            assert div.attributes["role"] == "group"
            assert div.attributes["aria-labelledby"]
    assert all(pre.attributes.get("tabindex") == "0" for pre in page.all("pre"))
    assert next(page.all("a")).attributes["href"] == f"#{next(page.all('main')).attributes['id']}", (
        "the way past the menu comes first"
    )
    assert ":focus-visible" in STYLE


@pytest.mark.parametrize("text", PAGES.values(), ids=list(PAGES))
def test_nothing_is_fetched_from_anywhere(text: str) -> None:
    page = read(text)
    assert not list(page.all("script", "iframe", "img", "object", "embed", "form"))
    addresses = [
        node.attributes[name] for node in _walk(page) for name in ("href", "src") if name in node.attributes
    ]
    outside = [each for each in addresses if not re.fullmatch(r"#[\w-]+|data:,|report-[\w.-]+\.html", each)]
    assert outside == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", text)
    assert "default-src 'none'" in text


def test_every_colour_of_text_and_marks_can_be_told_from_its_ground() -> None:
    light, dark = _palettes()
    assert set(light) == set(dark)
    for palette in (light, dark):
        for ground in ("page", "surface", "soft"):
            for ink in ("text", "quiet", "proven", "below", "inconclusive", "unmeasured", "focus"):
                assert _contrast(palette[ink], palette[ground]) >= TEXT, (ink, ground, palette[ink])
        for mark in ("mark", "mark-2", "mark-3", "mark-4", "focus"):
            assert _contrast(palette[mark], palette["surface"]) >= GRAPHIC, (mark, palette[mark])


def _palettes() -> tuple[dict[str, str], dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks[:2])
    return light, dark


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    """WCAG's relative luminance of an sRGB colour."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_known_contrasts() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_no_verdict_and_no_line_is_told_by_its_colour_alone() -> None:
    page = read(PAGES["judged"])
    badges = [node.text for node in page.all("span") if "badge" in node.attributes.get("class", "")]
    assert set(badges) <= {"✓ pass", "✗ fail", "? inconclusive", "∅ not measured", "note"}
    dashes = re.findall(r"\.series-\d \{[^}]*?(?:--dashes: ([\d ]+);)? \}", STYLE)
    assert len(dashes) == len(set(dashes)) == 4


def test_paper_is_a4_light_and_without_what_only_a_screen_can_use() -> None:
    assert "@page { size: A4;" in STYLE
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE, "paper is never dark"
    paper = STYLE[STYLE.index("@media print") :]
    assert re.search(r"nav, \.skip, \.numbers \{ display: none", paper)


@pytest.mark.parametrize("material", MATERIALS.values(), ids=list(MATERIALS))
def test_the_page_is_small(material: Material) -> None:
    assert len(html.render(material).encode()) < 400_000


def test_a_page_of_many_cores_and_long_runs_stays_below_a_megabyte_without_raw_data() -> None:
    text = html.render(build.huge())
    without = re.sub(r'<details class="numbers">.*?</details>', "", text, flags=re.DOTALL)
    assert len(without.encode()) < 1_000_000
    assert len(text.encode()) < 2_000_000
