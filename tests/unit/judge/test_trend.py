"""A host over its runs: like is set beside like, and the run at which a speed changed is named with what else changed."""

from __future__ import annotations

import random

from hostproof.exits import ExitStatus
from hostproof.judge.trend import exit_status, fewest_runs, series
from hostproof.measure.result import Result

from . import build
from .build import measured, result

KERNEL = "6.8.0-49"


def runs(*speeds: float, kernel_from: int = 99) -> list[tuple[str, Result]]:
    chance, found = random.Random(6), []
    for number, speed in enumerate(speeds):
        samples = [chance.gauss(speed, 0.05) for _ in range(6)]
        about = {**result().environment, "kernel": KERNEL if number >= kernel_from else "6.8.0-48"}
        made = result(
            measured("generation_throughput", samples),
            environment=about,
            started=f"2026-11-{number + 1:02}T10",
        )
        found.append((f"run-{number}", made))
    return found


BEFORE, AFTER = [27.0, 27.3, 26.9, 27.1, 27.2, 27.4, 26.8], [24.0, 24.3, 23.9, 24.1, 24.2]


def test_the_run_where_it_changed_is_named_with_what_else_changed_then() -> None:
    (one,) = series(runs(*BEFORE, *AFTER, kernel_from=7))
    (step,) = one.changes
    assert one.points[step.index].run == "run-7"
    assert one.around == ((("kernel", "6.8.0-48", KERNEL),),)
    assert one.is_worse(step)
    assert exit_status([one]) is ExitStatus.NO


def test_a_change_for_the_better_is_no_refusal() -> None:
    (one,) = series(runs(*AFTER, *BEFORE))
    assert not one.is_worse(one.changes[0])
    assert exit_status([one]) is ExitStatus.YES


def test_too_few_runs_say_nothing() -> None:
    found = series(runs(27.0, 24.0))
    assert fewest_runs(found) == 8
    assert exit_status(found) is ExitStatus.INCONCLUSIVE


def test_another_model_or_workload_is_another_series() -> None:
    other = result(measured("generation_throughput", (27.0,) * 6), workload={**build.ONE_CELL, "version": 2})
    found = series([*runs(27.0), ("run-9", other)])
    assert [(each.workload, len(each.points)) for each in found] == [("seed/1", 1), ("seed/2", 1)]
