"""Whose turn it is, and how the servers were found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostproof.shared import server_turns

FOUND = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.booleans())


@pytest.mark.parametrize(
    ("active", "ran"),
    [("active", True), ("activating", True), ("reloading", True), ("failed", False), ("inactive", False)],
)
def test_a_server_that_is_about_to_run_counts_as_running(active: str, ran: bool) -> None:
    assert server_turns.runs(active) is ran


@given(FOUND, FOUND)
def test_steps_lead_to_what_is_wanted_and_touch_nothing_else(
    wanted: dict[str, bool], now: dict[str, bool]
) -> None:
    stop, start = server_turns.steps(wanted, now)
    after = {**now, **dict.fromkeys(stop, False), **dict.fromkeys(start, True)}
    assert all(after.get(unit, False) == run for unit, run in wanted.items())
    assert {unit: run for unit, run in after.items() if unit not in wanted} == {
        unit: run for unit, run in now.items() if unit not in wanted
    }
    assert server_turns.steps(wanted, after) == ([], [])


@given(FOUND, FOUND)
def test_the_first_note_stays(before: dict[str, bool], now: dict[str, bool]) -> None:
    noted = server_turns.remember(before, now)
    assert all(noted[unit] == ran for unit, ran in before.items())
    assert set(noted) == set(before) | set(now)


@given(FOUND)
def test_a_note_survives_being_written(found: dict[str, bool]) -> None:
    assert server_turns.parse(server_turns.render(found)) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "other", "units": {}}'])
def test_anything_else_is_no_note(text: str) -> None:
    with pytest.raises(server_turns.UnreadableError):
        server_turns.parse(text)


def test_a_unit_that_nobody_listed_may_run_all_the_same() -> None:
    assert server_turns.turn(["a"], ["b"]) == {"a": False, "b": True}
