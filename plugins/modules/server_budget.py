"""What servers hold of the GPU's memory now, by their control groups."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import proof_look

DOCUMENTATION = """
module: server_budget
short_description: Says what servers hold of the GPU's memory now
description:
  - What a server holds it gives back before it is started again, so it counts as free for its own next start, and for nobody else's.
options:
  units: {type: list, elements: str, required: true, description: The servers' units.}
  processes:
    description: "Processes on all GPUs, each with C(pid) and C(vram_bytes), as M(hostproof.core.gpu_facts) lists them, all cards together."
    type: list
    elements: dict
    required: true
  free_bytes: {type: int, default: 0, description: Free VRAM of all cards.}
  wanted_bytes: {type: int, default: 0, description: "What the server needs at least; 0 for not checked."}
  why: {type: str, default: "", description: "Where O(wanted_bytes) comes from, for the sentence."}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See that the model fits beside what others hold
  hostproof.core.server_budget:
    units: [vllm-server.service]
    processes: "{{ gpus.gpus | map(attribute='processes') | flatten }}"
    free_bytes: "{{ gpus.gpus | map(attribute='vram.free_bytes') | sum }}"
    wanted_bytes: "{{ model.found.vram_bytes.least }}"
"""

RETURN = """
bytes: {description: What the units hold., returned: always, type: int}
others: {description: "Who else holds some, a line each.", returned: always, type: list, elements: str}
"""

ARGUMENTS = {
    "units": {"type": "list", "elements": "str", "required": True},
    "processes": {"type": "list", "elements": "dict", "required": True},
    "free_bytes": {"type": "int", "default": 0},
    "wanted_bytes": {"type": "int", "default": 0},
    "why": {"type": "str", "default": ""},
}
GIB = 1024**3


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        running = proof_look.processes(module.params["processes"]) or []
    except ValueError as error:
        module.fail_json(msg=str(error))
    own = frozenset(pid for unit in module.params["units"] for pid in proof_look.start(module, unit).pids)
    held = sum(each.vram_bytes or 0 for each in running if each.pid in own)
    others = [
        f"{each.name or 'a process'} (pid {each.pid}) holds {(each.vram_bytes or 0) / GIB:.1f} GiB"
        for each in running
        if each.pid not in own
    ]
    free, wanted = module.params["free_bytes"] + held, module.params["wanted_bytes"]
    if wanted and free < wanted:
        who = f" {'; '.join(others)}." if others else ""
        because = f" ({module.params['why']})" if module.params["why"] else ""
        module.fail_json(
            msg=f"{free / GIB:.1f} GiB of VRAM are to be had, and at least {wanted / GIB:.1f} GiB are needed{because}.{who} "
            "End what is not needed there (./inv status), serve a smaller model, or lower the context. The server was left as it is."
        )
    module.exit_json(changed=False, bytes=held, others=others)


if __name__ == "__main__":
    main()
