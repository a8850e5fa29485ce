"""The driver's kinds under the engine: set, read back, persisted, killed anywhere, taken back. apt, systemd and nvidia-smi are played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hostproof.shared import drifting, engine, undoing
from hostproof.shared.families import BOOT_UNITS, DRIVER_PINS, GPU_SETTINGS, GPU_UNIT, PERSISTENCED
from hostproof.shared.host import CommandError
from hostproof.shared.kinds import gpu, packages
from hostproof.shared.knob import Knob, KnobError
from hostproof.shared.nvidia import files, package_set
from hostproof.shared.nvidia.package_set import One
from hostproof.shared.wishes import check
from tests.unit.knobs.fake_host import FakeHost, KilledError, everything, put
from tests.unit.nvidia.build import NEWER, OLDER

DPKG = "/var/lib/dpkg/status"
UUID = "GPU-16c1a634-0275-533a-9b6c-eccdffd6c5e1"
CARD = "/run/card"
BOOT = "11111111-2222-3333-4444-555555555555"
KERNELS = {"linux-generic": ("6.8.0-87.88", "install"), "linux-image-generic": ("6.8.0-87.88", "install")}


class DriverHost(FakeHost):
    """dpkg's list is real, apt is a few lines; nvidia-smi answers from a file."""

    breaks: str = ""
    """A package that apt stops at."""
    clears: bool = False
    """nvidia-smi goes with its package."""
    deaf: bool = False
    """The card takes no limit, and nvidia-smi ends with 0."""

    def dpkg(self) -> dict[str, tuple[str, str]]:
        found = {}
        for stanza in self.read(DPKG).split("\n\n"):
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
            if fields:
                found[fields["Package"]] = (fields["Version"], fields["Status"].split()[0])
        return found

    def write(self, listing: dict[str, tuple[str, str]]) -> None:
        stanzas = [
            f"Package: {n}\nStatus: {s} ok installed\nVersion: {v}\n" for n, (v, s) in sorted(listing.items())
        ]
        put(self, DPKG, "\n".join(stanzas))

    def command(self, argv: Sequence[str], seconds: float = 0, *, lines: int = 3) -> str:
        self.commands.append(tuple(argv))
        if argv[0] == "apt-mark":
            listing = self.dpkg()
            self.write(
                {
                    n: (v, argv[1].replace("unhold", "install") if n in argv[2:] else s)
                    for n, (v, s) in listing.items()
                }
            )
        elif argv[0] == "apt-get" and "install" in argv:
            self._install(argv[argv.index("install") + 1 :])
        elif argv[0] == "nvidia-smi":
            return self._card(argv)
        return ""

    def _install(self, words: Sequence[str]) -> None:
        listing = self.dpkg()
        for word in words:
            name, equals, version = word.partition("=")
            if name == self.breaks:
                raise CommandError(f"apt-get ended with 100: E: {name} is broken")
            if equals:
                listing[name] = (version, listing.get(name, ("", "install"))[1])
            else:
                listing.pop(name.removesuffix("-"), None)
            self.write(listing)
            if self.clears and name == "nvidia-utils-580-server-":
                self.at("/usr/bin/nvidia-smi").unlink()

    def _card(self, argv: Sequence[str]) -> str:
        if not self.exists(CARD):
            raise CommandError("nvidia-smi ended with 9: it couldn't communicate with the NVIDIA driver")
        if argv[3] == "-pl":
            if not 250 <= float(argv[4]) <= 325:
                raise CommandError("nvidia-smi ended with 2: should be between 250.00 W and 325.00 W")
            if self.deaf:
                return "Changing power management limit is not supported for GPU: 0.\nTreating as warning and moving on.\n"
            put(self, CARD, argv[4])
        return f"{float(self.read(CARD)):.2f}\n" if self.read(CARD) != "[N/A]" else "[N/A]\n"


@pytest.fixture
def host(tmp_path: Path) -> DriverHost:
    return fresh(tmp_path)


def fresh(root: Path, card: str = "300") -> DriverHost:
    made = DriverHost(root)
    put(made, "/proc/sys/kernel/random/boot_id", f"{BOOT}\n")
    put(made, "/usr/bin/systemctl", "")
    put(made, "/usr/bin/nvidia-smi", "")
    put(made, CARD, card)
    made.write(KERNELS)
    return made


