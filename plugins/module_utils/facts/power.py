"""Clock and sleep: cpufreq's driver, governors, energy preference, boost, and the idle states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from .model import IdleState, Power
from .tree import Tree

CPU = "/sys/devices/system/cpu"
CPUFREQ = f"{CPU}/cpufreq"
BOOST_FILES = ((f"{CPUFREQ}/boost", 1), (f"{CPU}/intel_pstate/no_turbo", 0))
"""A file that switches boost, and what it holds when boost is on."""


def read(tree: Tree) -> Power:
    policies = _policies(tree)
    boost, boost_path = _boost(tree)
    first = policies[0] if policies else ""
    return Power(
        driver=tree.text(f"{first}/scaling_driver") if first else "",
        policies=len(policies),
        governors=_counted(tree, policies, "scaling_governor"),
        governors_available=_words(tree, first, "scaling_available_governors"),
        epp=_counted(tree, policies, "energy_performance_preference"),
        epp_available=_words(tree, first, "energy_performance_available_preferences"),
        boost=boost,
        boost_path=boost_path,
        amd_pstate=tree.text(f"{CPU}/amd_pstate/status"),
        minimum_khz=tree.count(f"{first}/scaling_min_freq") if first else 0,
        maximum_khz=tree.count(f"{first}/scaling_max_freq") if first else 0,
        idle_driver=tree.text(f"{CPU}/cpuidle/current_driver"),
        idle_governor=tree.text(f"{CPU}/cpuidle/current_governor")
        or tree.text(f"{CPU}/cpuidle/current_governor_ro"),
        idle_states=_idle_states(tree),
    )


def _policies(tree: Tree) -> tuple[str, ...]:
    """Folders of the clock policies; kernels before 4.3 keep one in each CPU's folder."""
    named = tuple(f"{CPUFREQ}/{name}" for name in tree.names(CPUFREQ, r"policy[0-9]{1,6}"))
    if named:
        return named
    cpus = (f"{CPU}/{name}/cpufreq" for name in tree.names(CPU, r"cpu[0-9]{1,6}"))
    return tuple(folder for folder in cpus if tree.text(f"{folder}/scaling_driver"))


def _counted(tree: Tree, folders: Iterable[str], name: str) -> Mapping[str, int]:
    values = (tree.text(f"{folder}/{name}") for folder in folders)
    return dict(sorted(Counter(value for value in values if value).items()))


def _words(tree: Tree, folder: str, name: str) -> tuple[str, ...]:
    return tuple(tree.text(f"{folder}/{name}").split()) if folder else ()


def _boost(tree: Tree) -> tuple[bool | None, str]:
    for path, on in BOOST_FILES:
        value = tree.number(path)
        if value is not None:
            return value == on, path
    return None, ""


def _idle_states(tree: Tree) -> tuple[IdleState, ...]:
    """As CPU 0 names them; on how many CPUs each is switched off."""
    folder = f"{CPU}/cpu0/cpuidle"
    names = tree.names(folder, r"state[0-9]{1,2}")
    if not names:
        return ()
    cpus = tree.names(CPU, r"cpu[0-9]{1,6}")
    return tuple(
        IdleState(
            name=tree.text(f"{folder}/{name}/name"),
            latency_us=tree.count(f"{folder}/{name}/latency"),
            disabled_on=sum(bool(tree.count(f"{CPU}/{cpu}/cpuidle/{name}/disable")) for cpu in cpus),
            index=int(name[5:]),
        )
        for name in names
    )
