"""How a page comes out in a browser: pictures of it in light, dark, narrow and on paper, and what no reading of the HTML can tell.

`python -m tests.browser.look PAGE.html --out DIR` writes the pictures and says what is wrong; exit status 1 if anything is.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser import chromium
from tests.browser.chromium import Tab

NARROW, WIDE = 390, 1200
PAPER = 703
"""A4 less its margins, in CSS pixels: 186 mm."""
A4 = (595, 842)
"""Points."""
OVER = "Math.max(0, document.documentElement.scrollWidth - innerWidth)"
CUT = """[...document.querySelectorAll('table, figure, pre')].filter(e => e.offsetParent)
  .filter(e => e.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1)
  .map(e => (e.querySelector('caption, figcaption') || e).textContent.trim().slice(0, 60))"""
OVERLAP = """[...document.querySelectorAll('svg.plot')].flatMap(s => {
  const texts = [...s.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]).filter(t => t[1].width);
  return texts.flatMap(([a, x], i) => texts.slice(i + 1).filter(([b, y]) => x.left < y.right - 2 && y.left < x.right - 2
    && x.top < y.bottom - 5 && y.top < x.bottom - 5).map(([b, y]) => `${s.getAttribute('aria-label')}: ${a} | ${b}`)); })"""
FOCUS = """(e => e === document.body ? '' : e.tagName + ' '
  + (e.getAttribute('href') || e.getAttribute('aria-labelledby') || e.textContent.slice(0, 40)) + ' '
  + getComputedStyle(e).outlineStyle)(document.activeElement)"""
NAMED = frozenset({"image", "table", "navigation", "link", "heading", "button"})


def look(tab: Tab, page: Path, out: Path | None) -> Iterator[str]:
    """What is wrong, a sentence each. With `out` the pictures lie there afterwards."""
    tab.open(page)
    for name, about in (
        ("light", {"width": WIDE}),
        ("dark", {"width": WIDE, "dark": True}),
        ("narrow", {"width": NARROW}),
        ("paper", {"width": PAPER, "paper": True}),
    ):
        tab.look(**about)
        if out:
            tab.picture(out / f"{page.stem}-{name}.png")
        if over := tab.ask(OVER):
            yield f"{name}: the page is {over} pixels wider than its window"
        if name != "narrow":  # there, plots may be tight and tables scroll
            yield from (f"{name}: labels lie on each other: {each}" for each in tab.ask(OVERLAP))
        if name == "paper":
            yield from (f"paper: cut off at the right: {each}" for each in tab.ask(CUT))
    tab.look()
    yield from _names(tab)
    yield from _keyboard(tab)
    yield from _paper(tab, page, out)
    outside = [each for each in tab.requests if not re.match(r"file:|data:|about:", each)]
    yield from (f"the page asks for {each}" for each in outside)


def _names(tab: Tab) -> Iterator[str]:
    """What assistive technology is given."""
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    found: dict[str, int] = {}
    for node in nodes:
        role = node.get("role", {}).get("value", "")
        found[role] = found.get(role, 0) + (not node.get("ignored", False))
        if role in NAMED and not node.get("ignored") and not _named(node):
            yield f"a {role} has no name for a screen reader"
    for role in ("banner", "navigation", "main", "heading", "image", "table", "columnheader", "rowheader"):
        if not found.get(role):
            yield f"a screen reader finds no {role}"


def _named(node: dict[str, Any]) -> bool:
    return bool(node.get("name", {}).get("value"))


def _keyboard(tab: Tab) -> Iterator[str]:
    """Every stop of the Tab key is seen, and the last one is reached."""
    wanted = tab.ask(
        "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')].filter(e => e.checkVisibility()).length"
    )
    tab.ask("document.activeElement.blur(); scrollTo(0, 0)")
    stops = []
    for _ in range(wanted):
        tab.press_tab()
        stops.append(tab.ask(FOCUS))
    if not stops or not stops[0].startswith("A #report"):
        yield f"the first stop of the Tab key is not the way past the menu but {stops[:1]}"
    yield from (f"nothing shows the focus on {each}" for each in stops if each and each.endswith(" none"))
    if "" in stops[:-1]:
        yield f"the Tab key stops {stops.index('')} times, where {wanted} things want it"


def _paper(tab: Tab, page: Path, out: Path | None) -> Iterator[str]:
    tab.look(width=PAPER, paper=True)  # else it would print what the screen shows
    data = tab.pdf()
    if out:
        (out / f"{page.stem}.pdf").write_bytes(data)
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", data)
    if not boxes:
        yield "the PDF has no pages"
    sizes = {(round(float(width)), round(float(height))) for width, height in boxes}
    yield from (f"paper of {size[0]} × {size[1]} points is no A4" for size in sizes if size != A4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE.html")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    program = chromium.find()
    if program is None:
        print("there is no Chromium: apt-get install chromium", file=sys.stderr)
        return 1
    asked.out.mkdir(parents=True, exist_ok=True)
    wrong = []
    with chromium.opened(program) as tab:
        for page in asked.pages:
            wrong += [f"{page.name}: {each}" for each in look(tab, page, asked.out)]
    print("\n".join(wrong) or f"nothing is wrong with {len(asked.pages)} pages")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
