"""JUnit XML for CI: a suite a setup, a case a threshold and a check.

Not measured is an error, below is a failure, inconclusive is a failure of type "inconclusive": nothing but a
proven threshold is green.
"""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hostproof.judge.model import Judged, Outcome
from hostproof.judge.units import wanted
from hostproof.measure.result import Result
from hostproof.report.material import Material, Part

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(material: Material) -> str:
    root = Element("testsuites", name="hostproof")
    for part in material.parts:
        _suite(root, part)
    if not material.parts:
        empty = SubElement(root, "testsuite", name="hostproof")
        _case(empty, "hostproof", "something was judged", Outcome.UNMEASURED, "there was no setup to judge")
        _count(empty)
    _count(root)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, part: Part) -> None:
    name = f"{part.verdict.host}.{part.verdict.setup}"
    suite = SubElement(root, "testsuite", name=_clean(name), hostname=_clean(part.verdict.host))
    if part.result:
        _about(suite, part.result)
    for judged in part.verdict.judged:
        _case(suite, name, _title(judged), judged.outcome, judged.why)
    if not part.verdict.judged:
        _case(suite, name, "something was judged", Outcome.UNMEASURED, "; ".join(part.verdict.findings))
    for check in part.result.checks if part.result else ():
        outcome = Outcome.PROVEN if check.passed else Outcome.BELOW
        _case(suite, f"{name}.checks", check.name, outcome, check.detail)
    if part.result and not part.result.checks:
        _case(
            suite, f"{name}.checks", "behaviour was checked", Outcome.UNMEASURED, "the Result has no checks"
        )
    if (proof := part.verdict.proof) and proof.outcome:
        _case(suite, f"{name}.proof", f"computes as {' or '.join(proof.wanted)}", proof.outcome, proof.why)
    if part.verdict.findings:
        SubElement(suite, "system-out").text = _clean("\n".join(part.verdict.findings))
    _count(suite)


def _about(suite: Element, result: Result) -> None:
    suite.set("timestamp", result.started.removesuffix("+00:00").removesuffix("Z"))
    suite.set("time", _seconds(result))
    properties = SubElement(suite, "properties")
    told = {
        "run_id": result.run_id,
        "hardware": result.hardware,
        "model": result.setup.model,
        "server": result.setup.server,
        **result.environment,
    }
    for name, value in told.items():
        SubElement(properties, "property", name=_clean(name), value=_clean(value))


def _seconds(result: Result) -> str:
    try:
        took = datetime.fromisoformat(result.finished) - datetime.fromisoformat(result.started)
    except (TypeError, ValueError):  # a moment without a zone beside one with, or no moment
        return "0"
    return f"{took.total_seconds():.0f}"


def _title(judged: Judged) -> str:
    return f"{judged.threshold.cell} {judged.threshold.metric} {wanted(judged.threshold)}"


def _case(suite: Element, classname: str, name: str, outcome: Outcome, why: str) -> None:
    case = SubElement(suite, "testcase", classname=_clean(classname), name=_clean(name), time="0")
    if outcome is Outcome.PROVEN:
        return
    kind = "error" if outcome is Outcome.UNMEASURED else "failure"
    SubElement(case, kind, type=outcome.value, message=_clean(why)).text = _clean(why)


def _count(element: Element) -> None:
    element.set("tests", str(len(list(element.iter("testcase")))))
    element.set("failures", str(len(list(element.iter("failure")))))
    element.set("errors", str(len(list(element.iter("error")))))
    element.set("skipped", "0")


def _clean(text: str) -> str:
    """XML knows no control characters, and a server's answer may hold some."""
    return _NOT_XML.sub("�", text)
