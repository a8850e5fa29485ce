"""Puts together what a validation will measure and judge, on the controller; its documentation is the module's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

try:
    from hostproof.errors import HostproofError
    from hostproof.play import bundle, setups
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

ARGUMENTS: dict[str, Any] = {
    "run_id": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "hardware": {"type": "str", "required": True},
    "setups": {"type": "dict", "required": True},
    "only": {"type": "list", "elements": "str", "default": []},
    "servers": {"type": "dict", "required": True},
    "thresholds_dir": {"type": "path", "required": True},
    "workloads_dir": {"type": "path", "required": True},
    "deadline_seconds": {"type": "float", "required": True},
    "more_runs_seconds": {"type": "float", "default": 0.0},
    "instrument": {"type": "path", "required": True},
}


class ActionModule(ActionBase):
    """Reads files of the controller alone; the same in check mode."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        if MISSING is not None:
            raise AnsibleActionFail(no_hostproof(MISSING))
        try:
            return {"changed": False, **plan(given)}
        except HostproofError as error:
            raise AnsibleActionFail(str(error)) from error


def no_hostproof(error: ImportError) -> str:
    """`./inv` puts the checkout on the path of its own environment, and of no other."""
    return (
        f"Ansible's Python has no hostproof ({error}). Run ./inv --list once in the checkout, "
        "then .venv/bin/ansible-playbook instead of this one."
    )


def plan(given: dict[str, Any]) -> dict[str, Any]:
    wishes = setups.Wishes(
        run_id=given["run_id"],
        host=given["host"],
        hardware=given["hardware"],
        setups=given["setups"],
        only=given["only"],
        thresholds_dir=Path(given["thresholds_dir"]),
        workloads_dir=Path(given["workloads_dir"]),
        deadline_seconds=given["deadline_seconds"],
        more_runs_seconds=given["more_runs_seconds"],
    )
    planned = setups.plan(wishes, given["servers"])
    return {
        "setups": [
            {"name": each.name, "title": each.title, "server": dict(each.server), "config": dict(each.config)}
            for each in planned
        ],
        "expected": [
            {
                "host": wishes.host,
                "setup": each.name,
                "hardware": wishes.hardware,
                "model": each.server["model"],
                "title": each.title,
            }
            for each in planned
        ],
        "instrument": str(bundle.build(Path(given["instrument"]))),
    }
