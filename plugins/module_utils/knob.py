"""One kernel setting, from what is wanted of it to what became of it. Types only: pure, frozen, standard library.

An area (`areas/`) makes knobs from facts and wishes and opens no file. A kind (`kinds/`) reads and writes one sort of
setting and knows no reasons. The engine stands between them. `(kind, key)` is a knob's identity:

| kind | key | wanted |
|---|---|---|
| `sysctl` | `vm.swappiness`, as sysctl(8) writes it | `10` |
| `sysfs` | absolute path or glob: `/sys/devices/system/cpu/cpufreq/policy*/scaling_governor` | the word itself, without brackets |
| `pool` | `node0/2048kB`, or `global/2048kB`: one or the other for a size | pages |
| `cmdline` | a word's name: `iommu`, `nosmt`; a pair that counts together: `hugepagesz=1G hugepages` | what follows `=`, or nothing |
| `modprobe` | `<module> <option>` | the option's value |
| `limit` | `system/DefaultLimitMEMLOCK`, `user/DefaultLimitMEMLOCK` | `infinity` or bytes |
| `limit` | `limits.d/<user>/memlock` | `unlimited` or KiB |
| `environment` | `irqbalance.service IRQBALANCE_BANNED_CPULIST`: a unit and a variable that it is started with | the value |
| `packages` | `nvidia` | the driver's packages, one a line: name, version, `hold` |
| `file` | the path of a drop-in file that is one setting as a whole | its text |
| `boot_unit` | a unit that has no [Install] of its own | `started` |
| `gpu` | `GPU-<uuid>/power_limit`, `GPU-<uuid>/clocks` | watts; `300,2400` MHz |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

AREAS = ("hugepages", "numa", "cpu_power", "kernel_cmdline", "limits")
"""Areas of tuning."""
GPU_AREAS = ("nvidia_driver", "gpu_power")
"""Areas of the driver, which come after it is there (docs/decisions/0010-gpu-areas.md)."""
OWNERS = (*AREAS, *GPU_AREAS)
"""Who wants knobs; `undo --only` takes these words."""
STANDS_ON = {"nvidia_driver": ("gpu_power",)}
"""Area → areas that go with it when it is undone: without a driver nobody can set a limit back."""

Layer = Literal["live", "persisted", "booted"]
"""`live`: in the kernel now. `persisted`: what the next boot will set. `booted`: what this boot was started with."""
LAYERS: tuple[Layer, ...] = ("live", "persisted", "booted")

Problem = Literal["", "absent", "unsupported", "unreadable"]
"""Why there is no value: nothing is set there, the host has no such setting, or it could not be read."""

State = Literal[
    "ok",  # every layer is as wanted
    "pending",  # differs; would be changed (plan, drift)
    "changed",  # was changed, and read back as wanted
    "needs-reboot",  # persisted; only a boot brings it about
    "ignored-by-workload",  # as wanted, and the caller has evidence that nobody uses it
    "unsupported",  # the host has no such setting, or it is read-only here: a difference that cannot be closed
    "short",  # the kernel gave less than asked
    "foreign",  # somebody else's value or file stands there
    "orphan",  # set by an earlier run, wanted no more, not yet undone
    "refused",  # the kernel, the file system or a command said no
]
"""From best to worst: a knob's state is the worst of what holds for it."""
STATES: tuple[State, ...] = (
    *("ok", "pending", "changed", "needs-reboot", "ignored-by-workload", "unsupported", "short", "foreign"),
    *("orphan", "refused"),
)


class KnobError(Exception):
    """A wish or a host that cannot be worked with, found before anything is written: what, where, how to mend it."""

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        super().__init__(f"{what} ({where}). {mend}")


@dataclass(frozen=True)
class Knob:
    """One kernel setting that is wanted, with its reasons."""

    area: str
    """Who wants it: one of OWNERS. Undo takes it as FAMILY."""
    kind: str
    key: str
    wanted: str
    why: str
    source: str
    """Where the value comes from: a document, a measurement, a rule."""
    risk: str = ""
    """What it may cost; empty if nothing is known."""
    effect: str = ""
    """How much it is worth, as far as it was measured."""
    group: str = ""
    """Knobs of one group are coupled: applied in the order in which they are listed, restored together in reverse."""
    reason: str = ""
    """The name of its reason in its area (`governor`, `thp`); empty for a knob that was given as it is."""

    @property
    def name(self) -> str:
        """`kind:key`, as evidence, results and the journal name it."""
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True)
class Seen:
    """A normalised value, or the reason why there is none; never a bare None."""

    text: str = ""
    problem: Problem = ""
    detail: str = field(default="", compare=False)
    """For a person: the path, and why it could not be read or written."""
    owner: str = field(default="", compare=False)
    """Persisted layer: the file whose line wins."""

    def __str__(self) -> str:
        return f"({self.problem})" if self.problem else self.text


@dataclass(frozen=True)
class Observation:
    """A knob beside what is there. A layer that its kind lacks is not in `seen`."""

    knob: Knob
    seen: Mapping[Layer, Seen]
    """One value a layer; where a glob's files differ, every value with how often it stands there."""
    places: Mapping[str, Seen] = field(default_factory=dict)
    """Live layer, by path: one for each file that a glob names."""


@dataclass(frozen=True)
class Change:
    """One write. The layer `booted` is never written: there it means "reboot"."""

    knob: Knob
    layer: Layer
    place: str
    """Live: the file's path. Persisted: the knob's name."""
    before: Seen
    after: Seen


@dataclass(frozen=True)
class Outcome:
    """What became of one knob in a run."""

    knob: Knob
    state: State
    seen: Mapping[Layer, Seen]
    """As read back after everything."""
    detail: str = ""
    """Why the state is what it is; empty if there is nothing to add."""
    changed: bool = False
    """Whether anything was written (would be, in check mode) that made a difference."""


@dataclass(frozen=True)
class Row:
    """One line of drift: a knob with all its values."""

    area: str
    kind: str
    key: str
    wanted: str
    """Empty for an orphan."""
    live: str
    persisted: str
    booted: str
    first: Mapping[str, str]
    """Layer (for a glob: path) → what stood there before hostproof ever touched it; empty if it never did."""
    state: State
    owner: str = ""
    """The file that decides the persisted value."""
    detail: str = ""


def worst(*states: State) -> State:
    """The state that decides when several hold."""
    return max(states, key=STATES.index, default="ok")


def brief(text: str) -> str:
    """A value in a sentence: of one that has several lines, the first and how many there are."""
    first, newline, rest = text.partition("\n")
    return f"{first} … ({1 + len(rest.splitlines())} lines)" if newline else text
