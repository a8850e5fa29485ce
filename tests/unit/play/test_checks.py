"""System packages are looked for first and named with the command that installs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from hostproof.play import checks
from hostproof.play.checks import Tool

TOOLS = (Tool("ssh", "openssh-client"), Tool("ssh-keygen", "openssh-client"), Tool("podman", "podman"))


def test_nothing_missing_passes() -> None:
    checks.ensure("provision", TOOLS, look=lambda program: f"/usr/bin/{program}")


def test_a_package_is_named_once_with_the_command_that_installs_it() -> None:
    with pytest.raises(HostproofError) as caught:
        checks.ensure("lab.up", TOOLS, look=lambda program: None)
    assert caught.value.what == "`lab.up` needs system packages that are missing: openssh-client, podman"
    assert caught.value.mend == "Run: sudo apt-get install --yes openssh-client podman"


def test_only_the_missing_one_is_named() -> None:
    assert checks.missing(TOOLS, lambda program: None if program == "podman" else "/x") == ["podman"]


def test_installing_updates_the_lists_first() -> None:
    ran: list[list[str]] = []

    def run(command):  # type: ignore[no-untyped-def]
        ran.append(list(command))
        return 0

    checks.install_packages(["podman", "runc"], run)
    assert ran[0][-1] == "update"
    assert ran[1][-2:] == ["podman", "runc"]
    assert "--yes" in ran[1]


def test_a_failed_installation_names_what_to_run_by_hand() -> None:
    with pytest.raises(HostproofError, match="sudo apt-get install --yes podman"):
        checks.install_packages(["podman"], lambda command: 100)


def test_yes_or_root_may_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    assert checks.may_install(yes=True)
    assert not checks.may_install(yes=False)
    monkeypatch.setattr(checks.os, "geteuid", lambda: 0)
    assert checks.may_install(yes=False)


def test_a_whole_path_is_a_file_that_must_be_there(tmp_path: Path) -> None:
    keys = tmp_path / "keys.gpg"
    assert checks.missing([Tool(str(keys), "keyring")]) == ["keyring"]
    keys.touch()
    assert checks.missing([Tool(str(keys), "keyring")]) == []
