"""What a host says on its serial port, and whether its sshd answers."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Final

TAIL_LINES: Final = 15
TAIL_BYTES: Final = 16384
ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-_]|\][^\x07]*\x07)|\r|\x00")
UP: Final = "Multi-User System"
"""systemd's name of the target that is reached last."""
PANIC: Final = "Kernel panic - not syncing"


def tail(path: Path) -> str:
    """Its last lines, without the colours."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return "(its console is empty)"
    lines = [line.rstrip() for line in ESCAPES.sub("", text).splitlines()]
    return "\n".join([line for line in lines if line][-TAIL_LINES:]) or "(its console is empty)"


def greets(port: int, seconds: float) -> bool:
    """Whether an SSH server says its name. QEMU takes the connection itself, so that alone proves nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as line:
            line.settimeout(seconds)
            return line.recv(8).startswith(b"SSH-")
    except OSError:
        return False
