"""Power limits and clocks: by UUID, within the card's own range, refused with it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hostproof.shared.families import GPU_UNIT
from hostproof.shared.nvidia import files, power
from hostproof.shared.nvidia.power import Wishes, settings

ONE, TWO = "GPU-16c1a634-0275-533a-9b6c-eccdffd6c5e1", "GPU-26c1a634-0275-533a-9b6c-eccdffd6c5e2"
POWER = {"limit_watts": 300.0, "minimum_watts": 250.0, "maximum_watts": 325.0}


def gpu(uuid: str = ONE, **more: Any) -> dict[str, Any]:
    return {"uuid": uuid, "name": "Max-Q", "power": POWER, "clocks": {"maximum_graphics_mhz": 3090}, **more}


def wanted(made: power.Settings) -> dict[str, str]:
    return {knob.key: knob.wanted for knob in made.knobs if knob.kind == "gpu"}


def test_nothing_is_wished_and_nothing_is_set() -> None:
    assert settings(Wishes(), [gpu()]) == power.Settings()


def test_each_gpu_has_its_own_unit_and_may_differ() -> None:
    made = settings(
        Wishes(power_limit_watts=275, gpus={TWO: {"power_limit_watts": 300, "clocks_mhz": "300, 2400"}}),
        [gpu(), gpu(TWO)],
    )
    assert made.findings == ()
    assert wanted(made) == {
        f"{ONE}/power_limit": "275",
        f"{TWO}/power_limit": "300",
        f"{TWO}/clocks": "300,2400",
    }
    assert [k.key for k in made.knobs if k.kind == "boot_unit"] == [
        f"hostproof-gpu@{ONE}.service",
        f"hostproof-gpu@{TWO}.service",
    ]
    assert [k.key for k in made.knobs if k.kind == "file"] == [GPU_UNIT.path]
    assert {k.area for k in made.knobs} == {"gpu_power"}


@pytest.mark.parametrize(
    ("wishes", "card", "says"),
    [
        ({"power_limit_watts": 400}, {}, "400 W is out of range (Max-Q .*250 to 325 W"),
        ({"power_limit_watts": 249.5}, {}, "249.5 W is out of range"),
        ({"power_limit_watts": 300}, {"power": {}}, "not supported: this card has no power limit"),
        ({"clocks_mhz": "300,9000"}, {}, "9000 MHz is out of range.*up to 3090 MHz"),
        ({"clocks_mhz": "2400,300"}, {}, "no lowest and highest"),
        ({"clocks_mhz": "2400"}, {}, "no lowest and highest"),
        ({"clocks_mhz": "300,400"}, {"clocks": {}}, "not supported: this card tells no highest clock"),
        ({"power_limit_watts": 300, "persistence": False}, {}, "hold only in persistence mode"),
        ({"gpus": {TWO: {}}}, {}, f"there is no GPU {TWO}.*This host has {ONE}"),
        ({"gpus": {ONE: {"watts": 3}}}, {}, "unknown key 'watts'.*Known: power_limit_watts, clocks_mhz"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_range(
    wishes: dict[str, Any], card: dict[str, Any], says: str
) -> None:
    made = settings(Wishes(**wishes), [gpu(**card)])
    (finding,) = made.findings
    assert re.search(says.replace("(Max-Q", r"\(Max-Q"), str(finding)), str(finding)


def test_a_gpu_that_does_not_answer_has_no_settings() -> None:
    assert settings(Wishes(power_limit_watts=275), [{"uuid": "", "address": "0000:c1:00.0"}]).knobs == ()


UBUNTU = f"[Service]\nType=forking\nExecStart={files.UBUNTU_EXEC}\n"
DEBIAN = (
    "[Service]\nExecStart=/usr/bin/nvidia-persistenced --user nvpd\n[Install]\nWantedBy=multi-user.target\n"
)


@pytest.mark.parametrize(
    ("unit", "command"),
    [
        (UBUNTU, "/usr/bin/nvidia-persistenced --user nvidia-persistenced --persistence-mode --verbose"),
        (DEBIAN, "/usr/bin/nvidia-persistenced --user nvpd --persistence-mode"),
        ("", "/usr/bin/nvidia-persistenced --user nvidia-persistenced --persistence-mode --verbose"),
        (
            "ExecStart=/usr/bin/nvidia-persistenced --persistence-mode\n",
            "/usr/bin/nvidia-persistenced --persistence-mode",
        ),
    ],
)
def test_the_daemon_keeps_its_own_words_but_for_the_mode(unit: str, command: str) -> None:
    text = files.persistence(unit)
    assert text.splitlines()[-2:] == ["ExecStart=", f"ExecStart={command}"]
    assert "StopWhenUnneeded=false" in text


def test_a_source_carries_its_key_as_deb822_wants_it() -> None:
    text = files.source("https://x.example/", "/", "", b"\x99" * 100)
    assert "Components" not in text and text.startswith(
        "Types: deb\nURIs: https://x.example/\nSuites: /\nSigned-By:\n"
    )
    armour = text.partition("Signed-By:\n")[2].splitlines()
    assert (
        armour[0] == " -----BEGIN PGP PUBLIC KEY BLOCK-----"
        and armour[1] == " ."
        and all(line[0] == " " for line in armour)
    )
