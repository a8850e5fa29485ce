"""Pages as a browser shows them: wide, narrow, dark, on paper, with the keyboard and to a screen reader.

Skipped where there is no Chromium (`apt-get install chromium`); what needs no browser is in tests/unit/report/test_accessible.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostproof.judge.comparison import compare
from hostproof.report import html
from tests.browser import chromium
from tests.browser.chromium import Tab
from tests.browser.look import look
from tests.unit.judge.build import epyc
from tests.unit.report import build

PROGRAM = chromium.find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine")

PAGES = {
    "judged": lambda: html.render(build.judged()),
    "fleet": lambda: html.render(build.fleet()),
    "hostile": lambda: html.render(build.hostile()),
    "timed-and-compared": lambda: html.render(build.timed(), [compare(epyc(seed=9), build.watched())]),
}


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    assert PROGRAM is not None
    with chromium.opened(PROGRAM) as opened:
        yield opened


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wrong_with_the_page(name: str, tab: Tab, tmp_path: Path) -> None:
    page = tmp_path / f"{name}.html"
    page.write_text(PAGES[name](), encoding="utf-8")
    assert list(look(tab, page, None)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("</main>", '<p style="width: 3000px">x</p></main>'), "pixels wider than its window"),
        (
            ("</main>", '<a href="https://example.org/">out</a><img src="http://127.0.0.1:9/x.png"></main>'),
            "the page asks for",
        ),
        (
            ("</main>", "<table><tr><td>1</td></tr></table><svg role='img'></svg></main>"),
            "has no name for a screen reader",
        ),
        ((":focus-visible {", ":focus-visible { outline: none !important;"), "nothing shows the focus"),
        (("size: A4;", "size: A5;"), "is no A4"),
        (('class="skip" href="#report"', 'class="skip"'), "the first stop of the Tab key"),
    ],
)
def test_what_is_wrong_is_seen(change: tuple[str, str], said: str, tab: Tab, tmp_path: Path) -> None:
    """The look itself is no decoration: each fault that it is for is put into a page."""
    whole = html.render(build.proven()).replace("img-src data:", "img-src data: http:")
    assert change[0] in whole
    page = tmp_path / "wrong.html"
    page.write_text(whole.replace(change[0], change[1], 1), encoding="utf-8")
    assert any(said in each for each in look(tab, page, None))
