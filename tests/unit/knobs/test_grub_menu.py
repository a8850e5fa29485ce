"""Which entry GRUB boots by default, in the menus that Ubuntu 24.04 and Debian 13 make, and what is said where it does not decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.shared import engine, grub_menu
from hostproof.shared.kinds import cmdline
from hostproof.shared.knob import Seen

from . import fake_host, wanted
from .fake_host import FakeHost, put

RECORDED = Path(__file__).parent / "recorded"
UBUNTU = (RECORDED / "grub-ubuntu-24.04.cfg").read_text(encoding="utf-8")
DEBIAN = (RECORDED / "grub-debian-13.cfg").read_text(encoding="utf-8")
UUID = "6f1c2a1e-5b0f-4a7e-9c55-0d2f6a7b3e91"
OLD = "Ubuntu, with Linux 6.8.0-85-generic"
IN_ADVANCED = f"Advanced options for Ubuntu > {OLD}"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return fake_host.make(tmp_path / "host")


def asking(menu: str, wish: str) -> str:
    """The menu as grub-mkconfig would make it with this GRUB_DEFAULT."""
    assert menu.count('set default="0"') == 1
    return menu.replace('set default="0"', f'set default="{wish}"')


@pytest.mark.parametrize(
    ("wish", "title"),
    [
        ("0", "Ubuntu"),
        ("", "Ubuntu"),
        ("Ubuntu", "Ubuntu"),
        ("1", "Advanced options for Ubuntu > Ubuntu, with Linux 6.14.0-33-generic"),
        ("1>2", IN_ADVANCED),
        (f"Advanced options for Ubuntu>{OLD}", IN_ADVANCED),
        (f"gnulinux-advanced-{UUID}>gnulinux-6.8.0-85-generic-advanced-{UUID}", IN_ADVANCED),
        (f"1>{OLD} (recovery mode)", f"{IN_ADVANCED} (recovery mode)"),
        ("2", "UEFI Firmware Settings"),
        ("uefi-firmware", "UEFI Firmware Settings"),
    ],
)
def test_the_default_is_a_number_a_title_or_an_id_down_through_submenus(wish: str, title: str) -> None:
    chosen = grub_menu.default(asking(UBUNTU, wish))
    assert chosen is not None
    assert (chosen.title, chosen.found) == (title, True)


@pytest.mark.parametrize("wish", ["7", "gnulinux-6.8.0-31-generic", f"{OLD}", "1>9"])
def test_what_is_not_there_is_the_first_entry_of_its_level_and_is_told(wish: str) -> None:
    chosen = grub_menu.default(asking(UBUNTU, wish))
    assert chosen is not None
    assert chosen.title in ("Ubuntu", "Advanced options for Ubuntu > Ubuntu, with Linux 6.14.0-33-generic")
    assert not chosen.found


def test_a_saved_default_is_read_from_grub_s_own_file(host: FakeHost) -> None:
    put(host, cmdline.MENU, asking(UBUNTU, "${saved_entry}"))
    assert cmdline.read_persisted(host, "nosmt") == Seen(problem="absent"), (
        "nothing was saved: the first entry"
    )
    saved = f"# GRUB Environment Block\nnext_entry=0\nsaved_entry=1>2\n{'#' * 950}"
    put(host, grub_menu.ENVIRONMENT, saved)
    seen = cmdline.read_persisted(host, "nosmt")
    assert seen == Seen("")
    assert seen.detail == f"GRUB boots {IN_ADVANCED!r}"


def test_debian_s_first_entry_and_its_recovery_entry(host: FakeHost) -> None:
    put(host, cmdline.MENU, DEBIAN)
    assert (cmdline.read_persisted(host, "console"), cmdline.read_persisted(host, "quiet")) == (
        Seen("ttyS0"),
        Seen(""),
    )
    put(host, cmdline.MENU, asking(DEBIAN, "1>1"))
    assert cmdline.read_persisted(host, "quiet") == Seen(problem="absent")
    assert cmdline.read_persisted(host, "single") == Seen("")


def test_a_title_with_a_quote_and_an_arrow() -> None:
    menu = "menuentry 'it'\\''s a>b' --id odd {\n linux /vmlinuz \\\n  iommu=pt\n}\n"
    for wish in ("it's a>>b", "odd", "0"):
        chosen = grub_menu.default(f'set default="{wish}"\n{menu}')
        assert chosen is not None
        assert (chosen.title, chosen.words, chosen.found) == ("it's a>b", "iommu=pt", True)


def test_a_menu_without_an_entry(host: FakeHost) -> None:
    assert grub_menu.default("set default=0\nfunction load_video {\n}\n") is None
    put(host, cmdline.MENU, "set default=0\n")
    assert cmdline.read_persisted(host, "iommu").problem == "unsupported"


def test_an_entry_that_starts_no_linux_is_unsupported_and_says_what_to_do(host: FakeHost) -> None:
    put(host, cmdline.MENU, asking(UBUNTU, "uefi-firmware"))
    seen = cmdline.read_persisted(host, "iommu")
    assert seen.problem == "unsupported"
    assert "default entry 'UEFI Firmware Settings' starts no Linux: set GRUB_DEFAULT" in seen.detail


def test_words_that_the_default_entry_does_not_take_are_refused_with_its_name(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recovery entry has none of GRUB_CMDLINE_LINUX_DEFAULT."""
    made = fake_host.write_menu

    def update_grub(on: FakeHost) -> None:
        made(on)
        put(on, cmdline.MENU, f'set default="1"\n{on.read(cmdline.MENU)}')

    monkeypatch.setattr(fake_host, "write_menu", update_grub)
    update_grub(host)
    (outcome,) = engine.apply(host, [wanted.IOMMU], "run-1").outcomes
    assert outcome.state == "refused"
    assert "GRUB boots 'Linux (recovery)'" in outcome.detail


@pytest.mark.parametrize("leftover_menu", [False, True])
def test_a_host_of_systemd_boot_is_unsupported_with_what_to_do_instead(
    host: FakeHost, *, leftover_menu: bool
) -> None:
    put(host, "/boot/loader/entries/ubuntu-6.8.0-85-generic.conf", "options root=/dev/vda1 ro quiet\n")
    put(host, cmdline.LOADER, "\x06\0\0\0" + "\0".join("systemd-boot 255.4-1ubuntu8") + "\0")
    if not leftover_menu:
        host.at(cmdline.MENU).unlink()
    before = host.deeds[:]
    (outcome,) = engine.apply(host, [wanted.IOMMU], "run-1").outcomes
    assert outcome.state == "unsupported"
    assert "boots through systemd-boot (/boot/loader/entries)" in outcome.detail
    assert "put the word into /etc/kernel/cmdline" in outcome.detail
    assert host.deeds == before, "nothing is written where it would not count"


def test_a_host_of_systemd_boot_without_efi_variables(host: FakeHost) -> None:
    host.at(cmdline.MENU).unlink()
    host.at("/efi/loader/entries").mkdir(parents=True)
    assert "systemd-boot (/efi/loader/entries)" in cmdline.read_persisted(host, "iommu").detail
