"""Takes and releases the lock that says who is changing this host now."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import runlock

DOCUMENTATION = """
module: run_lock
short_description: One run at a time changes a host
description:
  - Takes or releases C(/run/hostproof/run.lock), which names the run that is changing this host.
  - A lock is taken over, and that is said, when the host was booted since, when the same controller asks
    again, or when the ssh session of its run is gone. Otherwise the module fails and says who holds it.
  - A run without an ssh session (local and container connections) never counts as gone by itself.
  - Bookkeeping that a reboot forgets, not a wish about the host; callers set C(changed_when) to false.
options:
  state:
    description: C(present) takes the lock, C(absent) releases it if it is this run's.
    choices: [present, absent]
    default: present
    type: str
  run_id:
    description: The run that asks. Made up from time and process if empty; C(absent) needs it.
    type: str
    default: ""
  controller_id:
    description:
      - The controller that asks. It must let only one run at a time through; leave it empty otherwise.
    type: str
    default: ""
  force:
    description: Takes or releases the lock whoever holds it.
    type: bool
    default: false
  path:
    description: The lock file.
    type: path
    default: /run/hostproof/run.lock
attributes:
  check_mode:
    description: Reports who holds the lock, takes nothing and never fails because of it.
    support: full
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Take the run lock
  hostproof.core.run_lock:
    run_id: "{{ hostproof_run_id }}"
    controller_id: "{{ hostproof_controller_id }}"
  register: lock
  changed_when: false
- name: Release the run lock
  hostproof.core.run_lock:
    state: absent
    run_id: "{{ lock.run_id }}"
  changed_when: false
"""

RETURN = """
run_id:
  description: The run that has the lock now.
  returned: always
  type: str
was:
  description: What stood there before, C(free), C(ours), C(stale) or C(held).
  returned: always
  type: str
notes:
  description: Names of the files beside the lock, such as what an earlier run that was cut short left to be put back.
  returned: when it is taken, or in check mode
  type: list
  elements: str
"""

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "run_id": {"type": "str", "default": ""},
    "controller_id": {"type": "str", "default": ""},
    "force": {"type": "bool", "default": False},
    "path": {"type": "path", "default": runlock.PATH},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    path = Path(module.params["path"])
    now = datetime.now(UTC)
    run_id = module.params["run_id"] or f"{now:%Y%m%dT%H%M%SZ}-by-hand-{os.getpid()}"
    asking = runlock.describe_me(run_id, module.params["controller_id"], f"{now:%Y-%m-%dT%H:%M:%SZ}")
    try:
        if module.check_mode:
            report(module, path, asking)
        elif module.params["state"] == "present":
            take(module, path, asking)
        else:
            before = runlock.release(path, asking, force=module.params["force"])
            module.exit_json(
                changed=not path.exists() and before.kind != "free", was=before.kind, run_id=run_id
            )
    except runlock.UnreadableError as error:
        module.fail_json(
            msg=f"The run lock cannot be read: {error} ({path}). "
            "If no run is under way on this host, remove the file."
        )


def take(module: AnsibleModule, path: Path, asking: runlock.Holder) -> None:
    before = runlock.take(path, asking, force=module.params["force"])
    if before.kind == "held" and not module.params["force"]:
        module.fail_json(msg=runlock.refusal(before, path), was=before.kind, run_id=asking.run_id)
    if before.kind in ("stale", "held"):
        why = before.why or "force"
        module.warn(f"The run lock of {before.holder or 'an unknown run'} was taken over: {why}.")
    module.exit_json(
        changed=before.kind != "ours", was=before.kind, run_id=asking.run_id, notes=runlock.notes(path)
    )


def report(module: AnsibleModule, path: Path, asking: runlock.Holder) -> None:
    found = runlock.stand(path, asking)
    if found.kind == "held":
        module.warn(
            f"Another run is changing this host now: {found.holder}. What is shown here may be half done."
        )
    module.exit_json(changed=False, was=found.kind, run_id=asking.run_id, notes=runlock.notes(path))


if __name__ == "__main__":
    main()
