"""The instrument as a transient unit: how it is started, and what its state means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNIT = "hostproof-measure.service"
FOLDER = "/run/hostproof/measure"
CONFIG = "config.json"
RESULT = "result.json"
TELEMETRY = "telemetry.jsonl.gz"
CHUNKS = "chunks.jsonl.gz"
LOG = "log"
ERRORS = "errors"
GRACE_SECONDS = 180
"""The instrument keeps its deadline itself; systemd ends one that hangs after that."""


@dataclass(frozen=True)
class State:
    """Of the unit: `runs`, `done`, `failed` or `gone`."""

    kind: str
    why: str = ""


def command(python: str, program: str, folder: str, deadline_seconds: float) -> list[str]:
    """systemd-run for one measurement. The unit stays after its end, so that its end can be seen."""
    properties = {
        "RemainAfterExit": "yes",
        "StandardOutput": f"append:{folder}/{LOG}",
        "StandardError": f"append:{folder}/{ERRORS}",
        "RuntimeMaxSec": f"{deadline_seconds + GRACE_SECONDS:.0f}",
        "TimeoutStopSec": "15",
        "NoNewPrivileges": "yes",
        "UMask": "0077",
    }
    return [
        *["systemd-run", "--quiet", f"--unit={UNIT}", "--description=hostproof measures a server"],
        *["--service-type=exec", *(f"--property={key}={value}" for key, value in properties.items())],
        *[python, program, "measure", f"--config={folder}/{CONFIG}", f"--out={folder}/{RESULT}"],
        *[f"--telemetry={folder}/{TELEMETRY}", f"--chunks={folder}/{CHUNKS}"],
    ]


def state(shown: Mapping[str, str]) -> State:
    """From `systemctl show` of LoadState, ActiveState, SubState, Result."""
    active, sub = shown.get("ActiveState", ""), shown.get("SubState", "")
    if shown.get("LoadState") != "loaded" or active == "inactive":
        return State("gone", "somebody stopped it")
    if active == "failed":
        late = shown.get("Result") == "timeout"
        return State("failed", "it went on longer than its deadline" if late else "it ended without a word")
    return State("done") if sub == "exited" else State("runs")


def pairs(shown: str) -> Mapping[str, str]:
    return dict(line.partition("=")[::2] for line in shown.splitlines() if "=" in line)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
