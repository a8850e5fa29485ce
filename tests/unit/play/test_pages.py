"""The tables of docs/knobs.md, facts.md and contracts.md are those of the code, and the JSON has what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostproof.play import pages, recordings
from hostproof.shared.areas import every
from hostproof.shared.facts import gather

DOCS = Path(__file__).parents[3] / "docs"
RECORDED = Path(__file__).parents[1] / "facts/recorded"


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


def test_what_others_may_rely_on_is_in_the_contracts_with_its_unit() -> None:
    made = pages.stable_keys()
    for row in (
        "| `cpu.model` | text |  |",
        "| `cpu.l3_domains[].size_bytes` | number | bytes |",
        "| `numa.nodes[].id` | number |  |",
        "| `numa.nodes[].cpus` | text | CPUs, kernel's list format |",
        "| `numa.nodes[].memory_bytes` | number | bytes |",
        "| `numa.nodes[].hugepages.*.total` | number | pages |",
        "| `memory.dimms[].configured_mts` | number | MT/s |",
    ):
        assert row in made
    paths = {key.path for key in pages.documented()}
    assert paths.issuperset(pages.STABLE), "a key that others rely on is gone"


TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "true or false": (bool,),
    "list": (list,),
    "object": (dict,),
    "object by name": (dict,),
    "numbers by name": (dict,),
}


def walked(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a JSON with its key's path as the pages write it."""
    known = {key.path: key.type for key in pages.documented()}
    if path:
        yield path, value
    if isinstance(value, dict) and known.get(path, "object").startswith("object"):
        by_name = known.get(path, "").startswith("object by name")
        for name, inner in value.items():
            below = f"{path}.*" if by_name else f"{path}.{name}".lstrip(".")
            yield from (pair for pair in walked(inner, below) if pair[0] != f"{path}.*")
    elif isinstance(value, list):
        for inner in value:
            yield from (pair for pair in walked(inner, f"{path}[]") if pair[0] != f"{path}[]")


@pytest.mark.parametrize("tree", ["epyc-7451-2s-nps4", "xeon-x7550-4s-smt", "xeon-e7-4870-pci"])
def test_the_json_of_real_machines_has_every_key_with_the_type_that_is_promised(tree: str) -> None:
    with recordings.opened(RECORDED / f"{tree}.tar.xz") as folder:
        made = json.loads(json.dumps(gather.to_json(gather.gather(folder))))
    known = {key.path: key.type for key in pages.documented()}
    found = list(walked(made))
    assert {path for path, _ in found} <= set(known), "a key that no page knows"
    for path, value in found:
        said, null = known[path].removesuffix(" or null"), known[path].endswith(" or null")
        fits = isinstance(value, TYPES[said]) and (said == "true or false") == isinstance(value, bool)
        assert fits or (null and value is None), f"{path} is {value!r}, and the page says {known[path]}"
    top = {path for path in known if "[]" not in path and "*" not in path and path.count(".") < 2}
    assert top - {path for path in top if path.startswith(("driver.", "gpus"))} <= {path for path, _ in found}


def test_no_reason_is_left_out() -> None:
    for reasons in every.reasons().values():
        for reason in reasons.values():
            assert all((reason.what, reason.why, reason.source, reason.effect, reason.risk, reason.see))


@pytest.mark.parametrize("page", ["", pages.BEGIN, pages.END])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="the page lacks"):
        pages.filled(page, "x")
