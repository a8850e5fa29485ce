"""Whatever is wished, an answer comes of it: knobs, refusals or notes, and never a traceback."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostproof.shared import wishes as engine_wishes
from hostproof.shared.areas import every, hugepages
from hostproof.shared.areas.base import Derived, Draft, Option
from hostproof.shared.areas.servers import FIELDS
from hostproof.shared.facts import gather
from hostproof.shared.facts.model import Facts
from hostproof.shared.knob import AREAS
from tests.unit.facts.synthetic import Machine, build

MACHINES = (
    Machine(),
    Machine(nodes=4, smt=True, driver="amd-pstate-epp"),
    Machine(cores=2, driver="", hypervisor=True, gpu=False),
)


def facts_of(machine: Machine) -> Facts:
    with tempfile.TemporaryDirectory() as folder:
        return gather.gather(build(Path(folder), machine))


HOSTS = (*map(facts_of, MACHINES), Facts())
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**19), st.floats(), st.text(max_size=8))
WORDS = st.sampled_from(["2M", "1G", "boot", "runtime", "0", "1", "2-3", 7, 12, 10**9, 10**12])


def near(option: Option) -> st.SearchStrategy[Any]:
    """Mostly something that a field is for, so that more than the first check is reached."""
    return st.one_of(st.sampled_from(option.choices) if option.choices else WORDS, PLAIN)


SERVER = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"])},
    optional={
        **{key: st.sampled_from(option.choices) for key, option in FIELDS.items() if option.choices},
        "memory_bytes": st.sampled_from([0, 10**9, 10**12]),
        "threads": st.integers(0, 20),
        "node": st.sampled_from(["", "0", "3", "0-3", "9", "x"]),
        "user": st.sampled_from(["", "root", "llm", "a b"]),
        "environment": st.just({"OMP_NUM_THREADS": 1}),
        "args": st.just(["--mlock"]),
    },
)
POOL = st.fixed_dictionaries(
    {},
    optional={
        "size": st.sampled_from(["2M", "1G"]),
        "pages": st.integers(0, 10**7),
        "bytes": st.integers(0, 10**13),
        "node": st.integers(0, 4),
        "at": st.sampled_from(["boot", "runtime"]),
        "for": st.just("x"),
    },
)
ENTRY = st.one_of(SERVER, POOL, st.dictionaries(st.sampled_from([*FIELDS, *hugepages.FIELDS, "x"]), PLAIN))
LISTS = {"tuning_servers": SERVER, "tuning_hugepages_pools": POOL}
VALUE = st.one_of(
    PLAIN, st.lists(st.one_of(PLAIN, ENTRY), max_size=3), st.dictionaries(st.text(max_size=5), PLAIN)
)


def meant(option: Option) -> st.SearchStrategy[Any]:
    fits = st.lists(LISTS[option.name], max_size=2) if option.name in LISTS else near(option)
    return st.one_of(fits, fits, fits, VALUE)


PAIRS = st.one_of([st.tuples(st.just(option.name), meant(option)) for option in every.options()])
WISHES = st.one_of(
    st.fixed_dictionaries({"tuning_servers": st.lists(SERVER, max_size=3)}),
    st.lists(PAIRS, max_size=3).map(dict),
)


@settings(max_examples=150, deadline=None)
@given(wishes=WISHES, host=st.sampled_from(HOSTS))
def test_any_wish_has_an_answer(wishes: dict[str, Any], host: Facts) -> None:
    derived = every.derive(host, wishes)
    assert isinstance(derived, Derived)
    for finding in derived.findings:
        assert finding.what
        assert finding.where
        assert finding.mend
    if not derived.refusals:
        # What is not refused here must be acceptable to the engine.
        engine_wishes.check(derived.knobs)


@settings(max_examples=60, deadline=None)
@given(wishes=WISHES)
def test_the_same_wishes_make_the_same_knobs(wishes: dict[str, Any]) -> None:
    assert repr(every.derive(HOSTS[1], wishes)) == repr(every.derive(HOSTS[1], wishes))


def test_the_areas_are_the_engine_s() -> None:
    assert tuple(area.AREA for area in every.AREAS) == AREAS


def test_only_named_areas_are_derived() -> None:
    assert {knob.area for knob in every.derive(HOSTS[1], {}, ["numa"]).knobs} == {"numa"}


def test_two_areas_that_want_one_setting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def also(facts: Facts, wishes: object) -> Derived:
        draft = Draft("limits", facts, hugepages.REASONS)
        draft.want("thp", "sysctl", "vm.swappiness", "60")
        return draft.done()

    monkeypatch.setattr(every.limits, "derive", also)
    (refusal,) = every.derive(HOSTS[0], {}).refusals
    assert "sysctl:vm.swappiness is wanted twice: numa wants '10', limits wants '60'" in refusal.what


def test_wishes_carry_the_role_s_name_and_a_help() -> None:
    for option in every.options():
        assert option.name.startswith("tuning_")
        assert option.help
        assert not option.choices or option.default in option.choices


@pytest.mark.parametrize(("size", "pages"), [(0, 0), (1, 1), (2097152, 2), (100 * 2097152, 102)])
def test_pages_hold_the_bytes_and_two_in_a_hundred_more(size: int, pages: int) -> None:
    assert hugepages.pages_for(size, 2048) == pages


def with_a_far_node() -> Facts:
    """One node with CPUs and one of memory alone, as CXL or a GPU brings it."""
    (near,) = HOSTS[0].numa.nodes
    far = dataclasses.replace(near, id=1, cpus="", memory_bytes=64 * 1024**3)
    return dataclasses.replace(HOSTS[0], numa=dataclasses.replace(HOSTS[0].numa, nodes=(near, far)))


def test_memory_without_cpus_gets_a_pool_only_by_name() -> None:
    """The host's one count would be spread over both nodes by the kernel."""
    leave = {"tuning_thp": "leave"}
    for entry, key in (({"pages": 4}, "node0/2048kB"), ({"pages": 4, "node": 1}, "node1/2048kB")):
        derived = hugepages.derive(with_a_far_node(), {**leave, "tuning_hugepages_pools": [entry]})
        assert [knob.key for knob in derived.knobs] == [key]
        assert derived.refusals == ()


def test_weights_are_not_interleaved_onto_memory_without_cpus() -> None:
    (placement,) = every.derive(with_a_far_node(), {"tuning_servers": [{"name": "a"}]}).placements
    assert (placement.policy, placement.nodes) == ("", "")
