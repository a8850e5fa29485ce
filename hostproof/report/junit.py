"""JUnit XML for CI: a suite a setup, a case a threshold and a check.

Not measured is an error, below is a failure, inconclusive is a failure of type "inconclusive": nothing but a
proven threshold is green. The form is the one that Ant's and Jenkins' schemas have in common, so both take it: the root has no attributes,
a suite has them all, and in it come properties, cases, system-out, system-err.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hostproof.judge.model import Judged, Outcome
from hostproof.judge.units import wanted
from hostproof.measure.result import Result
from hostproof.report.material import Material, Part

_TIMESTAMP = "%Y-%m-%dT%H:%M:%S"
_WHOLE_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(material: Material) -> str:
    root = Element("testsuites")
    run_id = material.verdict.run_id
    for number, part in enumerate(material.parts):
        _suite(root, part, run_id, number)
    if not material.parts:
        empty = _begun(root, "hostproof", "localhost", run_id, 0)
        SubElement(empty, "properties")
        _case(empty, "hostproof", "something was judged", Outcome.UNMEASURED, "there was no setup to judge")
        _ended(empty, [])
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _begun(root: Element, name: str, host: str, run_id: str, number: int) -> Element:
    about = {"name": _clean(name), "hostname": _clean(host), "package": "hostproof", "id": str(number)}
    return SubElement(root, "testsuite", {**about, "timestamp": _moment(run_id), "time": "0"})


def _ended(suite: Element, said: list[str]) -> None:
    SubElement(suite, "system-out").text = _clean("\n".join(said))
    SubElement(suite, "system-err")
    for key, tag in (
        ("tests", "testcase"),
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ):
        suite.set(key, str(len(list(suite.iter(tag)))))


def _moment(run_id: str) -> str:
    """When the run began, by its name; the epoch for a name that does not say."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").strftime(_TIMESTAMP)  # the form has no zone
    except ValueError:
        return "1970-01-01T00:00:00"


def _suite(root: Element, part: Part, run_id: str, number: int) -> None:
    name = f"{part.verdict.host}.{part.verdict.setup}"
    suite = _begun(root, name, part.verdict.host, run_id, number)
    properties = SubElement(suite, "properties")
    if part.result:
        _about(suite, properties, part.result)
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
    _ended(suite, [*part.verdict.findings, *(_run(run) for run in _runs(part.result))])


def _runs(result: Result | None) -> list[Mapping[str, Any]]:
    return list(result.telemetry.get("runs", ())) if result else []


def _run(run: Mapping[str, Any]) -> str:
    """What telemetry has of one run, in one line."""
    told = {
        key: value for key, value in run.items() if key not in ("cell", "number", "contended", "throttles")
    }
    figures = ", ".join(f"{key} {value}" for key, value in told.items())
    held = f", GPU held back by {', '.join(run['throttles'])}" if run["throttles"] else ""
    beside = f", CONTENDED: {run['contended']}" if run["contended"] else ""
    return f"{run['cell']} run {run['number']}: {figures}{held}{beside}"


def _about(suite: Element, properties: Element, result: Result) -> None:
    moment = result.started.removesuffix("+00:00").removesuffix("Z")
    if _WHOLE_MOMENT.fullmatch(moment):
        suite.set("timestamp", moment)
    suite.set("time", _seconds(result))
    told = {
        "run_id": result.run_id,
        "hardware": result.hardware,
        "model": result.setup.model,
        "server": result.setup.server,
        "contended_runs": f"{sum(bool(run['contended']) for run in _runs(result))} of {len(_runs(result))}",
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


def _clean(text: str) -> str:
    """XML knows no control characters, and a server's answer may hold some."""
    return _NOT_XML.sub("�", text)
