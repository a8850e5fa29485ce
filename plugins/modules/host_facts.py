"""Says what a host is; asked with wishes, also which knobs they make there. Reads only."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils.areas import every
from ansible_collections.hostproof.core.plugins.module_utils.facts import gather, recording

DOCUMENTATION = """
module: host_facts
short_description: Says what a host is, and which knobs the wishes make there
description:
  - Processor, NUMA nodes, memory, clock, kernel, PCIe and system, read from /sys, /proc and /etc by name. docs/facts.md has every key.
  - Never fails for what it finds. What could not be read stands in C(facts.unreadable), with the reason.
  - With O(wishes) it also derives the knobs that C(hostproof.core.knobs) takes, and fails with every refusal at once.
options:
  wishes:
    description: Variables of the role tuning by name (docs/knobs.md). Without it nothing is derived.
    type: dict
  areas:
    description: Derive only the knobs of these areas; all if empty.
    type: list
    elements: str
    choices: [hugepages, numa, cpu_power, kernel_cmdline, limits]
    default: []
  record:
    description: Hand over the files that were read, too, without anything secret.
    type: bool
    default: false
  root:
    description: A recorded tree in place of the host. For tests.
    type: path
    default: /
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Look at the host
  hostproof.core.host_facts:
  become: true
  register: host

- name: Derive the knobs
  hostproof.core.host_facts:
    wishes: {tuning_swappiness: "1"}
  register: derived
"""

RETURN = """
facts: {description: "What the host is, schema hostproof.facts/1.", returned: always, type: dict}
knobs: {description: "As C(hostproof.core.knobs) takes them.", returned: with wishes, type: list, elements: dict}
placements:
  description: Cores, nodes, load mode and environment that each declared server should get.
  returned: with wishes
  type: list
  elements: dict
findings:
  description: What there is to say about the wishes. Each has area, severity (refuse or note), what, where and mend.
  returned: with wishes
  type: list
  elements: dict
recording: {description: "Files, links and folders by path.", returned: with record, type: dict}
"""

ARGUMENTS = {
    "wishes": {"type": "dict"},
    "areas": {
        "type": "list",
        "elements": "str",
        "choices": ["hugepages", "numa", "cpu_power", "kernel_cmdline", "limits"],
        "default": [],
    },
    "record": {"type": "bool", "default": False},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    facts, recorded = recording.record(Path(module.params["root"]))
    result = {"facts": gather.to_json(facts)}
    if module.params["record"]:
        result["recording"] = recorded
    if module.params["wishes"] is None:
        module.exit_json(changed=False, **result)
    derived = every.derive(facts, module.params["wishes"], module.params["areas"])
    result |= dataclasses.asdict(derived)
    if derived.refusals:
        module.fail_json(msg="\n".join(map(str, derived.refusals)), **result)
    for finding in derived.findings:
        module.warn(str(finding))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
