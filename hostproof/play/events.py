"""Runner events folded into a picture of the run. Pure: the same events always make the same picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hostproof.play.results import diff_of, words

Event = Mapping[str, Any]
Data = Mapping[str, Any]
"""An event's `event_data`."""

NEEDS_REBOOT: Final = "needs-reboot"
"""The state of a setting, as the module `knobs` begins its warning with it."""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Task:
    """One task of the play; `where` is file:line."""

    role: str
    name: str
    where: str
    action: str


@dataclass(frozen=True)
class Change:
    """A task that changed something on a host (or would, in check mode)."""

    host: str
    task: Task
    diff: str


@dataclass(frozen=True)
class Failure:
    """A task that failed on a host, in the host's own words."""

    host: str
    task: Task
    message: str
    unreachable: bool


@dataclass(frozen=True)
class Warned:
    """A sentence that a task had to say besides its result."""

    host: str
    role: str
    text: str


@dataclass(frozen=True)
class Counts:
    """How tasks ended on one host."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    unreachable: int = 0


@dataclass(frozen=True)
class Progress:
    """The run so far. `failures` holds rescued ones too until the closing statistics say which counted."""

    play: str = ""
    task: Task | None = None
    counts: Mapping[str, Counts] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    failures: tuple[Failure, ...] = ()
    note: str = ""
    """Last progress line of the task in hand: of a wait that is tried again, or of a long job; with the host where there are several."""
    complaints: tuple[str, ...] = ()
    """What Ansible said outside any task: syntax errors, missing roles, warnings."""
    warnings: tuple[Warned, ...] = ()
    """What tasks had to say besides, each sentence once a host."""
    reboots: frozenset[str] = frozenset()
    """Hosts that have settings which only a boot brings about, and were not booted since."""
    finished: bool = False

    @property
    def changed(self) -> int:
        return sum(counts.changed for counts in self.counts.values())


def step(progress: Progress, event: Event) -> Progress:
    """The picture after one more event; an event of an unknown kind changes nothing."""
    handle = _HANDLERS.get(str(event.get("event")))
    return handle(progress, event, event.get("event_data") or {}) if handle else progress


def fold(events: Iterable[Event]) -> Progress:
    progress = Progress()
    for event in events:
        progress = step(progress, event)
    return progress


def _task(data: Data) -> Task:
    return Task(
        role=str(data.get("role", "")),
        name=str(data.get("task", "")),
        where=str(data.get("task_path", "")),
        action=str(data.get("resolved_action") or data.get("task_action") or ""),
    )


def _play_starts(progress: Progress, _event: Event, data: Data) -> Progress:
    return replace(progress, play=str(data.get("play", "")), task=None, note="")


def _task_starts(progress: Progress, _event: Event, data: Data) -> Progress:
    return replace(progress, task=_task(data), note="")


def _waits(progress: Progress, _event: Event, data: Data) -> Progress:
    line, host = _last_line(data.get("res")), str(data.get("host", ""))
    on = f"{host}: " if len(progress.counts) > 1 else ""
    return replace(progress, note=f"{on}{line}" if line else progress.note)


def _ends_well(progress: Progress, event: Event, data: Data) -> Progress:
    changed = _changed(event, data)
    progress = _booting(_warned(_counted(progress, data, ok=1, changed=int(changed)), data), data)
    if not changed:
        return progress
    change = Change(str(data.get("host", "")), _task(data), diff_of(data.get("res") or {}))
    return replace(progress, changes=(*progress.changes, change))


def _is_skipped(progress: Progress, _event: Event, data: Data) -> Progress:
    return _counted(progress, data, skipped=1)


def _fails(progress: Progress, _event: Event, data: Data) -> Progress:
    if data.get("ignore_errors"):
        return _counted(progress, data, ok=1)
    return _warned(_counted(_add_failure(progress, data, unreachable=False), data, failed=1), data)


def _is_unreachable(progress: Progress, _event: Event, data: Data) -> Progress:
    return _counted(_add_failure(progress, data, unreachable=True), data, unreachable=1)


def _complains(progress: Progress, event: Event, _data: Data) -> Progress:
    said = ANSI.sub("", str(event.get("stdout", ""))).rstrip()
    return replace(progress, complaints=(*progress.complaints, said)) if said else progress


def _settles(progress: Progress, _event: Event, data: Data) -> Progress:
    """Ansible's own closing statistics replace our counts, and rescued failures are let go."""

    def of(kind: str, host: str) -> int:
        return int((data.get(kind) or {}).get(host, 0))

    kinds = ("ok", "changed", "failures", "skipped", "dark")
    counts = {host: Counts(*(of(kind, host) for kind in kinds)) for host in data.get("processed") or {}}
    lost = {host: c.failed + c.unreachable for host, c in counts.items()}
    return replace(progress, counts=counts, failures=_last_of_each(progress.failures, lost), finished=True)


