"""Works out what a comparison measures, on the controller; its documentation is the module's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.hostproof.core.plugins.action.validation_plan import no_hostproof

try:
    from hostproof.errors import HostproofError
    from hostproof.play import ab_plan, bundle, setups
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

ARGUMENTS: dict[str, Any] = {
    "run_id": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "hardware": {"type": "str", "default": ""},
    "setups": {"type": "dict", "required": True},
    "setup": {"type": "str", "default": ""},
    "servers": {"type": "dict", "required": True},
    "workloads_dir": {"type": "path", "required": True},
    "workload": {"type": "str", "required": True},
    "rounds": {"type": "int", "required": True},
    "deadline_seconds": {"type": "float", "required": True},
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


def plan(given: dict[str, Any]) -> dict[str, Any]:
    folder = Path(given["workloads_dir"])
    wishes = setups.Wishes(
        run_id=given["run_id"],
        host=given["host"],
        hardware=given["hardware"],
        setups=given["setups"],
        only=[given["setup"]] if given["setup"] else [],
        thresholds_dir=folder,
        workloads_dir=folder,
        deadline_seconds=given["deadline_seconds"],
    )
    planned = ab_plan.plan(wishes, given["servers"], given["workload"], given["rounds"])
    return {
        "setup": planned.setup,
        "title": planned.title,
        "server": dict(planned.server),
        "config": dict(planned.config),
        "visits": [visit.as_json() for visit in planned.visits],
        "instrument": str(bundle.build(Path(given["instrument"]))),
        "put_back": str(bundle.build_put_back(Path(given["instrument"]).with_name("ab-back.pyz"))),
    }
