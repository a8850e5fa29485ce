"""Says whether servers really use the pages, pools, nodes and CPUs that were set for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import page_evidence
from ansible_collections.hostproof.core.plugins.module_utils.kinds import pool as pools
from ansible_collections.hostproof.core.plugins.module_utils.page_evidence import Expected, Pool, Seen

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
SLICE = "sys/fs/cgroup/system.slice"
UNIFIED = "sys/fs/cgroup/unified/system.slice"
"""Where the version 2 tree lies beside version 1."""


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    root = Path(module.params["root"])
    sizes = {str(one.get("name", "")): int(one.get("memory_bytes") or 0) for one in module.params["servers"]}
    wanted = [
        page_evidence.expected(name, placement, sizes.get(name, 0))
        for name, placement in module.params["placements"].items()
    ]
    there = list(pools_there(root, module.params["knobs"]))
    seen = {one.server: found for one in wanted if (found := look(root, one))}
    findings = page_evidence.idle(there)
    for one in wanted:
        if one.server in seen:
            findings += page_evidence.judge(one, seen[one.server], [pool.name for pool in there])
    for finding in findings:
        module.warn(f"{finding}.".replace("?.", "?"))
    module.exit_json(
        changed=False,
        seen={server: dataclasses.asdict(found) for server, found in seen.items()},
        evidence={knob: finding.text for finding in findings for knob in finding.knobs},
    )


def look(root: Path, wanted: Expected) -> Seen | None:
    """The largest process of the unit; None if it has none."""
    found = [(page_evidence.rollup(text), folder) for folder, text in processes(root, wanted.unit)]
    if not found:
        return None
    (resident, transparent, pooled), folder = max(found, key=lambda one: one[0][0] + one[0][2])
    # numa_maps counts every page: a second for tens of gigabytes, so only where it says something.
    maps = read(folder / "numa_maps") if wanted.policy else ""
    cpus = page_evidence.allowed(read(folder / "status"))
    return Seen(resident, transparent, pooled, cpus, page_evidence.by_node(maps))


def processes(root: Path, unit: str) -> Iterator[tuple[Path, str]]:
    """Of the unit's control group and all below it: the folder in /proc, and its smaps_rollup."""
    for slices in (SLICE, UNIFIED):
        for file in sorted((root / slices / unit).glob("**/cgroup.procs")):
            for pid in read(file).split():
                folder = root / "proc" / pid
                if text := read(folder / "smaps_rollup"):
                    yield folder, text


def pools_there(root: Path, knobs: list[dict[str, Any]]) -> Iterator[Pool]:
    for knob in knobs:
        if knob.get("kind") != pools.KIND.name:
            continue
        folder = (root / pools.path_of(str(knob["key"])).lstrip("/")).parent
        # A node's folder has no resv_hugepages: a reservation is not tied to a node.
        counts = {name: int(read(folder / f"{name}_hugepages") or 0) for name in ("nr", "free", "resv")}
        yield Pool(f"pool:{knob['key']}", counts["nr"], counts["free"], counts["resv"])


def read(path: Path) -> str:
    """Empty for what is not there: processes come and go."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return ""


if __name__ == "__main__":
    main()
