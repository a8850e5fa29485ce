"""`python -m lab`: words in, calls out, errors as one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from hostproof.errors import HostproofError
from lab import __main__ as command
from lab import hosts, podman
from lab.machine import Machine
from lab.podman import Root

MACHINE = Machine(root=True, cgroups="v2", unified="/sys/fs/cgroup", limits=None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    made: list[tuple[Any, ...]] = []
    monkeypatch.setattr(hosts, "up", lambda *a, **k: made.append(("up", a, k)))
    monkeypatch.setattr(hosts, "down", lambda *a, **k: made.append(("down", a, k)))
    monkeypatch.setattr(hosts, "ssh", lambda *a: made.append(("ssh", a)) or 7)
    return made


def test_up_hands_on_what_it_was_told(calls: list[tuple[Any, ...]]) -> None:
    argv = ["up", "--name", "a", "--count", "2", "--base", "debian-13", "--inventory", "/x/lab.yml", "--yes"]
    assert command.main(argv) == 0
    (verb, words, options) = calls[0]
    assert (verb, words) == ("up", ("a", 2))
    assert options["base"] == "debian-13"
    assert str(options["inventory_file"]) == "/x/lab.yml"
    assert options["install"] is True


def test_up_hands_on_the_kind_of_host(calls: list[tuple[Any, ...]]) -> None:
    assert command.main(["up", "--kind", "vm", "--nodes", "2"]) == command.main(["up"]) == 0
    assert [(call[2]["kind"], call[2]["nodes"]) for call in calls] == [("vm", 2), ("container", 4)]


def test_an_unknown_kind_is_a_sentence() -> None:
    with pytest.raises(HostproofError) as caught:
        hosts.up("a", kind="toaster")
    assert str(caught.value) == "unknown kind of host 'toaster' (--kind). Known: container, vm."


def test_down_without_names_means_all(calls: list[tuple[Any, ...]]) -> None:
    command.main(["down"])
    command.main(["down", "--name", "a", "--name", "b"])
    assert [call[1] for call in calls] == [([],), (["a", "b"],)]


@pytest.mark.parametrize(
    ("argv", "handed"),
    [
        (["ssh"], ("lab01", [])),
        (["ssh", "--name", "a", "--", "ls", "-l"], ("a", ["ls", "-l"])),
        (["ssh", "--name", "a", "uptime"], ("a", ["uptime"])),
    ],
)
def test_ssh_passes_the_exit_status_on(
    calls: list[tuple[Any, ...]], argv: list[str], handed: tuple[str, list[str]]
) -> None:
    assert command.main(argv) == 7
    assert calls == [("ssh", handed)]


def test_an_error_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise HostproofError(
            "no lab host is called 'x'", where="--name", mend="There is none; lab.up makes one."
        )

    monkeypatch.setattr(hosts, "down", refuse)
    assert command.main(["down", "--name", "x"]) == 1
    assert capsys.readouterr().err == "no lab host is called 'x' (--name). There is none; lab.up makes one.\n"


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hosts, "up", stop)
    assert command.main(["up"]) == 1
    assert capsys.readouterr().err == "interrupted; run it again, or lab.down\n"


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(HostproofError, match="no-such-program is not installed"):
        Root(MACHINE).attempt(["no-such-program", "x"])


def test_a_failed_command_shows_what_it_said() -> None:
    with pytest.raises(HostproofError) as caught:
        Root(MACHINE).run(["sh", "-c", "echo first; echo why >&2; exit 3"], mend="Mend it.")
    assert caught.value.what == "sh failed with status 3:\nwhy\n"
    assert caught.value.mend == "Mend it."


def test_a_command_that_does_not_end_is_stopped() -> None:
    with pytest.raises(HostproofError, match=r"sleep did not end within 0 s"):
        Root(MACHINE).attempt(["sleep", "30"], seconds=0.2)


def test_a_refused_sudo_says_what_to_do() -> None:
    with pytest.raises(HostproofError) as caught:
        Root(MACHINE).attempt(["sh", "-c", f"echo '{podman.NO_SUDO}' >&2; exit 1"])
    assert caught.value.what == "the lab needs root"
    assert "sudo -v" in caught.value.mend


def test_no_rows_are_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("", "null", "[]"):
        monkeypatch.setattr(Root, "run", lambda *_, said=said, **__: said)
        assert Root(MACHINE).listed("ps") == []