_HANDLERS: Final[Mapping[str, Callable[[Progress, Event, Data], Progress]]] = {
    "playbook_on_play_start": _play_starts,
    "playbook_on_task_start": _task_starts,
    "playbook_on_handler_task_start": _task_starts,
    "runner_retry": _waits,
    "runner_on_async_poll": _waits,
    "runner_on_ok": _ends_well,
    "runner_on_skipped": _is_skipped,
    "runner_on_failed": _fails,
    "runner_on_unreachable": _is_unreachable,
    "verbose": _complains,
    "error": _complains,
    "playbook_on_stats": _settles,
}


def _changed(event: Event, data: Data) -> bool:
    res = data.get("res") or {}
    if "changed" in res:
        return bool(res["changed"])
    # A `no_log` task hides its result, this flag included; only its line on the screen still tells.
    return ANSI.sub("", str(event.get("stdout", ""))).lstrip().startswith("changed:")


def _add_failure(progress: Progress, data: Data, *, unreachable: bool) -> Progress:
    message = words(data.get("res") or {})
    failure = Failure(str(data.get("host", "")), _task(data), message, unreachable)
    return replace(progress, failures=(*progress.failures, failure))


def _counted(progress: Progress, data: Data, **more: int) -> Progress:
    host = str(data.get("host", ""))
    before = progress.counts.get(host, Counts())
    after = replace(before, **{name: getattr(before, name) + number for name, number in more.items()})
    return replace(progress, counts={**progress.counts, host: after})


def _warned(progress: Progress, data: Data) -> Progress:
    """Ansible gives a warning as a text, or as an object with one."""
    host, task = str(data.get("host", "")), _task(data)
    said = (data.get("res") or {}).get("warnings") or ()
    texts = [one.get("msg", "") if isinstance(one, Mapping) else str(one) for one in said]
    # Ansible puts this before a warning of a module in some versions.
    new = [Warned(host, task.role, text.removeprefix("Module: ").strip()) for text in texts]
    return replace(progress, warnings=tuple(dict.fromkeys((*progress.warnings, *new))))


def _booting(progress: Progress, data: Data) -> Progress:
    """Any task may say that a boot is needed; Ansible's own module for it says when there was one."""
    res, host = data.get("res") or {}, str(data.get("host", ""))
    if res.get("rebooted") is True:
        # What was said to wait for it waits no more.
        left = (w for w in progress.warnings if w.host != host or not w.text.startswith(NEEDS_REBOOT))
        return replace(progress, reboots=progress.reboots - {host}, warnings=tuple(left))
    if res.get("reboot_required") is True:
        return replace(progress, reboots=progress.reboots | {host})
    return progress


def _last_of_each(failures: tuple[Failure, ...], lost: Mapping[str, int]) -> tuple[Failure, ...]:
    """A host stops at the failure that nothing rescued, so those that count are its last ones."""
    left = dict(lost)
    kept: list[Failure] = []
    for failure in reversed(failures):
        if left.get(failure.host, 0) > 0:
            left[failure.host] -= 1
            kept.append(failure)
    return tuple(reversed(kept))


def _last_line(res: Data | None) -> str:
    text = str((res or {}).get("stdout") or (res or {}).get("msg") or "").strip()
    return text.splitlines()[-1].strip() if text else ""
