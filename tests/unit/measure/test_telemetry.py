from __future__ import annotations

from dataclasses import replace

import pytest

from hostproof.measure import telemetry
from hostproof.measure.telemetry import Seen, between, during
from hostproof.measure.ticks import Tick


def tick(at: float, busy: tuple[int, ...] = (0, 0), **more: object) -> Tick:
    """Of a host with two cores; a second is 100 ticks."""
    total = tuple(round(at * 100) for _ in busy)
    wanted = {"steal": 0, "server": 0, "instrument": 0} | more
    return Tick(at=at, busy=busy, total=total, **wanted)  # type: ignore[arg-type]


def test_others_are_what_neither_the_server_nor_the_instrument_used() -> None:
    seen = between([tick(0), tick(10, (900, 600), server=1000, instrument=100, steal=50)])
    assert seen.busy_cores == pytest.approx(1.5)
    assert seen.server_cores == pytest.approx(1.0)
    assert seen.others_cores == pytest.approx(0.4)
    assert seen.steal_cores == pytest.approx(0.05)


def test_a_server_that_is_not_known_leaves_others_untold() -> None:
    seen = between([tick(0, server=None), tick(10, (900, 600), server=None)])
    assert (seen.server_cores, seen.others_cores, seen.contended) == (None, None, "")


def test_waiting_is_a_share_of_the_time() -> None:
    seen = between([tick(0, psi={"cpu": 1_000_000}), tick(10, psi={"cpu": 3_500_000})])
    assert seen.waited == {"cpu": 0.25}


@pytest.mark.parametrize(
    ("others", "waited", "contended"),
    [(0.5, 0.4, True), (0.5, 0.05, False), (0.05, 0.4, False)],
    ids=["takes a core that others wait for", "nobody waits", "takes next to nothing"],
)
def test_a_neighbour_counts_if_it_takes_much_and_somebody_waits(
    others: float, waited: float, *, contended: bool
) -> None:
    seen = Seen(10, 2.0, 2, server_cores=1.5, others_cores=others, waited={"cpu": waited})
    assert bool(seen.contended) is contended


def test_the_reason_has_the_figures_in_it() -> None:
    seen = Seen(10, 2.0, 2, server_cores=1.4, others_cores=0.5, steal_cores=0.25, waited={"cpu": 0.4})
    assert seen.contended == (
        "others took 0.50 of 2 cores, 0.25 of them stolen by the hypervisor, "
        "and somebody waited for a core 40% of the time"
    )


def test_without_pressure_a_full_machine_is_the_sign() -> None:
    full = Seen(10, 1.99, 2, server_cores=1.5, others_cores=0.4)
    assert full.contended
    assert not replace(full, busy_cores=1.2).contended


def test_memory_that_is_short_makes_a_run_contended() -> None:
    seen = Seen(10, 1.0, 2, server_cores=1.0, others_cores=0.0, waited={"memory": 0.2})
    assert seen.contended == "memory was short: somebody waited for it 20% of the time"


def test_the_clock_under_load_is_that_of_busy_cores() -> None:
    seen = between([tick(0, mhz=(800, 800)), tick(1, (95, 3), mhz=(4000, 1200))])
    assert seen.mhz == 4000


def test_an_idle_host_shows_no_clock_under_load() -> None:
    assert between([tick(0, mhz=(800, 800)), tick(1, (3, 3), mhz=(900, 900))]).mhz is None


def gpu(joules: float, mhz: float, celsius: float, throttle: int = 0) -> dict[str, float]:
    return {"energy_joules": joules, "graphics_mhz": mhz, "celsius": celsius, "throttle": throttle}


def test_gpus_give_energy_together_and_the_slowest_ones_clock() -> None:
    before = tick(0, gpus=(gpu(100, 2400, 50), gpu(10, 2400, 50)))
    after = tick(10, gpus=(gpu(600, 2400, 60, 0x1), gpu(110, 1000, 80, 0x24)), rapl=None)
    seen = between([before, after])
    assert (seen.gpu_joules, seen.gpu_mhz, seen.celsius) == (600, 1700, 80)
    assert seen.throttles == ("power cap", "thermal (software)")
    assert seen.joules == 600


def test_energy_is_added_up_over_what_the_host_tells() -> None:
    seen = between([tick(0, rapl=0.0), tick(10, rapl=250.0)])
    assert (seen.cpu_joules, seen.gpu_joules, seen.joules) == (250.0, None, 250.0)
    assert between([tick(0), tick(10)]).joules is None


def test_a_window_is_seen_from_the_look_before_it_to_the_look_after() -> None:
    looks = [tick(at / 5, (at, 0)) for at in range(50)]
    seen = during(looks, (2.1, 4.3))
    assert seen is not None
    assert seen.seconds == pytest.approx(4.4 - 2.0)


def test_a_window_without_looks_is_not_seen() -> None:
    assert during([], (0, 1)) is None
    assert during([tick(0)], (0, 1)) is None


def test_series_have_room_for_so_many_points_and_leave_out_what_nobody_told() -> None:
    looks = [tick(at / 5, (at * 10, 0), server=at * 10) for at in range(1001)]
    told = telemetry.series(looks, looks[0].at, most=100)
    assert len(told["seconds"]) == 100
    assert told["seconds"][-1] == 200.0
    assert told["busy_cores"][50] == pytest.approx(0.5)
    assert not {"gpu_watts", "cpu_watts", "mhz"} & set(told)


def test_the_heat_map_has_each_core_in_percent() -> None:
    looks = [tick(at, (at * 50, at * 100)) for at in range(4)]
    assert telemetry.heat(looks) == [[50, 50, 50], [100, 100, 100]]
    assert telemetry.heat([]) == []
