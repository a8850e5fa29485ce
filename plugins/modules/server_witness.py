"""Says what the kernel saw of a server between two looks, and how fast the clock ran meanwhile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import witness
from ansible_collections.hostproof.core.plugins.module_utils.witness import Witness

DOCUMENTATION = """
module: server_witness
short_description: Says what the kernel saw of a server between two looks
description:
  - C(before) notes counters. C(during) looks at the clock of each core for some seconds. C(after) returns what lies between, CPU time by
    whose it was, pressure (PSI) of the host and of the server's group, page and NUMA events, and the server's pages as they are now.
  - Writes nothing but its own note, C(/run/hostproof/witness.json).
options:
  state: {type: str, required: true, choices: [before, during, after], description: Which look.}
  unit: {type: str, required: true, description: The server's unit.}
  seconds: {type: float, default: 6, description: How long C(during) looks.}
  root: {type: path, default: /, description: A made-up tree in place of the host. For tests.}
attributes:
  check_mode: {support: full, description: Does nothing.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Note the counters
  hostproof.core.server_witness: {state: before, unit: llama-server.service}
"""

RETURN = """
told: {description: "What lies between, see docs/ab.md.", returned: when after, type: dict}
"""

ARGUMENTS = {
    "state": {"type": "str", "required": True, "choices": ["before", "during", "after"]},
    "unit": {"type": "str", "required": True},
    "seconds": {"type": "float", "default": 6.0},
    "root": {"type": "path", "default": "/"},
}
PAUSE_SECONDS = 1.0


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, told={})
    looking = Witness(module.params["unit"], Path(module.params["root"]))
    note = Path(module.params["root"]) / witness.NOTE.lstrip("/")
    told: dict[str, Any] = {}
    if module.params["state"] == "before":
        write(note, {"before": looking.counters(time.monotonic()), "clocks": []})
    else:
        noted = read(module, note)
        if module.params["state"] == "during":
            write(note, {**noted, "clocks": during(looking, module.params["seconds"])})
        else:
            told = after(looking, noted)
            note.unlink()
    module.exit_json(changed=False, told=told)


def during(looking: Witness, seconds: float) -> list[list[float]]:
    looks, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        looks.append(looking.clocks())
        time.sleep(PAUSE_SECONDS)
    return [look for look in looks if look]


def after(looking: Witness, noted: dict[str, Any]) -> dict[str, Any]:
    counters, clocks = looking.counters(time.monotonic()), noted["clocks"]
    return {
        **witness.between(noted["before"], counters),
        "mhz": clock(clocks),
        **looking.memory(),
        "gaps": witness.gaps(counters, clocks),
    }


def clock(looks: list[list[float]]) -> dict[str, float]:
    """MHz, the middle over the looks; empty where the host tells none."""
    if not looks:
        return {}
    return {"mean": median(map(fmean, looks)), "fastest": median(map(max, looks)), "looks": len(looks)}


def read(module: AnsibleModule, note: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(note.read_text(encoding="utf-8")))
    except FileNotFoundError:
        module.fail_json(msg=f"no counters were noted before ({note}). Call with state: before first.")
        raise


def write(note: Path, content: dict[str, Any]) -> None:
    note.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    note.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
