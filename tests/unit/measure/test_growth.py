"""A cell goes on while its bound lies inside its interval, and stops at the first look where it does not, or when the time is used."""

from __future__ import annotations

from typing import Any

import pytest

from hostproof.measure import config, growth, run
from hostproof.measure.errors import ConfigError
from hostproof.measure.result import Measurement, Result
from hostproof.measure.run import Voice

from . import build
from .conftest import Serve

LOOKS = {"looks": [2, 4, 5], "ranks": {"2": [1, 2], "3": [1, 3], "4": [1, 4], "5": [1, 5]}}
"""Earlier looks than real ones, so that a test takes a second."""


def rule(low: float | None, high: float | None = None, seconds: float = 60.0, **more: Any) -> dict[str, Any]:
    bound = {"cell": "decode", "metric": "generation_throughput", "low": low, "high": high, **more}
    return {**LOOKS, "bounds": [bound], "seconds": seconds}


def measured(serve: Serve, **growing: Any) -> tuple[Result, list[str]]:
    lines: list[str] = []
    raw = build.config(server=build.server(url=serve().url), growth=growing)
    found = run.measure(config.parse(raw), Voice(lines.append, lambda event: None))
    return found, [line for line in lines if line.startswith("cell decode run")]


def speeds(result: Result) -> int:
    found = result.find("decode", "generation_throughput")
    assert found is not None
    return len(found.samples)


def test_what_is_settled_after_its_own_runs_makes_no_more(serve: Serve) -> None:
    result, _ = measured(serve, **rule(low=0.001))
    assert speeds(result) == 2


def test_without_time_for_more_there_are_no_more(serve: Serve) -> None:
    result, _ = measured(serve, **rule(low=0.001, high=0.002, seconds=0.0))
    assert speeds(result) == 2


RULE = growth.parse(rule(low=27.0), "growth")


def speed(*samples: float) -> list[Measurement]:
    return [Measurement("decode", "generation_throughput", samples)]


@pytest.mark.parametrize(
    ("samples", "settled"),
    [
        ((28.0, 29.0), True),
        ((25.0, 26.0), True),
        ((26.0, 28.0), False),
        ((26.0, 28.0, 29.0, 30.0), False),
        ((26.0, 28.0, 29.0), True),
    ],
)
def test_settled_is_an_interval_clear_of_the_bound(samples: tuple[float, ...], settled: bool) -> None:
    assert RULE.settled("decode", speed(*samples)) is settled


def test_a_metric_that_is_not_measured_is_not_waited_for() -> None:
    assert RULE.settled("decode", [])
    assert RULE.settled("another", speed(26.0, 28.0))


def test_only_a_cell_with_a_bound_may_grow() -> None:
    assert (RULE.most("decode"), RULE.most("another"), growth.NONE.most("decode")) == (5, 0, 0)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "growth: must be a mapping"),
        ({**rule(1.0), "look": 1}, "growth.look: unknown key"),
        ({**rule(1.0), "ranks": {"six": [1, 6]}}, "growth.ranks.six: must be a number of runs"),
        ({**rule(1.0), "ranks": {"6": [0, 6]}}, "growth.ranks.6: must be a number of runs"),
        ({**rule(1.0), "ranks": {"6": [1, 7]}}, "growth.ranks.6: must be a number of runs"),
        ({**rule(1.0), "looks": [6]}, "growth.looks: must be numbers of runs that have ranks"),
        (rule(1.0, good="more"), "growth.bounds[0].good: must be higher, lower or null"),
        ({**rule(1.0), "bounds": "x"}, "growth.bounds: must be a list"),
        (rule(None), "growth.bounds[0]: bounds nothing"),
        (rule(float("nan")), "growth.bounds[0].low: must be a number of 0 or more"),
        (rule(1.0, metric="tps"), "growth.bounds[0].metric: unknown metric 'tps'"),
        (rule(1.0, seconds=-1.0), "growth.seconds: must be a number of 0 or more"),
    ],
)
def test_a_rule_that_is_none(raw: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        growth.parse(raw, "growth")
    assert said in str(caught.value)


def test_a_band_that_no_interval_leaves_is_run_to_the_last_look(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule itself is tried above; here it never says yes."""
    monkeypatch.setattr(growth.Rule, "settled", lambda *_: False)
    result, lines = measured(serve, **rule(low=27.0))
    assert speeds(result) == 5
    assert lines[-1].startswith("cell decode run 5/2, not settled yet: ")
    assert result.unfinished == ""
    failures = result.find("decode", "failed_requests")
    assert failures is not None
    assert failures.samples == (0.0,) * 5


def test_more_runs_never_touch_the_deadline(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth.Rule, "settled", lambda *_: False)
    monkeypatch.setattr(run, "SPARE", 1e6)
    result, _ = measured(serve, **rule(low=27.0))
    assert speeds(result) == 2
