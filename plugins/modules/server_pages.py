"""Says whether servers really use the pages, pools, nodes and CPUs that were set for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import page_look

DOCUMENTATION = """
module: server_pages
short_description: Says whether servers really use what was set for them
description:
  - Reads smaps_rollup, numa_maps and status of each server's largest process, and the free pages of each pool. Reads only.
  - What is not used is a warning with numbers, C(ignored-by-workload). Never fails because of it. A server that does not run is left out.
options:
  placements:
    description: By server, as M(hostproof.core.knobs) returns them. The unit has the server's name, with hyphens.
    type: dict
    default: {}
  servers:
    description: Entries of C(tuning_servers), of which C(name) and C(memory_bytes) are read.
    type: list
    elements: dict
    default: []
  knobs:
    description: As M(hostproof.core.knobs) returns them; those of the kind C(pool) are looked at.
    type: list
    elements: dict
    default: []
  root: {type: path, default: /, description: A made-up tree in place of the host. For tests.}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See whether the pages are used
  hostproof.core.server_pages:
    placements: "{{ tuning_placements }}"
    servers: "{{ tuning_servers }}"
"""

RETURN = """
seen:
  description: By server, bytes resident, transparent, pooled and by_node, and the cpus that it may run on.
  returned: always
  type: dict
evidence:
  description: C(kind:key) of knobs that are C(ignored-by-workload), with the proof, as M(hostproof.core.knobs) takes it.
  returned: always
  type: dict
"""

ARGUMENTS = {
    "placements": {"type": "dict", "default": {}},
    "servers": {"type": "list", "elements": "dict", "default": []},
    "knobs": {"type": "list", "elements": "dict", "default": []},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    pools = [str(knob["key"]) for knob in params["knobs"] if knob.get("kind") == "pool"]
    looked = page_look.look(Path(params["root"]), params["placements"], params["servers"], pools)
    for note in looked.notes:
        module.warn(note)
    module.exit_json(
        changed=False,
        seen={server: dataclasses.asdict(found) for server, found in looked.seen.items()},
        evidence=dict(looked.evidence),
    )


if __name__ == "__main__":
    main()
