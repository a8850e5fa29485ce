"""Profiles: by name, by number, by file; and what is wrong with one, in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hostproof.errors import HostproofError
from lab.gpu import driver_packages, install, profiles
from lab.records import VM

GOOD = json.loads((profiles.FOLDER / "h200.json").read_text(encoding="utf-8"))


def test_a_new_card_needs_a_file_and_no_code(tmp_path: Path) -> None:
    file = tmp_path / "my-card.json"
    file.write_text(
        json.dumps({**GOOD, "count": 2, "gpu": {**GOOD["gpu"], "name": "NVIDIA New"}}), encoding="utf-8"
    )
    made = profiles.load(str(file))
    assert made.name == "my-card"
    assert [one["gpu"]["name"] for one in made.cards] == ["NVIDIA New"] * 2


def test_uuids_are_the_same_each_time_and_no_two_alike() -> None:
    first = [one["gpu"]["uuid"] for one in profiles.load("h200:8").cards]
    assert first == [one["gpu"]["uuid"] for one in profiles.load("h200:8").cards]
    assert len({*first, profiles.load("rtx-4090").cards[0]["gpu"]["uuid"]}) == 9


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ("h300", "there is no GPU profile 'h300' (--gpu). There are: h200, rtx-4090, rtx-pro-6000-max-q; or name a file: ./card.json."),
        ("h200:0", "'h200:0' names no number of GPUs (--gpu). Give a number from 1 to 16, as in h200:8."),
        ("h200:many", "'h200:many' names no number of GPUs (--gpu). Give a number from 1 to 16, as in h200:8."),
        ("h200:17", "'h200:17' names no number of GPUs (--gpu). Give a number from 1 to 16, as in h200:8."),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be(wanted: str, what: str) -> None:
    with pytest.raises(HostproofError) as caught:
        profiles.load(wanted)
    assert str(caught.value) == what


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("no JSON", "the profile is no JSON"),
        ([], "the profile's schema is not"),
        ({**GOOD, "schema": "x"}, "the profile's schema is not"),
        ({**GOOD, "colour": "red"}, "'colour'"),
        ({key: value for key, value in GOOD.items() if key != "pci"}, "'pci'"),
        ({**GOOD, "pci": {"device": "2335"}}, "`pci` needs exactly"),
        ({**GOOD, "gpu": {"name": "x"}}, "`gpu` needs at least name, architecture"),
        ({**GOOD, "gpu": {**GOOD["gpu"], "power_mw": 1.5}}, "`gpu.power_mw` is neither"),
        ({**GOOD, "count": "2"}, "names no number of GPUs"),
    ],
)
def test_a_file_that_is_no_profile(tmp_path: Path, changed: Any, what: str) -> None:
    file = tmp_path / "card.json"
    file.write_text(changed if isinstance(changed, str) else json.dumps(changed), encoding="utf-8")
    with pytest.raises(HostproofError) as caught:
        profiles.load(str(file))
    assert what in str(caught.value)


def test_no_gpu_where_a_stand_in_would_do_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert install.ready("", VM, install=False) is None
    with pytest.raises(HostproofError, match="a host of the kind vm gets no GPU"):
        install.ready("h200", VM, install=False)
    monkeypatch.setattr(install, "REAL_DRIVER", tmp_path)
    with pytest.raises(HostproofError, match="this machine has an NVIDIA driver of its own"):
        install.ready("h200", "container", install=False)


@pytest.mark.parametrize(
    ("running", "suffix", "following"),
    [
        ("6.8.0-87-generic", "6.8.0-87-generic", "6.8.1-87-generic"),
        (
            "6.6.87.2-microsoft-standard-WSL2",
            "6.6.87.2-microsoft-standard-wsl2",
            "6.6.88.2-microsoft-standard-WSL2",
        ),
        ("6.18.44_fc+", "6.18.44-fc+", "6.18.45_fc+"),
        ("7.0-rc1", "7.0-rc1", "7.0.1-rc1"),
    ],
)
def test_a_kernel_s_name_as_a_package_may_have_it(running: str, suffix: str, following: str) -> None:
    now, later = driver_packages.kernels(running)
    assert (now.release, now.suffix, later.release) == (running, suffix, following)
