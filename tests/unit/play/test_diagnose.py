"""Unreachable, wrong key and no sudo are told apart, each with its mend."""

from __future__ import annotations

import pytest

from hostproof.play.diagnose import diagnose

from . import reading


@pytest.mark.parametrize(
    ("run", "what"),
    [
        ("wrongkey", "ssh was refused: wrong key or wrong user"),
        ("refused", "nothing answers on the host's ssh port"),
        ("unknownkey", "the host's key is not known here"),
        ("changedkey", "the host's key is not the one known for it"),
    ],
)
def test_a_recorded_unreachable_host(run: str, what: str) -> None:
    cause = diagnose(reading.progress(run).failures[0].message)
    assert cause is not None
    assert cause.what == what
    assert cause.mend


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("ssh: connect to host 10.1.1.1 port 22: Connection timed out", "the host does not answer"),
        ("ssh: connect to host 10.1.1.1 port 22: No route to host", "there is no way to the host's network"),
        (
            "ssh: Could not resolve hostname epyc1: Name or service not known",
            "the host's name has no address",
        ),
        ("Missing sudo password", "sudo on the host asks for a password"),
        ("sudo: a password is required", "sudo on the host asks for a password"),
        ("ada is not in the sudoers file.", "the user may not use sudo on the host"),
        ("/bin/sh: 1: sudo: not found", "the host has no sudo"),
        (
            "The module interpreter '/usr/bin/python3' was not found.",
            "the host has no Python where Ansible looks for it",
        ),
        ("OSError: [Errno 28] No space left on device", "the host's disk is full"),
    ],
)
def test_what_programs_say(message: str, what: str) -> None:
    cause = diagnose(message)
    assert cause is not None
    assert cause.what == what


def test_a_message_that_speaks_for_itself_gets_no_cause() -> None:
    assert diagnose("port 8081 is taken by nginx (pid 812)") is None
