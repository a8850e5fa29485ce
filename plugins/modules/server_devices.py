"""Asks a server's own image which GPUs it sees, inside a container with the devices that the server gets."""

from __future__ import annotations

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import llama_proof

DOCUMENTATION = """
module: server_devices
short_description: Asks a llama-server image which GPUs it sees inside a container
description:
  - Runs C(llama-server --list-devices), which exits with 0 whatever it finds, and fails if there is no GPU among them. A server that is
    started all the same would serve from the CPU, without a word at its usual verbosity.
options:
  command: {type: list, elements: str, required: true, description: "How to run it, such as C(podman run --rm … --list-devices)."}
  wanted_bytes:
    description: Free VRAM that is needed over all devices, beside what O(held_bytes) gives back; 0 for not checked.
    type: int
    default: 0
  held_bytes: {type: int, default: 0, description: "What the server that runs now holds, and gives back before it starts again."}
attributes:
  check_mode: {support: full, description: Runs nothing.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See that the image sees the GPU
  hostproof.core.server_devices:
    command: [podman, run, --rm, --pull=never, --network=none, --device=nvidia.com/gpu=all, "{{ image }}", --list-devices]
"""

RETURN = """
listed: {description: What it printed., returned: success, type: str}
devices: {description: "The GPUs, each a line.", returned: success, type: list, elements: str}
"""

ARGUMENTS = {
    "command": {"type": "list", "elements": "str", "required": True},
    "wanted_bytes": {"type": "int", "default": 0},
    "held_bytes": {"type": "int", "default": 0},
}
TAIL_LINES = 8
GIB = 1024**3


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, listed="", devices=[])
    rc, out, err = module.run_command(module.params["command"])
    said = "\n".join((out + err).strip().splitlines()[-TAIL_LINES:])
    if rc != 0:
        module.fail_json(
            msg=f"The image cannot be asked for its devices (status {rc}). {cause(out + err)} It said:\n{said}"
        )
    found = llama_proof.list_devices(out + err)
    if not found:
        module.fail_json(
            msg="The image sees no GPU inside its container, so it would serve from the CPU. Take an image with CUDA (12 or 13, by the "
            f"driver), and see that podman gives it the card (role nvidia_cdi). It said:\n{said}"
        )
    free, wanted = sum(each.free_bytes for each in found), module.params["wanted_bytes"]
    if free + module.params["held_bytes"] < wanted:
        module.fail_json(
            msg=f"{free / GIB:.1f} GiB of VRAM are free, and the weights take {wanted / GIB:.1f} GiB. See what holds the rest "
            "(./inv status), lower the other server's share (vllm_server_gpu_memory_utilization), or put fewer layers on the GPU."
        )
    lines = [
        f"{each.id}: {each.name}, {each.free_bytes / GIB:.1f} of {each.total_bytes / GIB:.1f} GiB free"
        for each in found
    ]
    module.exit_json(changed=False, listed=out + err, devices=lines)


def cause(said: str) -> str:
    if "unresolvable CDI devices" in said:
        return "podman does not find the device: provision with --tags nvidia_cdi."
    missing = re.search(r"lib(cuda|cudart|cublas)[\w.]*: cannot open shared object", said)
    return (
        f"The container lacks lib{missing[1]}: the driver's libraries come with the CDI device."
        if missing
        else ""
    )


if __name__ == "__main__":
    main()
