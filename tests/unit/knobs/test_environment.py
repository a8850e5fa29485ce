"""A variable of a service: as systemd would start it, set by a drop-in, taken up at once, taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.shared import engine, undoing
from hostproof.shared.families import IRQBALANCE
from hostproof.shared.kinds import environment
from hostproof.shared.knob import Seen

from . import fake_host, wanted
from .fake_host import FakeHost, everything, put

KEY = "irqbalance.service IRQBALANCE_BANNED_CPULIST"
BANNED = wanted.knob("environment", KEY, "2-15")
DEFAULTS = "/etc/default/irqbalance"
UNIT = """[Service]
EnvironmentFile=-/usr/lib/irqbalance/defaults.env
EnvironmentFile=-/etc/default/irqbalance
ExecStart=/usr/sbin/irqbalance --foreground $IRQBALANCE_ARGS
"""


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """As Debian's and Ubuntu's package leaves it."""
    made = fake_host.make(tmp_path / "host")
    put(made, "/lib/systemd/system/irqbalance.service", UNIT)
    put(made, DEFAULTS, "#IRQBALANCE_BANNED_CPULIST=\n")
    return made


def test_it_is_set_by_a_drop_in_kept_and_taken_back(host: FakeHost) -> None:
    before = everything(host)
    assert engine.check(host, [BANNED]).outcomes[0].state == "pending"
    assert everything(host) == before
    (outcome,) = engine.apply(host, [BANNED], "run-1").outcomes
    assert (outcome.state, outcome.seen["persisted"]) == ("changed", Seen("2-15"))
    lines = host.read(IRQBALANCE.path).splitlines()
    assert lines[-2:] == ["[Service]", "Environment=IRQBALANCE_BANNED_CPULIST=2-15"]
    assert not engine.apply(host, [BANNED], "run-2").changed
    undoing.undo(host, "back")
    assert everything(host).keys() - before.keys() <= {p for p in everything(host) if "/var/lib/" in p}
    assert not host.exists("/etc/systemd/system/irqbalance.service.d"), "the folder was made for it"


def test_the_service_goes_by_it_at_once_if_it_runs(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    put(host, "/bin/sh", "")
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(host, "command", lambda argv, *_, **__: commands.append(tuple(argv)) or "")
    engine.apply(host, [BANNED], "run-1")
    ((shell, flag, script),) = commands
    assert (shell, flag) == ("sh", "-c")
    assert (
        "systemctl daemon-reload" in script and "is-active irqbalance.service || systemctl restart" in script
    )


def test_a_host_without_irqbalance_is_told_what_else_there_is(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path / "host")
    (outcome,) = engine.apply(host, [BANNED], "run-1").outcomes
    assert outcome.state == "unsupported" and "irqbalance.service is not installed" in outcome.detail
    assert "tuning_irqaffinity" in outcome.detail
    assert not host.exists(IRQBALANCE.path) and not host.exists("/var")


def test_the_file_of_the_distribution_wins_over_the_drop_in_and_is_named(host: FakeHost) -> None:
    """systemd.exec(5): what an EnvironmentFile says overrides Environment."""
    engine.apply(host, [BANNED], "run-1")
    put(host, DEFAULTS, 'IRQBALANCE_ARGS=-d\nIRQBALANCE_BANNED_CPULIST="0-1"\n')
    seen = environment.read_persisted(host, KEY)
    assert (seen.text, seen.owner) == ("0-1", DEFAULTS)
    (outcome,) = engine.check(host, [BANNED]).outcomes
    assert outcome.state == "foreign" and DEFAULTS in outcome.detail


@pytest.mark.parametrize(
    ("drop_in", "seen"),
    [
        ('Environment="IRQBALANCE_ARGS=-d" IRQBALANCE_BANNED_CPULIST=4-7', Seen("4-7")),
        ("Environment=IRQBALANCE_BANNED_CPULIST=4-7\nEnvironment=", Seen(problem="absent")),
        ("Environment=IRQBALANCE_BANNED_CPULIST=4-7\nEnvironment=OTHER=1", Seen("4-7")),
        ("# Environment=IRQBALANCE_BANNED_CPULIST=4-7", Seen(problem="absent")),
    ],
)
def test_a_drop_in_of_somebody_else_is_read_as_systemd_does(host: FakeHost, drop_in: str, seen: Seen) -> None:
    put(host, "/etc/systemd/system/irqbalance.service.d/90-site.conf", f"[Service]\n{drop_in}\n")
    assert environment.read_persisted(host, KEY) == seen


@pytest.mark.parametrize("key", ["sshd.service PATH", "irqbalance.service PATH", "irqbalance.service", ""])
def test_no_other_service_and_no_other_variable_may_be_set(key: str) -> None:
    assert "there is irqbalance.service IRQBALANCE_BANNED_CPULIST" in environment.refusal(key, "1")
    assert (
        environment.refusal(KEY, "0 1")
        and environment.refusal(KEY, "$(id)")
        and not environment.refusal(KEY, "0,2-3")
    )
