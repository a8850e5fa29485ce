"""Variables and parts of the playbook for one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.play import wished
from hostproof.play.checkout import Checkout
from hostproof.play.verbs import Order

ROOT = Path(__file__).parents[3]
PARTS = ("nvidia_driver", "tuning", "numa")


def test_a_value_is_what_yaml_makes_of_it_and_a_version_stays_a_text() -> None:
    made = wished.parse(
        ["nvidia_driver_version=580.95", "nvidia_driver_freeze=false", "nvidia_driver_gpus={}", "a=275"]
    )
    assert made.values == {
        "nvidia_driver_version": "580.95",
        "nvidia_driver_freeze": False,
        "nvidia_driver_gpus": {},
        "a": 275,
    }
    assert wished.parse(["a="]).values == {"a": ""}


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("nvidia_driver_version", "is no name=value"),
        ("=1", "is no name=value"),
        ("Big=1", "is no name=value"),
        ("hostproof_run_dir=/x", "is not a role's variable"),
        ("ansible_user=root", "is not a role's variable"),
        ("a={", "is no YAML"),
    ],
)
def test_what_is_no_variable_is_refused(setting: str, says: str) -> None:
    with pytest.raises(HostproofError, match=says):
        wished.parse([setting])


def test_a_part_that_is_not_there_is_refused_with_the_nearest() -> None:
    assert wished.parse([], ["numa"], PARTS).tags == ("numa",)
    with pytest.raises(HostproofError, match=r"there is no part 'nvidia_drivers'.*nvidia_driver"):
        wished.parse([], ["nvidia_drivers"], PARTS)


def test_the_parts_are_those_of_the_playbook() -> None:
    parts = wished.parts_of(Checkout(ROOT))
    assert {"preflight", "tuning", "hugepages", "limits", "nvidia_driver", "podman", "vllm_server"} <= parts
    assert "always" not in parts


def test_the_command_to_resume_says_them_again() -> None:
    arguments = {"host": ["h1"], "tags": "nvidia_driver", "set": ["a=1", "b={c: d}"], "allow-reboot": True}
    command = Order("provision", "provision", ("h1",), arguments).command()
    assert (
        command == "./inv provision --host h1 --tags nvidia_driver --set a=1 --set 'b={c: d}' --allow-reboot"
    )
