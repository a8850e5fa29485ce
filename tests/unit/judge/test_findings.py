"""What decides nothing but should be known."""

from __future__ import annotations

from hostproof.judge.findings import findings
from hostproof.measure.result import Agreement, Measurement

from .build import measured, result


def found(*measurements: object, **more: object) -> list[str]:
    return list(findings(result(*measurements, **more)))  # type: ignore[arg-type]


def agreement(metric: str, client: float, server: float) -> Agreement:
    return Agreement("decode", metric, client, server, "server:timings")


def test_a_quiet_host_that_agrees_has_no_findings() -> None:
    steady = (27.0, 27.1, 27.0, 27.2, 27.1, 27.0)
    agreed = (agreement("generation_throughput", 27.0, 27.1),)
    assert found(measured("generation_throughput", steady), agreements=agreed) == []


def test_client_and_server_that_disagree() -> None:
    (said,) = found(agreements=(agreement("generation_throughput", 20.0, 27.0),))
    assert said.startswith("client and server disagree by 25.9% on generation throughput (TG) in decode")


def test_the_client_s_ttft_may_be_longer_by_what_lies_outside_the_server() -> None:
    near = (agreement("ttft", 0.062, 0.058), agreement("prompt_throughput", 1600.0, 1750.0))
    assert found(agreements=near) == []
    far = (agreement("ttft", 0.3, 0.1), agreement("prompt_throughput", 300.0, 900.0))
    assert len(found(agreements=far)) == 2


def test_prompt_throughput_alone_has_no_excuse() -> None:
    assert len(found(agreements=(agreement("prompt_throughput", 1600.0, 1750.0),))) == 1


def test_a_host_that_was_not_idle() -> None:
    (said,) = found(environment={"load_before": "2.02 1.0 0.5", "cores": "2"})
    assert (
        said == "the host was not idle before the start: load 2.02 on 2 cores, so the figures may be too low"
    )
    assert found(environment={"load_before": "0.6 0 0", "cores": "16"}) == [], (
        "a twentieth of 16 cores is 0.8"
    )
    assert found(environment={}) == []


def test_a_host_that_warms_up() -> None:
    rising = [20 + n * 0.1 for n in range(10)]
    (said,) = found(measured("generation_throughput", rising))
    assert "each run resembles the one before" in said


def test_unsteady_runs_are_one_finding() -> None:
    (said,) = found(
        measured("ttft", (0.1, 0.2, 0.1, 0.2, 0.1, 0.2)),
        measured("generation_throughput", (20.0, 30.0, 20.0, 30.0, 20.0, 30.0)),
        measured("generation_throughput", (20.0,) * 6, cell="steady"),
    )
    assert said.startswith("unsteady, so wide intervals")
    assert said.endswith(
        "time to first token (TTFT) in decode 67 %, generation throughput (TG) in decode 40 %"
    )


def test_an_instrument_that_disturbs() -> None:
    telemetry = {"instrument": {"cpu_seconds": 8.0, "wall_seconds": 100.0}}
    assert found(telemetry=telemetry) == ["measuring itself took 8% of one core"]


def test_gaps_of_the_instrument_come_last() -> None:
    said = found(checks=(), gaps=("the GPU was not observed",))
    assert said[0].startswith("no behaviour was checked")
    assert said[-1] == "the GPU was not observed"


def test_far_below_the_ceiling_is_told_with_what_to_look_for() -> None:
    (said,) = found(measured("ceiling_fraction", (0.33, 0.34, 0.35)))
    assert said.startswith("generation reaches 34% in decode of what the memory allows, and 55-70 % is usual")
    assert "CUDA graphs" in said


def test_near_the_ceiling_or_without_one_nothing_is_told() -> None:
    assert found(measured("ceiling_fraction", (0.6,) * 6)) == []
    assert found(Measurement("decode", "ceiling_fraction", (), problem="not known")) == []


def test_what_follows_from_the_figures_is_told_before_what_was_not_seen() -> None:
    said = found(
        findings=("diff writes 112 tokens where whole writes 306",), gaps=("the GPU was not observed",)
    )
    assert said == ["diff writes 112 tokens where whole writes 306", "the GPU was not observed"]
