"""A systemd service as `systemctl show` tells it, and what is to be done about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "NeedDaemonReload",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainStartTimestamp",
)
SHOW = ("systemctl", "show", "--timestamp=us+utc", f"--property={','.join(PROPERTIES)}")
STAMP = "%a %Y-%m-%d %H:%M:%S.%f UTC"

Action = Literal["none", "start", "restart", "stop"]


@dataclass(frozen=True)
class Service:
    load: str
    active: str
    sub: str
    result: str
    needs_reload: bool
    status: str
    """How its main process ended, for people."""
    began: float
    """Seconds since the epoch when its main process was started last; 0 if never."""

    @property
    def there(self) -> bool:
        return self.load == "loaded"

    @property
    def runs(self) -> bool:
        return self.active in ("active", "reloading")

    @property
    def starts(self) -> bool:
        """On its way up for the first time; one that died and waits for its next try is not."""
        return self.active == "activating" and not self.gave_up

    @property
    def gave_up(self) -> bool:
        """Its process ended by itself. `auto-restart`: systemd is about to try again."""
        return self.active == "failed" or self.sub.startswith("auto-restart")


def parse(shown: str) -> Service:
    """From the output of SHOW."""
    pairs = dict(line.partition("=")[::2] for line in shown.splitlines() if "=" in line)
    return Service(
        load=pairs.get("LoadState", ""),
        active=pairs.get("ActiveState", ""),
        sub=pairs.get("SubState", ""),
        result=pairs.get("Result", ""),
        needs_reload=pairs.get("NeedDaemonReload") == "yes",
        status=_ended(pairs),
        began=_seconds(pairs.get("ExecMainStartTimestamp", "")),
    )


def _ended(pairs: Mapping[str, str]) -> str:
    # CLD_EXITED is 1, CLD_KILLED 2, CLD_DUMPED 3.
    kind = "status" if pairs.get("ExecMainCode", "1") in ("0", "1") else "signal"
    return f"{pairs.get('Result') or 'unknown'}, {kind} {pairs.get('ExecMainStatus') or '?'}"


def _seconds(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:  # empty, or n/a: it never began
        return 0.0


def action(service: Service, wanted: str, newest_file: float) -> Action:
    """Level, not edge: a service that began before its files last changed is restarted, whoever changed them.

    So a run that was cut short between the write and the restart is made good by the next one.
    """
    if wanted == "stopped":
        return "none" if service.active in ("", "inactive") else "stop"
    if not service.runs and not service.starts:
        return "start" if service.active == "inactive" else "restart"
    return "restart" if service.began < newest_file else "none"


def log_tail(journal: str, lines: int = 30, width: int = 240) -> str:
    """The last lines of a log, none so long that it hides the others."""
    kept = [
        line if len(line) <= width else f"{line[:width]}…" for line in journal.splitlines() if line.strip()
    ]
    return "\n".join(kept[-lines:]) or "(its log is empty)"
