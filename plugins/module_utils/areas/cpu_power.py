"""Clock and sleep: governor or energy preference, whichever the driver in use obeys; boost and deep sleep on request."""

from __future__ import annotations

from collections.abc import Mapping

from ..facts.model import Facts
from .base import AUTO, LEAVE, Derived, Draft, Option, Reason, Wishes, nearest, parse

AREA = "cpu_power"
CPU = "/sys/devices/system/cpu"
GOVERNOR_FILES = f"{CPU}/cpufreq/policy*/scaling_governor"
EPP_FILES = f"{CPU}/cpufreq/policy*/energy_performance_preference"
DEEP_SLEEP = "C2"
GROUP = "cpufreq"
GOVERNOR = Option(
    "tuning_governor",
    "str",
    AUTO,
    "cpufreq's governor; auto: performance, unless the driver goes by the energy preference",
)
EPP = Option(
    "tuning_epp",
    "str",
    AUTO,
    "energy performance preference; auto: performance, where the driver has one",
)
BOOST = Option("tuning_boost", "str", LEAVE, "clock above the nominal one", (LEAVE, "on", "off"))
AMD_PSTATE = Option(
    "tuning_amd_pstate",
    "str",
    LEAVE,
    "mode of AMD's own clock driver, from the next boot on",
    (LEAVE, "active", "passive", "guided"),
)
C2 = Option("tuning_c2", "str", LEAVE, "the idle state C2; off only on request", (LEAVE, "on", "off"))
WISHES = (GOVERNOR, EPP, BOOST, AMD_PSTATE, C2)
REASONS: Mapping[str, Reason] = {
    "governor": Reason(
        what="who chooses the clock",
        why="performance holds the highest clock, so that short bursts of prompt work do not start slow",
        source="ROCm mi300x.rst; which governors exist is read from the driver in use",
        effect="no number for LLM decode on EPYC was found; decode is bound by memory, prompt work gains most",
        risk="more power at idle; a cap on heat or power still wins, so look at the clock and not at the word",
        see="cat /sys/devices/system/cpu/cpufreq/policy*/scaling_governor; MHz in /proc/cpuinfo under load",
    ),
    "epp": Reason(
        what="what a processor that chooses its clock itself should prefer",
        why="drivers such as amd-pstate-epp go by this and not by the governor",
        source="kernel amd-pstate.rst; EPYC keeps what its firmware set (commit f9a378f)",
        effect="published: +2 % in a CPU benchmark on EPYC 9654; none for LLM decode",
        risk="more power; under the governor performance the kernel refuses any other value (EBUSY)",
        see="cat /sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference",
    ),
    "boost": Reason(
        what="clock above the nominal one, as heat and power allow",
        why="asked for",
        source="TuneD throughput-performance sets 1; it is the default",
        effect="none measured",
        risk="off: slower. on: nothing that the firmware does not allow",
        see="cat /sys/devices/system/cpu/cpufreq/boost",
    ),
    "amd_pstate": Reason(
        what="whether AMD's driver chooses the clock (passive, guided) or the processor itself (active)",
        why="asked for",
        source="kernel amd-pstate.rst; the default on EPYC 9005 from Linux 6.13 on",
        effect="published: +2 % in a CPU benchmark on EPYC 9654",
        risk="needs CPPC in the firmware, else the boot falls back to acpi-cpufreq; needs a reboot both ways",
        see="cat /sys/devices/system/cpu/amd_pstate/status",
    ),
    "c2": Reason(
        what="the idle state that takes longest to wake from",
        why="asked for: waking takes up to 100 µs, which a chain of small network messages may notice",
        source="ROCm mi300x.rst, for low-latency networks",
        effect="no effect on LLM serving was found",
        risk="more power and heat at idle, and less room for boost; never disable Global C-state in the firmware",
        see="grep . /sys/devices/system/cpu/cpu0/cpuidle/state*/{name,disable}",
    ),
}


