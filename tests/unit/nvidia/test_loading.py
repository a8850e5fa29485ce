"""What is to be done about the module in memory."""

from __future__ import annotations

import pytest

from hostproof.shared.nvidia.loading import Loaded, decide, row


def state(loaded: str, on_disk: str, *, flavours: str = "open/open", nouveau: bool = False) -> Loaded:
    memory, disk = flavours.split("/")
    return Loaded(
        loaded, memory if loaded else "", on_disk, disk if on_disk else "", nouveau, "6.8.0-87-generic"
    )


@pytest.mark.parametrize(
    ("found", "deed", "target"),
    [
        (state("580.95.05", "580.95.05"), "nothing", "580.95.05"),
        (state("", ""), "nothing", ""),
        (state("", "580.95.05"), "load", "580.95.05"),
        (state("", "580.95.05", nouveau=True), "boot", ""),
        (state("580.95.05", "580.173.02"), "reload", "580.173.02"),
        (state("580.95.05", "580.95.05", flavours="proprietary/open"), "reload", "580.95.05"),
        (state("580.95.05", "580.95.05", flavours="/open"), "nothing", "580.95.05"),
        (state("580.95.05", ""), "unload", ""),
    ],
)
def test_the_deed(found: Loaded, deed: str, target: str) -> None:
    made = decide(found, may_reload=True)
    assert (made.what, made.target) == (deed, target)
    assert (
        made.why
        and made.unload == (deed in ("reload", "unload"))
        and made.load == (deed in ("load", "reload"))
    )


def test_without_permission_only_a_boot_changes_what_is_loaded() -> None:
    assert decide(state("580.95.05", "580.173.02"), may_reload=False).what == "boot"
    assert decide(state("580.95.05", ""), may_reload=False).what == "boot"
    assert decide(state("", "580.95.05"), may_reload=False).what == "load"


def test_drift_shows_it_as_a_row() -> None:
    assert row(state("580.95.05", "580.95.05"))["state"] == "ok"
    differs = row(state("580.95.05", "580.173.02"))
    assert (differs["state"], differs["live"], differs["wanted"]) == (
        "needs-reboot",
        "580.95.05",
        "580.173.02",
    )
