"""Why a host could not be worked on, and how to mend it, read from what ssh, sudo and Ansible say. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """One cause, in words."""

    what: str
    mend: str


@dataclass(frozen=True)
class _Sign:
    pattern: re.Pattern[str]
    what: str
    mend: str


def _sign(pattern: str, what: str, mend: str) -> _Sign:
    return _Sign(re.compile(pattern, re.IGNORECASE), what, mend)


# The first that fits wins: a changed host key also says "Permission denied" further down.
_SIGNS = (
    _sign(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host's key is not the one known for it",
        "If the host was installed anew: `ssh-keygen -R HOST`, log in once by hand, compare the fingerprint.",
    ),
    _sign(
        r"Host key verification failed|No \S+ host key is known",
        "the host's key is not known here",
        "Log in once by hand with ssh and compare the fingerprint, so that it is remembered.",
    ),
    _sign(
        r"Permission denied \([\w,-]*(publickey|password|keyboard-interactive)"
        r"|Too many authentication failures|Invalid/incorrect password|no such identity",
        "ssh was refused: wrong key or wrong user",
        "Check the host's ansible_user and ansible_ssh_private_key_file, and its authorized_keys.",
    ),
    _sign(
        r"UNPROTECTED PRIVATE KEY FILE|bad permissions",
        "ssh ignores the private key, since others may read it",
        "`chmod 600` the key file.",
    ),
    _sign(
        r"Could not resolve hostname|Name or service not known|Temporary failure in name resolution",
        "the host's name has no address",
        "Check ansible_host in the inventory.",
    ),
    _sign(
        r"Connection refused",
        "nothing answers on the host's ssh port",
        "Check ansible_host and ansible_port, and that sshd runs there.",
    ),
    _sign(
        r"Connection timed out|Operation timed out|timed out during banner exchange"
        r"|Timeout \(\d+s\) waiting for",
        "the host does not answer",
        "Check that it is up, ansible_host and ansible_port, and what lies between (firewall, VPN).",
    ),
    _sign(
        r"No route to host|Network is unreachable",
        "there is no way to the host's network",
        "Check ansible_host and your own network.",
    ),
    _sign(
        r"Missing sudo password|sudo: a password is required|sudo: a terminal is required",
        "sudo on the host asks for a password",
        "Allow the user passwordless sudo there, or put ansible_become_password into a vault.",
    ),
    _sign(
        r"is not in the sudoers file|is not allowed to (execute|run sudo)|may not run sudo",
        "the user may not use sudo on the host",
        "Add the user to the group sudo there, or set ansible_user to one who may.",
    ),
    _sign(
        r"sudo: (command )?not found|sudo: No such file",
        "the host has no sudo",
        "Install it there (`apt-get install sudo`), or connect as root and set ansible_become to false.",
    ),
    _sign(
        r"python\S*: (command )?not found|interpreter was not found|No such file or directory: \S*python"
        r"|The module interpreter \S+ was not found|/bin/sh: \d*:? ?\S*python\S*: not found",
        "the host has no Python where Ansible looks for it",
        "Install it there (`apt-get install python3`), or set ansible_python_interpreter.",
    ),
    _sign(
        r"No space left on device",
        "the host's disk is full",
        "Free some space there; `df -h` shows which file system.",
    ),
)


def diagnose(message: str) -> Diagnosis | None:
    """The cause that a message gives away, or None if it speaks for itself."""
    return next((Diagnosis(sign.what, sign.mend) for sign in _SIGNS if sign.pattern.search(message)), None)
