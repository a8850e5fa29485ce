"""What one task result says to a person: its message and its diff. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

TAIL_LINES = 20
DIFF_LINES = 120

_PREFIX = re.compile(
    r"^(?:Task failed: |Module failed: |Action failed: "
    r"|Data could not be sent to remote host \S+ Make sure this host can be reached over ssh: "
    r"|Failed to connect to the host via ssh: )+"
)
# Messages that say nothing: the program's output says more. ansible-core 2.19 and 2.21 differ in the first.
_BARE = re.compile(
    r"(?:The command exited with a )?non-zero return code|MODULE FAILURE.*|One or more items failed"
    r"|All items completed|See stdout/stderr.*|",
    re.DOTALL,
)


def words(res: Mapping[str, Any]) -> str:
    """The host's own message: `msg`, else what the program wrote; of a loop, that of each failed item."""
    if items := [
        item for item in res.get("results") or () if isinstance(item, Mapping) and item.get("failed")
    ]:
        return "\n".join(f"{_label(item)}: {words(item)}" for item in items)
    if "censored" in res:
        return "the task keeps its output secret (no_log)"
    message = _PREFIX.sub("", str(res.get("msg") or "")).strip()
    errors = res.get("argument_errors")
    if isinstance(errors, list):
        return "\n".join([message, *(f"- {error}" for error in errors)])
    if _BARE.fullmatch(message.rstrip(".:")):
        return _output(res) or message or "no message"
    return message


def _output(res: Mapping[str, Any]) -> str:
    """The program's last lines with its exit status, as they stood on the host."""
    said = "\n".join(
        text
        for key in ("stdout", "stderr", "module_stdout", "module_stderr")
        if (text := str(res.get(key) or "").strip())
    )
    status = f"exit status {res['rc']}" if "rc" in res else ""
    command = res.get("cmd")
    shown = " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
    head = " of ".join(part for part in (status, f"`{shown}`" if shown else "") if part)
    return "\n".join([*([head] if head else []), *said.splitlines()[-TAIL_LINES:]])


def _label(item: Mapping[str, Any]) -> str:
    return str(item.get("_ansible_item_label", item.get("item", "item")))


def diff_of(res: Mapping[str, Any]) -> str:
    """A unified diff of what the result (or each item of its loop) changed; empty if it tells none."""
    parts = [_one_diff(entry) for entry in _diffs(res)]
    return "\n".join(part for part in parts if part)


def _diffs(res: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for source in (res, *(item for item in res.get("results") or () if isinstance(item, Mapping))):
        diff = source.get("diff")
        entries = diff if isinstance(diff, list) else [diff]
        found += [entry for entry in entries if isinstance(entry, Mapping)]
    return found


def _one_diff(entry: Mapping[str, Any]) -> str:
    if entry.get("prepared"):
        return _cut(str(entry["prepared"]).rstrip().splitlines())
    before, after = _text(entry.get("before")), _text(entry.get("after"))
    if before == after:
        return ""
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        fromfile=str(entry.get("before_header") or "before"),
        tofile=str(entry.get("after_header") or "after"),
        lineterm="",
        n=2,
    )
    return _cut(list(lines))


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True, default=str)


def _cut(lines: list[str]) -> str:
    more = [f"… {len(lines) - DIFF_LINES} more lines"] if len(lines) > DIFF_LINES else []
    return "\n".join([*lines[:DIFF_LINES], *more])
