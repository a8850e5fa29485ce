"""Takes kernel settings back to what stood there before hostproof touched them, and proves it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import undoing
from ansible_collections.hostproof.core.plugins.module_utils.host import Host
from ansible_collections.hostproof.core.plugins.module_utils.knob import KnobError

DOCUMENTATION = """
module: knobs_undo
short_description: Takes kernel settings back to what stood there first
description:
  - Walks the knobs of the journal on the host, live and persisted, so what has left the inventory is taken back too.
  - What somebody else changed since stays and is said so. What only a boot takes back says C(needs-reboot).
options:
  only: {type: list, elements: str, default: [], description: "Families (areas), such as C(hugepages). Empty means all."}
  force: {type: bool, default: false, description: Takes back what somebody else changed too.}
  salvage: {type: bool, default: false, description: Goes on with what is sound in a damaged journal; sets the damaged one aside.}
  run_id: {type: str, default: "", description: "The run, as in the journal. Made up from time and process if empty."}
  root: {type: path, default: /, description: A made-up tree in place of the host. For tests.}
attributes:
  check_mode: {support: full, description: "Reads only; leaves no trace, takes no lock."}
  diff_mode: {support: full, description: "Live values in one diff, each drop-in file in its own."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Give the hugepages back
  hostproof.core.knobs_undo:
    only: [hugepages]
"""

RETURN = """
knobs:
  description: Each knob with area, kind, key, state and detail.
  returned: always
  type: list
  elements: dict
reboot_required: {description: Whether this boot still has what was taken back., returned: always, type: bool}
"""

ARGUMENTS = {
    "only": {"type": "list", "elements": "str", "default": []},
    "force": {"type": "bool", "default": False},
    "salvage": {"type": "bool", "default": False},
    "run_id": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/"},
}
BACK = ("ok", "changed", "pending", "needs-reboot")


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    options = {name: params[name] for name in ("only", "force", "salvage")}
    try:
        if module.check_mode:
            report = undoing.check(Host(params["root"]), **options)
        else:
            run_id = params["run_id"] or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-by-hand-{os.getpid()}"
            report = undoing.undo(Host(params["root"]), run_id, **options)
    except KnobError as error:
        module.fail_json(msg=str(error))
    for note in report.notes:
        module.warn(f"{note}.")
    knobs = [
        {"area": o.knob.area, "kind": o.knob.kind, "key": o.knob.key, "state": o.state, "detail": o.detail}
        for o in report.outcomes
    ]
    result = {
        "changed": report.changed,
        "diff": list(report.diffs),
        "knobs": knobs,
        "reboot_required": any(knob["state"] == "needs-reboot" for knob in knobs),
    }
    left = [f"{k['state']}: {k['kind']}:{k['key']}: {k['detail']}" for k in knobs if k["state"] not in BACK]
    if left and not module.check_mode:
        force = (
            " `--force` takes back what is foreign." if any(k["state"] == "foreign" for k in knobs) else ""
        )
        module.fail_json(msg="\n".join([f"{len(left)} not taken back.{force}", *left]), **result)
    for line in left:
        module.warn(line)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