def derive(facts: Facts, wishes: Wishes) -> Derived:
    draft = Draft(AREA, facts, REASONS)
    asked = parse(draft, WISHES, wishes)
    _want_clock(draft, asked[GOVERNOR.name], asked[EPP.name])
    _want_boost(draft, asked[BOOST.name])
    _want_amd_pstate(draft, asked[AMD_PSTATE.name])
    _want_c2(draft, asked[C2.name])
    return draft.done()


def _want_clock(draft: Draft, governor: str, epp: str) -> None:
    """The governor first: under `performance` the kernel refuses any preference but performance."""
    power = draft.facts.power
    if not power.driver:
        wished = [word for word in (governor, epp) if word not in (AUTO, LEAVE)]
        if wished:
            draft.refuse("this host has no cpufreq driver", f"{CPU}/cpufreq", _no_clock(draft.facts))
        elif AUTO in (governor, epp):
            draft.note("no cpufreq driver, so no clock is set", f"{CPU}/cpufreq", _no_clock(draft.facts))
        return
    if governor == AUTO:
        governor = LEAVE if power.epp_available else "performance"
    if governor != LEAVE:
        _want_word(draft, "governor", governor, power.governors_available)
    if epp == AUTO:
        epp = "performance" if power.epp_available else LEAVE
    if epp == LEAVE:
        return
    if governor == "performance" and epp != "performance":
        draft.refuse(
            f"the governor performance allows no other preference than performance, and {epp!r} was asked for",
            EPP.name,
            f"Wish {GOVERNOR.name}: powersave, or leave the preference out.",
        )
        return
    _want_word(draft, "epp", epp, power.epp_available)


def _no_clock(facts: Facts) -> str:
    if facts.os.hypervisor:
        return "It is a guest: the clock is set on the machine below it."
    return "Look for CPPC and P-states in the firmware, and for amd_pstate=disable on the command line."


def _want_word(draft: Draft, reason: str, word: str, available: tuple[str, ...]) -> None:
    option, files = {"governor": (GOVERNOR, GOVERNOR_FILES), "epp": (EPP, EPP_FILES)}[reason]
    driver = draft.facts.power.driver
    if not available and reason == "epp":
        draft.refuse(
            f"the driver {driver} has no energy preference", option.name, f"Use {GOVERNOR.name} instead."
        )
    elif available and word not in available:
        mend = f"{nearest(word, available)}It offers {', '.join(available)}."
        draft.refuse(f"the driver {driver} does not offer {word!r}", option.name, mend)
    else:
        draft.want(reason, "sysfs", files, word, group=GROUP, why=f"the driver is {driver}")


def _want_boost(draft: Draft, wish: str) -> None:
    path = draft.facts.power.boost_path
    if wish == LEAVE:
        return
    if not path:
        draft.refuse("no file switches boost here", f"{CPU}/cpufreq/boost", f"Wish {BOOST.name}: leave.")
        return
    on = wish == "on"
    # intel_pstate's file says the opposite.
    draft.want("boost", "sysfs", path, str(int(on != path.endswith("no_turbo"))))


def _want_amd_pstate(draft: Draft, wish: str) -> None:
    cpu = draft.facts.cpu
    if wish == LEAVE:
        return
    if cpu.vendor != "AuthenticAMD" or "cppc" not in cpu.flags:
        draft.refuse(
            "amd_pstate needs an AMD processor with CPPC",
            AMD_PSTATE.name,
            "Switch CPPC on in the firmware, or leave it.",
        )
        return
    draft.want("amd_pstate", "cmdline", "amd_pstate", wish)


def _want_c2(draft: Draft, wish: str) -> None:
    """By the state's name: which number it has depends on the driver."""
    if wish == LEAVE:
        return
    states = draft.facts.power.idle_states
    found = next((state for state in states if state.name == DEEP_SLEEP), None)
    if not found:
        names = ", ".join(state.name for state in states) or "none"
        draft.refuse(f"no idle state is called {DEEP_SLEEP}", C2.name, f"The states here: {names}.")
        return
    path = f"{CPU}/cpu*/cpuidle/state{found.index}/disable"
    draft.want("c2", "sysfs", path, str(int(wish == "off")))
