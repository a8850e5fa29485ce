"""The few SVG elements of the plots. Places are percentages of the width, texts keep their size: a plot fits a phone and a wall.

A drawing is an image with a name (`<title>`) and a sentence that says what is to be seen (`<desc>`): that is what a screen reader tells,
and the table beside it has the figures. Colours are the page's CSS variables, so that one drawing serves light, dark and paper. Pure
(ElementTree escapes every name).
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

WIDE = 1000
"""Units of a `field` across: its curves are drawn in them and stretched to the width of the page."""


def picture(height: float, name: str, seen: str = "") -> Element:
    made = Element(
        "svg",
        {"class": "plot", "width": "100%", "height": f"{height:g}", "role": "img", "aria-label": name},
    )
    SubElement(made, "title").text = name
    if seen:
        SubElement(made, "desc").text = seen
    return made


def add(parent: Element, tag: str, tone: str, told: str = "", **attributes: str) -> Element:
    """`told`: what the pointer gets to read."""
    made = SubElement(parent, tag, {"class": tone, **attributes})
    if told:
        SubElement(made, "title").text = told
    return made


def line(
    parent: Element, tone: str, *, x: tuple[float, float], y: tuple[float, float], told: str = ""
) -> None:
    """From (x0, y0) to (x1, y1): percent across, pixels down."""
    ends = {"x1": pc(x[0]), "x2": pc(x[1]), "y1": f"{y[0]:.1f}", "y2": f"{y[1]:.1f}"}
    add(parent, "line", tone, told, **ends)


def text(
    parent: Element, x: float, y: float, words: str, tone: str = "tick", *, anchor: str = "start"
) -> None:
    place = {"class": tone, "x": pc(x), "y": f"{y:.1f}", "text-anchor": anchor}
    SubElement(parent, "text", place).text = words


def field(parent: Element, y: float, height: float) -> Element:
    """A part across the whole width whose contents stretch: WIDE units across, pixels down."""
    about = {
        "y": f"{y:g}",
        "width": "100%",
        "height": f"{height:g}",
        "viewBox": f"0 0 {WIDE} {height:g}",
        "preserveAspectRatio": "none",
    }
    return SubElement(parent, "svg", about)


def path(points: Iterable[tuple[float, float]]) -> str:
    """A line through points of a `field`: percent across, pixels down."""
    return "M" + "L".join(f"{x * WIDE / 100:.4g} {y:.4g}" for x, y in points)


def pc(value: float) -> str:
    return f"{value:.2f}%"


def done(made: Element) -> Markup:
    return Markup(tostring(made, encoding="unicode"))  # ElementTree has escaped it
