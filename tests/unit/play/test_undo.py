"""How `undo` and `drift` sum up what the hosts handed over."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import drift, kept, undo, verb
from hostproof.play.checkout import Checkout
from hostproof.play.ending import Ending
from hostproof.play.verbs import Order

GOOD = Ending(ExitStatus.YES, "")
ROW = {
    **{
        "area": "numa",
        "kind": "sysctl",
        "key": "vm.swappiness",
        "wanted": "10",
        "live": "10",
        "persisted": "10",
    },
    **{"booted": "", "first": {"/proc/sys/vm/swappiness": "60", "persisted": "(absent)"}, "state": "ok"},
    **{"owner": "/etc/sysctl.d/99-hostproof.conf", "detail": ""},
}


def back(state: str, detail: str = "") -> dict[str, str]:
    return {"area": "numa", "kind": "sysctl", "key": "vm.swappiness", "state": state, "detail": detail}


def shown(draw: Any, rows: list[dict[str, Any]]) -> list[str]:
    console = Console(file=io.StringIO(), width=300)
    draw(console, "h1", rows)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_nothing_to_take_back_is_a_yes() -> None:
    ending = undo.of_undo(GOOD, {"h1": []})
    assert ending == Ending(ExitStatus.YES, "0 taken back: nothing of hostproof's is set there.")


def test_what_waits_for_a_boot_is_counted() -> None:
    ending = undo.of_undo(GOOD, {"h1": [back("changed"), back("needs-reboot")]})
    assert ending.status is ExitStatus.YES
    assert (
        ending.sentence.startswith("2 taken back") and "1 of them only with the next boot" in ending.sentence
    )


def test_a_failed_run_stays_one_whatever_was_taken_back() -> None:
    trouble = Ending(ExitStatus.COULD_NOT, "could not: …")
    assert undo.of_undo(trouble, {"h1": [back("changed"), back("foreign")]}) == trouble


def test_undo_names_each_setting_with_its_reason() -> None:
    assert shown(undo.draw, [back("foreign", "somebody changed it")]) == [
        "h1 foreign sysctl:vm.swappiness somebody changed it"
    ]


def test_an_unknown_family_is_refused_before_any_host_is_asked(tmp_path: Path) -> None:
    with pytest.raises(
        HostproofError, match=r"unknown family 'hugepage' \(--only\)\. Did you mean hugepages\?"
    ):
        undo.run(Checkout(tmp_path), Console(file=io.StringIO()), ["h1"], ["hugepage"])


def test_the_command_to_resume_names_switches_without_a_value() -> None:
    order = Order("undo", "undo", ("a",), {"host": ["a"], "only": "numa", "force": True, "salvage": False})
    assert order.command() == "./inv undo --host a --only numa --force"


@pytest.mark.parametrize(
    ("states", "status", "sentence"),
    [
        (
            ["ok", "ignored-by-workload"],
            ExitStatus.YES,
            "0 of 2 settings differ. 1 as wanted is used by no server: ignored-by-workload.",
        ),
        (["ok", "unsupported"], ExitStatus.NO, "1 of 2 settings differ from what is wanted."),
        (["foreign", "orphan", "short"], ExitStatus.NO, "3 of 3 settings differ from what is wanted."),
        ([], ExitStatus.YES, "0 of 0 settings differ."),
    ],
)
def test_drift_is_no_where_anything_differs(states: list[str], status: ExitStatus, sentence: str) -> None:
    assert drift.of_drift({"h1": [{**ROW, "state": state} for state in states]}) == Ending(status, sentence)


def test_drift_as_json_is_alone_on_stdout_also_when_nothing_differs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = drift.tell(Console(), {"h1": [ROW]}, as_json=True)
    verb.end_with(ended)
    assert json.loads(capsys.readouterr().out)["hosts"]["h1"] == [ROW]


def test_drift_shows_five_values_and_who_owns_the_file_that_won() -> None:
    other = {
        **ROW,
        "state": "foreign",
        "persisted": "33",
        "owner": "/etc/sysctl.d/z.conf",
        "detail": "read later",
    }
    lines = shown(drift.draw, [ROW, other])
    assert (
        lines[0] == "h1 sysctl vm.swappiness: wanted 10, live 10, persisted 10, booted –, first 60, state ok"
    )
    assert lines[2] == "sysctl vm.swappiness: read later; persisted by /etc/sysctl.d/z.conf"
    assert len(lines) == 3


def test_drift_says_how_it_is_known_that_nobody_uses_a_setting() -> None:
    unused = {**ROW, "state": "ignored-by-workload", "detail": "all 10 pages are free"}
    assert shown(drift.draw, [unused])[-1] == "sysctl vm.swappiness: all 10 pages are free"


def test_the_first_of_a_glob_is_one_value_if_its_files_had_one() -> None:
    first = {"/sys/a": "powersave", "/sys/b": "powersave", "persisted": "(absent)"}
    assert drift.text_of({**ROW, "first": first}, "first") == "powersave"
    assert drift.text_of({**ROW, "first": {**first, "/sys/c": "ondemand"}}, "first") == "ondemand, powersave"
    assert drift.text_of({**ROW, "first": {"persisted": "(absent)"}}, "first") == "(absent)"
    assert drift.text_of({**ROW, "first": {}}, "first") == "–"


def test_what_was_kept_is_read_only_under_its_schema(tmp_path: Path) -> None:
    file = tmp_path / "h1.json"
    with pytest.raises(HostproofError, match="handed nothing over"):
        kept.rows(file, drift.SCHEMA, "rows")
    for text in ("{", "[]", '{"schema": "other/1", "rows": []}', '{"schema": "hostproof.drift/1"}'):
        file.write_text(text)
        with pytest.raises(HostproofError, match="cannot be read"):
            kept.rows(file, drift.SCHEMA, "rows")
    file.write_text(json.dumps({"schema": drift.SCHEMA, "rows": [ROW]}))
    assert kept.rows(file, drift.SCHEMA, "rows") == [ROW]
