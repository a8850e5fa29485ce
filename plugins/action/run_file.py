"""Keeps what a host handed over in the run's folder, on the controller; its documentation is the module's."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ARGUMENTS: dict[str, Any] = {
    "folder": {"type": "path", "required": True},
    "content": {"type": "dict", "required": True},
}
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class ActionModule(ActionBase):
    """Writes on the controller, in check mode too: a run's record is no state of a host. No connection, no process of its own."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        host = str((task_vars or {}).get("inventory_hostname", ""))
        path = Path(given["folder"]) / f"{host}.json"
        if not _NAME.fullmatch(host):
            raise AnsibleActionFail(
                f"host {host!r} has a name that no file can have: rename it in the inventory."
            )
        try:
            keep(path, given["content"])
        except OSError as error:
            raise AnsibleActionFail(
                f"cannot keep what {host} handed over: {error.strerror}: {path}"
            ) from error
        return {"changed": False, "path": str(path)}


def keep(path: Path, content: dict[str, Any]) -> None:
    """The file is there as a whole or not at all; only its owner reads it. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    new.replace(path)
