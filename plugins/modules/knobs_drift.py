"""Shows each kernel setting with its wanted, live, persisted, booted and first value. Reads only."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import drifting, knob_arguments, page_look
from ansible_collections.hostproof.core.plugins.module_utils.host import Host
from ansible_collections.hostproof.core.plugins.module_utils.knob import AREAS, LAYERS, KnobError, Row, brief
from ansible_collections.hostproof.core.plugins.module_utils.knob_arguments import Wanted
from ansible_collections.hostproof.core.plugins.module_utils.page_look import Looked

DOCUMENTATION = """
module: knobs_drift
short_description: Shows how kernel settings differ from what is wanted
description:
  - One row for each wanted knob, and for each that an earlier call set and nobody wants any more (C(orphan)).
  - With O(wishes) it also looks, in the same call, at the servers that run and at the pools. What nobody uses is
    C(ignored-by-workload), with the kernel's numbers; what else a server does not do as it was placed is a warning.
    Not with O(demand), when they have not started.
  - Reads only, in check mode and out of it. Never fails because of a difference, unless O(demand) says so.
options:
  knobs:
    description: What is wanted, as for M(hostproof.core.knobs).
    type: list
    elements: dict
    suboptions:
      area: {type: str, required: true, description: Who wants it.}
      kind: {type: str, required: true, description: Its kind.}
      key: {type: str, required: true, description: As its kind names it.}
      wanted: {type: raw, required: true, description: "A text or a whole number; never a YAML truth value."}
      why: {type: str, default: "", description: What it is for.}
      source: {type: str, default: "", description: Where the value comes from.}
      risk: {type: str, default: "", description: What it may cost.}
      effect: {type: str, default: "", description: How much it is worth.}
      group: {type: str, default: "", description: What it is coupled with.}
  wishes: {type: dict, description: "In place of O(knobs): variables of the role C(tuning) by name, worked out on the host."}
  areas:
    description: Works out these areas alone. Empty means all.
    type: list
    elements: str
    choices: [hugepages, numa, cpu_power, kernel_cmdline, limits]
    default: []
  owners:
    description: Areas whose orphans are told. Empty means those of tuning with O(wishes), all with O(knobs).
    type: list
    elements: str
    default: []
  demand:
    description: Fails if a wanted setting is not as wanted, such as after a boot. C(unsupported) is no reason, nor is an C(orphan).
    type: bool
    default: false
  root: {type: path, default: /, description: A made-up tree in place of the host. For tests.}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Compare
  hostproof.core.knobs_drift:
    knobs:
      - {area: numa, kind: sysctl, key: kernel.numa_balancing, wanted: "0"}
  register: drift
"""

RETURN = """
rows:
  description: Each with area, kind, key, wanted, live, persisted, booted, first, state, owner (of the persisted value) and detail.
  returned: always
  type: list
  elements: dict
differing: {description: How many rows are neither C(ok) nor C(ignored-by-workload)., returned: always, type: int}
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **knob_arguments.OPTIONS,
            "owners": {"type": "list", "elements": "str", "default": []},
            "demand": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
        required_one_of=knob_arguments.EITHER,
        mutually_exclusive=knob_arguments.EITHER,
    )
    try:
        wanted = knob_arguments.wanted(module.params)
        owners = module.params["owners"] or (AREAS if module.params["knobs"] is None else ())
        looked = look(module.params, wanted)
        rows, notes = drifting.drift(
            Host(module.params["root"]), wanted.knobs, owners, evidence=looked.evidence
        )
    except KnobError as error:
        module.fail_json(msg=str(error))
    for note in (*wanted.findings, *notes):
        module.warn(f"{note}.")
    told = {row.name for row in wanted.knobs}
    for finding in looked.findings:
        if told.isdisjoint(finding.knobs):
            module.warn(str(finding))
    differing = sum(row.state not in drifting.IN_ORDER for row in rows)
    result = {"rows": [dataclasses.asdict(row) for row in rows], "differing": differing}
    lost = [said(row) for row in rows if row.state not in (*drifting.IN_ORDER, "unsupported", "orphan")]
    if lost and module.params["demand"]:
        count = f"{len(lost)} of {len(rows)} settings are not as wanted:"
        module.fail_json(msg="\n".join([count, *lost]), **result)
    module.exit_json(changed=False, **result)


def look(params: dict[str, Any], wanted: Wanted) -> Looked:
    """What servers do with what was set for them: nothing to say where nobody is placed, or none can have started."""
    if params["demand"]:
        return Looked({}, ())
    placements = {placement.server: dataclasses.asdict(placement) for placement in wanted.placements}
    servers = (params["wishes"] or {}).get("tuning_servers", ())
    pools = [knob.key for knob in wanted.knobs if knob.kind == "pool"]
    return page_look.look(Path(params["root"]), placements, servers, pools)


def said(row: Row) -> str:
    values = ", ".join(f"{layer} {brief(value)}" for layer in LAYERS if (value := getattr(row, layer)))
    return (
        f"{row.state}: {row.kind}:{row.key} = {brief(row.wanted) or 'the bare word'}: {row.detail or values}"
    )


if __name__ == "__main__":
    main()