def driver(version: str) -> dict[str, One]:
    names = (
        "nvidia-utils-580-server",
        "libnvidia-compute-580-server",
        "linux-modules-nvidia-580-server-open-generic",
    )
    return package_set.frozen({name: One(f"{version}-1") for name in names}, KERNELS)


def knob(kind: str, key: str, wanted: str, area: str = "nvidia_driver") -> Knob:
    return Knob(area, kind, key, wanted, "why", "source")


def the_set(version: str) -> Knob:
    return knob("packages", "nvidia", package_set.render(driver(version)))


LIMIT = knob("gpu", f"{UUID}/power_limit", "275", "gpu_power")
CLOCKS = knob("gpu", f"{UUID}/clocks", "300,2400", "gpu_power")
TEMPLATE = knob("file", GPU_UNIT.path, files.GPU_UNIT, "gpu_power")
INSTANCE = knob("boot_unit", f"hostproof-gpu@{UUID}.service", "started", "gpu_power")
DAEMON = knob("file", PERSISTENCED.path, files.persistence(""))
AT_BOOT = knob("boot_unit", "nvidia-persistenced.service", "started")
ALL = (the_set(OLDER), DAEMON, AT_BOOT, TEMPLATE, INSTANCE, LIMIT, CLOCKS)


def states(report: engine.Report) -> dict[str, str]:
    return {outcome.knob.key: outcome.state for outcome in report.outcomes}


def test_the_set_is_installed_held_and_pinned_in_one_go_and_once(host: DriverHost) -> None:
    assert engine.apply(host, [the_set(OLDER)], "run-1").changed
    assert packages.installed(host) == driver(OLDER)
    assert package_set.parse(files.set_in(host.read(DRIVER_PINS.path))) == driver(OLDER)
    installs = [one for one in host.commands if one[0] == "apt-get"]
    assert len(installs) == 1
    again = engine.apply(host, [the_set(OLDER)], "run-2")
    assert not again.changed and states(again) == {"nvidia": "ok"}


def test_an_upgrade_keeps_what_stood_there_first_and_undo_goes_back_to_it(host: DriverHost) -> None:
    before = host.dpkg()
    engine.apply(host, [the_set(OLDER)], "run-1")
    engine.apply(host, [the_set(NEWER)], "run-2")
    assert host.dpkg()["nvidia-utils-580-server"] == (f"{NEWER}-1", "hold")
    undoing.undo(host, "run-3", only=["nvidia_driver"])
    assert host.dpkg() == before and not host.exists(DRIVER_PINS.path)


def test_a_driver_that_was_there_before_comes_back(host: DriverHost) -> None:
    old = {
        "nvidia-utils-570-server": ("570.1-1", "hold"),
        "libnvidia-compute-570-server": ("570.1-1", "install"),
    }
    host.write({**KERNELS, **old})
    engine.apply(host, [the_set(OLDER)], "run-1")
    assert "nvidia-utils-570-server" not in host.dpkg()
    undoing.undo(host, "run-2")
    assert host.dpkg() == {**KERNELS, **old}, "versions, and what the owner of the host held"


def test_apt_that_refuses_is_refused_with_its_words_and_nothing_is_pinned(host: DriverHost) -> None:
    host.breaks = "nvidia-utils-580-server"
    (outcome,) = engine.apply(host, [the_set(OLDER)], "run-1").outcomes
    assert outcome.state == "refused" and "E: nvidia-utils-580-server is broken" in outcome.detail
    assert not host.exists(DRIVER_PINS.path), "a pin without its packages"
    host.breaks = ""
    assert states(engine.apply(host, [the_set(OLDER)], "run-2")) == {"nvidia": "changed"}


def test_what_somebody_upgraded_by_hand_stays_and_is_said(host: DriverHost) -> None:
    engine.apply(host, [the_set(OLDER)], "run-1")
    host.write({**host.dpkg(), "nvidia-utils-580-server": (f"{NEWER}-1", "hold")})
    (row,) = drifting.drift(host, [the_set(OLDER)])[0]
    assert row.state == "foreign" and "lines)" in row.detail and "\n" not in row.detail
    (outcome,) = undoing.undo(host, "run-2").outcomes
    assert outcome.state == "foreign" and "nvidia-utils-580-server" in host.dpkg()
    undoing.undo(host, "run-3", force=True)
    assert host.dpkg() == KERNELS


