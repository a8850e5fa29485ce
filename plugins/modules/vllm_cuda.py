"""Holds a vLLM release against the driver and the card, before anything is switched to it."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import vllm_cuda

DOCUMENTATION = """
module: vllm_cuda
short_description: Holds a vLLM release against the driver and the card
description:
  - Reads from the release's own libraries which CUDA they ask for and which GPUs they have code for, and fails if the driver does not
    speak that CUDA or the card is not among them. Which CUDA a wheel without a variant in its name is for has changed before.
options:
  folder: {type: path, required: true, description: The release.}
  name: {type: str, required: true, description: "What people call it, such as vLLM 0.33.0."}
  driver_cuda: {type: str, default: "", description: "The newest CUDA that the driver speaks, such as 13.0; empty, not known."}
  compute_capability: {type: str, default: "", description: "The card's, such as 12.0; empty, not known."}
attributes:
  check_mode: {support: full, description: Reads only. A release that is not there yet is no error then.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Hold the release against the driver
  hostproof.core.vllm_cuda:
    folder: /opt/vllm/releases/0.33.0
    name: vLLM 0.33.0
    driver_cuda: "{{ gpus.driver.nvml.cuda }}"
    compute_capability: "12.0"
"""

RETURN = """
cuda: {description: Major versions of CUDA that it asks for., returned: success, type: list, elements: int}
capabilities: {description: Compute capabilities that it has code for., returned: success, type: list, elements: str}
"""

ARGUMENTS = {
    "folder": {"type": "path", "required": True},
    "name": {"type": "str", "required": True},
    "driver_cuda": {"type": "str", "default": ""},
    "compute_capability": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    folder = Path(module.params["folder"])
    if module.check_mode and not folder.exists():
        module.exit_json(changed=False, cuda=[], capabilities=[])
    try:
        built = vllm_cuda.look(folder)
    except (OSError, ValueError) as error:
        module.fail_json(
            msg=f"{module.params['name']} cannot be looked at: {error}. Build the release again under another name."
        )
    given = module.params
    found = vllm_cuda.complaints(built, given["driver_cuda"], given["compute_capability"], given["name"])
    if said := [str(each) for each in found]:
        module.fail_json(msg="\n".join([*said, "What serves now was not touched."]))
    module.exit_json(
        changed=False, cuda=sorted(built.cuda), capabilities=sorted(built.capabilities, key=float)
    )


if __name__ == "__main__":
    main()
