from __future__ import annotations

import pytest

from hostproof.shared import package_sets


def test_only_what_is_installed_counts() -> None:
    listing = "podman installed\nrsync config-files\nodd\nlibc6 installed\n"
    assert package_sets.installed(listing) == {"podman", "libc6"}


def test_missing_packages_keep_their_order_and_come_once() -> None:
    assert package_sets.missing(["c", "a", "c", "b"], {"b"}) == ["c", "a"]


def test_what_would_go_is_read_from_a_simulation() -> None:
    simulation = "NOTE: only a simulation\nPurg buildah [1.39]\nRemv conmon:amd64 [2.1]\nInst other [1]\n"
    assert package_sets.would_go(simulation) == {"buildah", "conmon"}


def test_the_record_comes_back_as_it_was_written() -> None:
    assert package_sets.parse(package_sets.render({"b", "a"})) == {"a", "b"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "other/1", "put": []}'])
def test_a_damaged_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        package_sets.parse(text)
