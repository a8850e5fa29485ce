"""Places on a plot: inside it, in order, with round ticks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hostproof.report.scale import EDGE, around, around_log

VALUES = st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=20)


@given(VALUES)
def test_every_value_has_its_place_inside(values: list[float]) -> None:
    scale = around(values)
    places = [scale.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(EDGE <= place <= 100 - EDGE for place in places)


@given(VALUES)
def test_ticks_lie_inside_and_are_not_too_many(values: list[float]) -> None:
    scale = around(values)
    ticks = scale.ticks()
    air = (scale.high - scale.low) * 1e-6
    assert all(scale.low - air <= tick <= scale.high + air for tick in ticks)
    assert len(ticks) <= 8


def test_ticks_are_round() -> None:
    assert around([0.0, 10.0], zero=True).ticks() == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]


def test_nothing_measured_is_below_zero() -> None:
    assert around([0.0, 1.0]).low == 0.0


@given(st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1, max_size=20))
def test_on_a_scale_of_ratios_values_keep_their_order_and_equal_ratios_are_equally_far(
    values: list[float],
) -> None:
    scale = around_log([*values, 1.0])
    places = [scale.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(EDGE <= place <= 100 - EDGE for place in places)
    assert all(scale.low * 0.99 <= tick <= scale.high * 1.01 for tick in scale.ticks())


def test_half_and_double_are_equally_far() -> None:
    scale = around_log([0.5, 1.0, 2.0])
    assert abs(2 * scale.place(1.0) - scale.place(0.5) - scale.place(2.0)) < 0.02
