"""Takes the controller's nvidia-ml-py along to the host; its documentation is the module's.

One pure Python file, which NVIDIA keeps in step with NVML. It lies in the task's own temporary folder, which goes with the task.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

BINDING = "pynvml"


class ActionModule(ActionBase):
    """The same in check mode: it only looks."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = dict(self._task.args)
        if not given.get("binding"):
            given["binding"] = self._take_along()
        # The temporary folder goes when Ansible cleans up after the task.
        return result | self._execute_module(
            module_name="hostproof.core.gpu_facts", module_args=given, task_vars=task_vars
        )

    def _take_along(self) -> str:
        """The file's place on the host, readable for whom the task becomes."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        target: str = self._connection._shell.join_path(folder, f"{BINDING}.py")
        self._transfer_file(str(here()), target)
        self._fixup_perms2((folder, target))
        return target


def here() -> Path:
    """nvidia-ml-py of the controller. Raises AnsibleActionFail where it has none."""
    spec = importlib.util.find_spec(BINDING)
    if spec is None or not spec.origin:
        raise AnsibleActionFail(
            "Ansible's Python has no nvidia-ml-py. Run ./inv --list once in the checkout, "
            "then .venv/bin/ansible-playbook instead of this one."
        )
    return Path(spec.origin)
