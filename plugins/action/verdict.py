"""Judges what a run measured, on the controller; its documentation is the module's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.hostproof.core.plugins.action.validation_plan import no_hostproof

try:
    from hostproof.errors import HostproofError
    from hostproof.judge.model import Outcome
    from hostproof.judge.verdict import line
    from hostproof.play import judging
    from hostproof.report import terminal
    from hostproof.report.write import write
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

ARGUMENTS: dict[str, Any] = {
    "run_dir": {"type": "path", "required": True},
    "run_id": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "expected": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            name: {"type": "str", "required": True}
            for name in ("host", "setup", "hardware", "model", "title")
        },
    },
    "problems": {"type": "dict", "default": {}},
    "thresholds_dir": {"type": "path", "required": True},
    "show": {"type": "bool", "default": False},
}


NOTHING = "Nothing was measured in check mode, so nothing is judged."


class ActionModule(ActionBase):
    """Fails unless everything is proven, so that plain `ansible-playbook` fails too."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        if self._task.check_mode:
            if given["show"]:
                self._display.display(NOTHING)
            return {"skipped": True, "msg": NOTHING}
        if MISSING is not None:
            raise AnsibleActionFail(no_hostproof(MISSING))
        try:
            return self._judge(given)
        except HostproofError as error:
            raise AnsibleActionFail(str(error)) from error

    def _judge(self, given: dict[str, Any]) -> dict[str, Any]:
        run = Path(given["run_dir"])
        expected = [
            judging.Expected(
                **each, problem=str(given["problems"].get(f"{each['host']}/{each['setup']}", ""))
            )
            for each in given["expected"]
        ]
        material = judging.judge(
            run, given["run_id"], given["hosts"], expected, Path(given["thresholds_dir"])
        )
        written = write(material, run)
        if given["show"]:
            for each in terminal.text(material).splitlines():
                self._display.display(each)
        verdict = material.verdict
        return {
            "changed": False,
            "failed": verdict.outcome is not Outcome.PROVEN,
            "outcome": verdict.outcome.value,
            "msg": line(verdict) if verdict.outcome is Outcome.PROVEN else terminal.brief(material),
            "files": [str(path) for path in written],
        }