def picture(host: DriverHost) -> dict[str, object]:
    """All but the journal, and half-made notes below /run; dpkg's list lies beside it."""
    there = {
        path: about
        for path, about in everything(host).items()
        if not (path == gpu.NOTES or path.startswith(f"{gpu.NOTES}/."))
    }
    return {**there, "dpkg": host.dpkg()}


def killing(number: int) -> Callable[[int, str], None]:
    def watch(deed: int, moment: str) -> None:
        if deed == number and moment == "after":
            raise KilledError

    return watch


def test_killed_at_every_deed_undo_restores_everything(tmp_path: Path) -> None:
    counting = fresh(tmp_path / "count")
    engine.apply(counting, ALL, "run")
    for number in range(1, len(counting.deeds) + 1):
        host = fresh(tmp_path / str(number))
        start = picture(host)
        host.watch = killing(number)
        with pytest.raises(KilledError):
            engine.apply(host, ALL, "run-1")
        again = DriverHost(host.root)
        undoing.undo(again, "run-2")
        assert picture(again) == start, f"killed after deed {number}: {host.deeds[-1]}"


def test_an_undo_killed_at_every_deed_is_finished_by_the_next(tmp_path: Path) -> None:
    counting = fresh(tmp_path / "count")
    engine.apply(counting, ALL, "run")
    deeds = len(counting.deeds)
    undoing.undo(counting, "undo")
    for number in range(1, len(counting.deeds) - deeds + 1, 2):
        host = fresh(tmp_path / str(number))
        start = picture(host)
        engine.apply(host, ALL, "run-1")
        dying = DriverHost(host.root)
        dying.watch = killing(number)
        with pytest.raises(KilledError):
            undoing.undo(dying, "run-2")
        again = DriverHost(host.root)
        if "nvidia-utils-580-server" not in again.dpkg():
            # As on a host: with its package the program is gone.
            again.at("/usr/bin/nvidia-smi").unlink()
        report = undoing.undo(again, "run-3")
        assert {outcome.state for outcome in report.outcomes} <= {"ok", "changed"}, report.outcomes
        left = {path: about for path, about in picture(again).items() if "nvidia-smi" not in path}
        assert left == {path: about for path, about in start.items() if "nvidia-smi" not in path}, (
            dying.deeds[-1]
        )


def test_killed_at_every_deed_the_next_run_goes_on(tmp_path: Path) -> None:
    counting = fresh(tmp_path / "count")
    engine.apply(counting, ALL, "run")
    wanted = picture(counting)
    for number in range(1, len(counting.deeds) + 1, 3):
        host = fresh(tmp_path / str(number))
        host.watch = killing(number)
        with pytest.raises(KilledError):
            engine.apply(host, ALL, "run-1")
        again = DriverHost(host.root)
        engine.apply(again, ALL, "run-2")
        assert picture(again) == wanted, f"killed after deed {number}: {host.deeds[-1]}"


# Power and clocks


def test_a_limit_is_set_by_uuid_persisted_and_taken_back(host: DriverHost) -> None:
    engine.apply(host, [TEMPLATE, INSTANCE, LIMIT, CLOCKS], "run-1")
    assert host.read(CARD) == "275" and host.read(f"{gpu.NOTES}/{UUID}") == "300,2400\n"
    assert host.read(GPU_SETTINGS.path).splitlines()[-2:] == [
        f"{UUID} power_limit 275",
        f"{UUID} clocks 300,2400",
    ]
    assert f"Wants={INSTANCE.key}" in host.read(BOOT_UNITS.path)
    assert not engine.apply(host, [TEMPLATE, INSTANCE, LIMIT, CLOCKS], "run-2").changed
    undoing.undo(host, "run-3", only=["gpu_power"])
    assert host.read(CARD) == "300" and ("nvidia-smi", "-i", UUID, "-rgc") in host.commands
    assert not any(
        host.exists(path)
        for path in (GPU_SETTINGS.path, BOOT_UNITS.path, GPU_UNIT.path, f"{gpu.NOTES}/{UUID}")
    )


