"""The rules of the two schemas that readers of JUnit XML hold files against: Ant's (windyroad/JUnit-Schema, JUnit.xsd) and Jenkins'
(jenkinsci/xunit-plugin, junit-10.xsd). Where they differ, what both allow. Python has no validator of XML Schema in its library."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from hostproof.report import junit
from hostproof.report.material import Material

from . import build

MATERIALS = {
    "judged": build.judged(),
    "proven": build.proven(),
    "hostile": build.hostile(),
    "empty": build.empty(),
    "timed": build.timed(),
    "fleet": build.fleet(),
}
each = pytest.mark.parametrize("given", MATERIALS.values(), ids=list(MATERIALS))

SUITE = {"name", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time", "package", "id"}
COUNT, DECIMAL = re.compile(r"\d+"), re.compile(r"\d+(\.\d+)?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
ORDER = ["properties", "testcase", "system-out", "system-err"]


def read(given: Material) -> ET.Element:
    return ET.fromstring(junit.render(given).encode())


@each
def test_the_root_holds_suites_and_has_no_attributes(given: Material) -> None:
    root = read(given)
    assert (root.tag, root.attrib) == ("testsuites", {})
    assert {child.tag for child in root} == {"testsuite"}


@each
def test_a_suite_has_every_attribute_in_its_form(given: Material) -> None:
    for number, suite in enumerate(read(given)):
        assert set(suite.attrib) == SUITE
        assert suite.get("id") == str(number)
        assert suite.get("name")
        assert suite.get("hostname")
        assert MOMENT.fullmatch(suite.get("timestamp", ""))
        assert DECIMAL.fullmatch(suite.get("time", ""))
        assert all(
            COUNT.fullmatch(suite.get(name, "")) for name in ("tests", "failures", "errors", "skipped")
        )


@each
def test_a_suite_s_parts_come_in_order(given: Material) -> None:
    for suite in read(given):
        places = [ORDER.index(child.tag) for child in suite]
        assert places == sorted(places)
        assert [len(suite.findall(tag)) for tag in ("properties", "system-out", "system-err")] == [1, 1, 1]


@each
def test_counts_are_what_is_there(given: Material) -> None:
    for suite in read(given):
        for key, tag in (
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert suite.get(key) == str(len(list(suite.iter(tag)))), key


@each
def test_a_case_has_a_name_a_class_a_time_and_at_most_one_outcome(given: Material) -> None:
    for case in read(given).iter("testcase"):
        assert set(case.attrib) == {"name", "classname", "time"}
        assert case.get("name")
        assert case.get("classname")
        assert DECIMAL.fullmatch(case.get("time", ""))
        assert len(case) <= 1
        for outcome in case:
            assert outcome.tag in {"failure", "error"}
            assert set(outcome.attrib) == {"type", "message"}
            assert len(outcome) == 0


@each
def test_properties_have_a_name_and_a_value(given: Material) -> None:
    for properties in read(given).iter("properties"):
        for each_ in properties:
            assert each_.tag == "property"
            assert set(each_.attrib) == {"name", "value"}
            assert each_.get("name")


def test_names_of_cases_are_unique_in_their_suite() -> None:
    for suite in read(build.judged()):
        names = [(case.get("classname"), case.get("name")) for case in suite.findall("testcase")]
        assert len(names) == len(set(names))


def test_the_host_beside_each_run_is_told_and_a_contended_run_marked() -> None:
    (suite,) = read(build.timed())
    told = {each_.get("name"): each_.get("value") for each_ in suite.iter("property")}
    assert told["contended_runs"] == "1 of 6"
    said = (suite.findtext("system-out") or "").splitlines()
    (marked,) = [text for text in said if "CONTENDED" in text]
    assert marked.startswith("decode run 3: ")
    assert "others_cores 4.2" in marked
    assert any("GPU held back by power cap" in text for text in said)


def test_a_run_s_name_tells_when_it_began() -> None:
    assert junit._moment("20261125T051539Z-validate-warm") == "2026-11-25T05:15:39"
    assert junit._moment("run-1") == "1970-01-01T00:00:00"
