"""Medians, spread and ratios of the runs, as JSON and as a page. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from benchmarks.speed.arms import Arm, Timed
from hostproof.judge import statistics

SCHEMA: Final = "hostproof.speed/1"
QUIET_LOAD: Final = 0.5
QUIET_PRESSURE: Final = 10.0
"""Before a run on a machine with nothing else to do; the last run itself leaves some of both."""
OTHERS: Final = ("ansible", "pyinfra")


def figures(runs: Sequence[Timed]) -> dict[str, Any]:
    """Of one arm: seconds, how far they lie apart, and the load that they met."""
    walls = [run.wall_seconds for run in runs]
    spread, interval = statistics.spread(walls), statistics.median_interval(walls)
    return {
        "runs": len(runs),
        "median_seconds": round(interval.value, 3),
        "interval_95_seconds": [_rounded(interval.low), _rounded(interval.high)],
        "quartiles_seconds": [_rounded(spread.first_quartile), _rounded(spread.third_quartile)],
        "range_seconds": [_rounded(spread.low), _rounded(spread.high)],
        "controller_cpu_seconds": round(median(run.cpu_seconds for run in runs), 3),
        "load_before": round(median(run.load for run in runs), 2),
        "pressure_before_percent": round(median(run.waiting for run in runs), 1),
        "wall_seconds": [round(wall, 3) for wall in walls],
    }


def ratios(rounds: Sequence[Mapping[str, Timed]], one: str, other: str) -> dict[str, Any]:
    """How many times as long `other` took as `one`, round by round: what a busy round does to both cancels out."""
    each = [taken[other].wall_seconds / taken[one].wall_seconds for taken in rounds]
    interval = statistics.median_interval(each)
    return {
        "median": round(interval.value, 2),
        "interval_95": [_rounded(interval.low, 2), _rounded(interval.high, 2)],
    }


def result(
    head: Mapping[str, Any],
    arms: Sequence[Arm],
    rounds: Sequence[Mapping[str, Timed]],
    by_hosts: Mapping[int, Sequence[Timed]],
) -> dict[str, Any]:
    """Everything, as it is kept. `by_hosts`: runs of drift by number of hosts."""
    names = [arm.name for arm in arms]
    return {
        "schema": SCHEMA,
        **head,
        "titles": {arm.name: arm.title for arm in arms},
        "arms": {name: figures([taken[name] for taken in rounds]) for name in names},
        "times_as_long": {
            f"{other} / {own}": ratios(rounds, own, other)
            for own in names
            for other in OTHERS
            if own not in OTHERS and other in names
        },
        "drift_by_hosts": {str(count): figures(runs) for count, runs in by_hosts.items()},
    }


def page(kept: Mapping[str, Any]) -> str:
    """Markdown from what `result` made, or from its JSON."""
    lines = [
        f"# {kept['settings']} settings, nothing to change: {kept['kind']}",
        "",
        f"Made by `{kept['command']}` on {kept['date']}; the figures with every run: [{kept['json']}]({kept['json']}).",
        "",
        *(f"- {name}: {value}" for name, value in kept["machine"].items()),
        f"- versions: {', '.join(f'{name} {version}' for name, version in kept['versions'].items())}",
        f"- settings: {kept['what']}",
        "- order: rounds, in each every arm once, begun with another arm each time; each run makes its own ssh connection",
        f"- {_quiet(kept)}",
        "",
        "| arm | median | 95 % interval of the median | fastest to slowest | processor time of the controller |",
        "|---|---|---|---|---|",
        *(_row(kept["titles"][name], found) for name, found in kept["arms"].items()),
        "",
        "| times as long, round by round | median | 95 % interval |",
        "|---|---|---|",
        *(
            f"| {name} | {found['median']} | {_between(found['interval_95'], '')} |"
            for name, found in kept["times_as_long"].items()
        ),
    ]
    if len(kept["drift_by_hosts"]) > 1:
        lines += [
            "",
            "| `./inv drift` over hosts | median | 95 % interval of the median | fastest to slowest | processor time of the controller |",
            "|---|---|---|---|---|",
            *(_row(count, found) for count, found in kept["drift_by_hosts"].items()),
        ]
    return "\n".join([*lines, ""])


def _row(title: str, found: Mapping[str, Any]) -> str:
    interval, whole = found["interval_95_seconds"], found["range_seconds"]
    return (
        f"| {title} | {found['median_seconds']:.2f} s | {_between(interval)} | {_between(whole)} "
        f"| {found['controller_cpu_seconds']:.2f} s |"
    )


def _between(pair: Sequence[float | None], unit: str = " s") -> str:
    low, high = pair
    return "too few runs" if low is None or high is None else f"{low:.2f} to {high:.2f}{unit}"


def _quiet(kept: Mapping[str, Any]) -> str:
    """Whether the seconds can be believed; the load that runs met includes what the run before them left."""
    found = kept["arms"].values()
    loads = [one["load_before"] for one in found]
    waits = [one["pressure_before_percent"] for one in found]
    met = (
        f"before a run the load average was {min(loads)} to {max(loads)}, and something waited for a processor "
        f"{min(waits)} to {max(waits)} % of the time (medians by arm)"
    )
    load, waiting = kept["load_at_start"], kept["pressure_at_start_percent"]
    start = f"load average {load}, waiting {waiting} %"
    if load > QUIET_LOAD or waiting > QUIET_PRESSURE:
        return (
            f"**the machine was busy with other work** at the start ({start}): seconds are too long, and ratios lean towards "
            f"whoever met less of it; {met}"
        )
    return f"the machine was quiet at the start ({start}); {met}"


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
