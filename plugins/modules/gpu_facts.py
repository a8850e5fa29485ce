"""Says what a host's NVIDIA GPUs and their driver are. Reads only."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils.facts import gather, gpu, recording
from ansible_collections.hostproof.core.plugins.module_utils.facts.tree import Tree

DOCUMENTATION = """
module: gpu_facts
short_description: Says what a host's NVIDIA GPUs and their driver are
description:
  - Asks NVML through nvidia-ml-py, and reads /sys, /proc, modules and libraries on disk, and dpkg's list. docs/facts.md has every key.
  - The controller's nvidia-ml-py goes to the host for the time of the task; nothing of it stays there.
  - Never fails for what it finds. No card, no driver, a driver that answers with an error and a card that is lost are answers.
  - What a card or driver does not know stands in C(gpus[].unsupported), what went wrong in C(gpus[].problems) and C(unreadable).
options:
  wanted:
    description: The driver's version that is wanted there, for C(driver.wanted). Without it, what the host's apt is told to stay at.
    type: str
    default: ""
  record:
    description: Hand over the files that were read, too, without anything secret.
    type: bool
    default: false
  root:
    description: A recorded tree in place of the host. For tests.
    type: path
    default: /
  binding:
    description: The file pynvml.py on the host. The action plugin fills it in.
    type: path
    default: ""
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Look at the GPUs
  hostproof.core.gpu_facts:
  become: true
  register: seen

- name: Stop where the driver is not as it should be
  ansible.builtin.assert:
    that: seen.driver.state == 'ok'
    fail_msg: "{{ seen.driver.why }}"
"""

RETURN = """
gpus: {description: "The cards, by NVML's order, then those that only the bus knows.", returned: always, type: list, elements: dict}
driver: {description: "The driver as loaded, on disk and wanted, with a verdict.", returned: always, type: dict}
unreadable: {description: "Path to why nothing came of it.", returned: always, type: dict}
recording: {description: "Files, links and folders by path.", returned: with record, type: dict}
"""

ARGUMENTS = {
    "wanted": {"type": "str", "default": ""},
    "record": {"type": "bool", "default": False},
    "root": {"type": "path", "default": "/"},
    "binding": {"type": "path", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    tree = Tree(Path(given["root"]))
    seen = gpu.look(tree, gpu.asking(given["binding"]), given["wanted"])
    result = {**gather.gpus_to_json(seen), "unreadable": dict(sorted(tree.unreadable.items()))}
    if given["record"]:
        result["recording"] = recording.of(tree)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
