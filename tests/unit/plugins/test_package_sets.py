from __future__ import annotations

import pytest

from hostproof.shared import package_sets


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


def test_another_version_is_a_difference_and_a_package_that_is_not_there_is_none() -> None:
    there = package_sets.versions("toolkit installed 1.18.2-1\nlibc6 installed 2.41\nold config-files 1\n")
    assert there == {"toolkit": "1.18.2-1", "libc6": "2.41"}
    assert package_sets.otherwise({"toolkit": "1.20.0-1", "libc6": "2.41", "none": "1"}, there) == [
        "toolkit=1.20.0-1"
    ]


def test_versions_that_stood_there_before_are_in_the_record() -> None:
    text = package_sets.render({"b"}, {"toolkit": "1.18.2-1"})
    assert (package_sets.parse(text), package_sets.parse_before(text)) == ({"b"}, {"toolkit": "1.18.2-1"})
    assert package_sets.parse_before(package_sets.render({"b"})) == {}