def test_the_driver_takes_what_stands_on_it_along_when_it_is_undone(host: DriverHost) -> None:
    engine.apply(host, ALL, "run-1")
    undone = undoing.undo(host, "run-2", only=["nvidia_driver"])
    assert {outcome.knob.area for outcome in undone.outcomes} == {"nvidia_driver", "gpu_power"}
    order = [one[0] for one in host.commands if "install" in one or "-pl" in one]
    assert order[-2:] == ["nvidia-smi", "apt-get"], "limits go back while there is a driver to set them"
    assert host.read(CARD) == "300"


def test_limits_that_went_back_before_the_driver_are_no_trouble_when_it_is_gone(host: DriverHost) -> None:
    engine.apply(host, ALL, "run-1")
    host.clears = True
    undone = undoing.undo(host, "run-2")
    assert not host.exists("/usr/bin/nvidia-smi")
    assert {outcome.state for outcome in undone.outcomes} <= {"ok", "changed"}, states(undone)
    assert host.read(CARD) == "300"
    assert not undoing.undo(host, "run-3").changed


def test_a_limit_that_nvidia_smi_refuses_is_refused_with_the_range_and_not_persisted(
    host: DriverHost,
) -> None:
    (outcome,) = engine.apply(host, [knob("gpu", f"{UUID}/power_limit", "900")], "run-1").outcomes
    assert outcome.state == "refused" and "between 250.00 W and 325.00 W" in outcome.detail
    assert not host.exists(GPU_SETTINGS.path)


@pytest.mark.parametrize(
    ("card", "says"), [("[N/A]", "has no power limit that can be set"), ("", "does not answer")]
)
def test_a_card_without_one_is_unsupported(tmp_path: Path, card: str, says: str) -> None:
    host = fresh(tmp_path, card or "300")
    if not card:
        host.at(CARD).unlink()
    (outcome,) = engine.apply(host, [LIMIT], "run-1").outcomes
    assert outcome.state == "unsupported" and says in outcome.detail
    assert not host.exists(GPU_SETTINGS.path)


def test_a_limit_that_does_not_hold_is_refused_and_not_persisted(host: DriverHost) -> None:
    host.deaf = True
    (outcome,) = engine.apply(host, [LIMIT], "run-1").outcomes
    assert outcome.state == "refused"
    assert "asked 275, reads back 300; nvidia-smi said: Changing power management limit" in outcome.detail
    assert not host.exists(GPU_SETTINGS.path), "it would be an error at every boot"


def test_after_a_boot_the_card_s_own_limit_is_nobody_s_change(host: DriverHost) -> None:
    engine.apply(host, [LIMIT], "run-1")
    put(host, "/proc/sys/kernel/random/boot_id", "22222222-2222-3333-4444-555555555555\n")
    put(host, CARD, "300")
    (row,) = drifting.drift(host, [LIMIT])[0]
    assert row.state == "pending" and (row.live, row.persisted) == ("300", "275")


# Refusals


@pytest.mark.parametrize(
    ("kind", "key", "wanted", "says"),
    [
        ("packages", "amd", "none", "no set of packages that is known"),
        ("packages", "nvidia", "bash 5 hold", "no package and version of the driver"),
        ("packages", "nvidia", "nvidia-utils-580 1 hold half-installed", "half-installed"),
        ("file", "/etc/passwd", "x", "is no file of ours"),
        ("file", GPU_UNIT.path, " ", "has no text"),
        ("boot_unit", "a b.service", "started", "is no unit"),
        ("boot_unit", "a.service", "yes", "there is only started"),
        ("gpu", "0/power_limit", "275", "is no GPU-<uuid>"),
        ("gpu", f"{UUID}/power_limit", "275W", "no number of watts"),
        ("gpu", f"{UUID}/clocks", "2400,300", "no pair of MHz"),
    ],
)
def test_a_wish_that_is_none_is_refused_before_anything_is_read(
    kind: str, key: str, wanted: str, says: str
) -> None:
    with pytest.raises(KnobError, match=says):
        check([knob(kind, key, wanted)])


def test_orphans_of_others_are_not_the_caller_s(host: DriverHost) -> None:
    engine.apply(host, ALL, "run-1")
    assert {row.area for row in drifting.drift(host, [], ("numa",))[0]} == set()
    assert {row.area for row in drifting.drift(host, [])[0]} == {"nvidia_driver", "gpu_power"}
