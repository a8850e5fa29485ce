"""Keeps secrets out of what is written down: only chosen fields of an event stay, searched. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"
LONGEST_TEXT = 8000

_SECRET_NAME = re.compile(
    r"(password|passwd|passphrase|secret|token|api_?key|private_?key|authorization)s?$", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"hf_[A-Za-z0-9]{16,}"
    r"|(?<=Bearer )\S+"
    r"|(?<=--api-key[ =])\S+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?i:(?<=password=)|(?<=token=)|(?<=api_key=)|(?<=secret=))[^\s\"'&]+",
    re.DOTALL,
)

_EVENT_FIELDS = (
    "play",
    "role",
    "task",
    "task_path",
    "resolved_action",
    "host",
    "duration",
    "start",
    "end",
    "ignore_errors",
)
_STATS_FIELDS = ("changed", "dark", "failures", "ignored", "ok", "processed", "rescued", "skipped")
_RESULT_FIELDS = (
    *("changed", "failed", "skipped", "rc", "msg", "stdout", "stderr", "cmd", "diff", "attempts", "results"),
    *("warnings", "reboot_required", "rebooted"),
    *(
        "argument_errors",
        "censored",
        "item",
        "_ansible_item_label",
        "module_stdout",
        "module_stderr",
        "skip_reason",
    ),
)


def event(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the record keeps of a runner event. `invocation` and the arguments of tasks are never among it."""
    data: Mapping[str, Any] = raw.get("event_data") or {}
    kept = {name: data[name] for name in (*_EVENT_FIELDS, *_STATS_FIELDS) if name in data}
    if isinstance(res := data.get("res"), Mapping):
        kept["res"] = _result(res)
    line = {
        "event": raw.get("event"),
        "created": raw.get("created"),
        "counter": raw.get("counter"),
        "event_data": kept,
    }
    if raw.get("event") in {"verbose", "error"} or "censored" in kept.get("res", {}):
        # A `no_log` result tells only here whether it changed something.
        line["stdout"] = raw.get("stdout", "")
    hidden = value(line)
    assert isinstance(hidden, dict)
    return hidden


def _result(res: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: res[name] for name in _RESULT_FIELDS if name in res}
    if isinstance(kept.get("results"), list):
        kept["results"] = [_result(item) for item in kept["results"] if isinstance(item, Mapping)]
    return kept


def value(found: object, name: str = "") -> object:
    """The same value with secrets hidden: by the name they go under, and by what they look like."""
    if isinstance(found, Mapping):
        return {str(key): value(item, str(key)) for key, item in found.items()}
    if isinstance(found, list | tuple):
        return [value(item, name) for item in found]
    if isinstance(found, str):
        return HIDDEN if found and _SECRET_NAME.search(name) else text(found)
    return found


def text(found: str, *, whole: bool = False) -> str:
    """A text with secrets hidden, cut when it is very long (unless it is wanted whole)."""
    if not whole and len(found) > LONGEST_TEXT:
        found = f"{found[:LONGEST_TEXT]}… ({len(found) - LONGEST_TEXT} more characters)"
    return _SECRET_TEXT.sub(HIDDEN, found)
