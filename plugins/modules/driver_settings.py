"""Works out persistence mode, power limits and clocks of a host's GPUs."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils.host import Host
from ansible_collections.hostproof.core.plugins.module_utils.knob import Knob
from ansible_collections.hostproof.core.plugins.module_utils.nvidia import files, power

DOCUMENTATION = """
module: driver_settings
short_description: Works out persistence mode, power limits and clocks of GPUs
description:
  - Reads only. The answer is knobs for M(hostproof.core.knobs), or every reason why a wish cannot be had, with the card's own range.
options:
  gpus: {type: list, elements: dict, required: true, description: "As M(hostproof.core.gpu_facts) returns them."}
  persistence: {type: bool, default: true, description: Whether NVIDIA's daemon is to keep persistence mode.}
  power_limit_watts: {type: float, default: 0, description: "Of every GPU; 0: the board's own."}
  clocks_mhz: {type: str, default: "", description: "Lowest and highest, such as C(300,2400); empty: free."}
  settings: {type: dict, default: {}, description: "By UUID, where a GPU differs: power_limit_watts, clocks_mhz."}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Work out what the GPUs are to be set to
  hostproof.core.driver_settings:
    gpus: "{{ seen.gpus }}"
    power_limit_watts: 275
"""

RETURN = """
persistence: {description: Knobs of persistence mode., returned: always, type: list, elements: dict}
knobs: {description: "Knobs of power and clocks, and of the units that set them at boot.", returned: always, type: list, elements: dict}
units: {description: Instances that set them., returned: always, type: list, elements: str}
failures: {description: "What cannot be had, a sentence each.", returned: always, type: list, elements: str}
"""

ARGUMENTS: dict[str, Any] = {
    "gpus": {"type": "list", "elements": "dict", "required": True},
    "persistence": {"type": "bool", "default": True},
    "power_limit_watts": {"type": "float", "default": 0},
    "clocks_mhz": {"type": "str", "default": ""},
    "settings": {"type": "dict", "default": {}},
}
UNIT_FOLDERS = ("/usr/lib/systemd/system", "/lib/systemd/system")


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    wishes = power.Wishes(
        params["persistence"], params["power_limit_watts"], params["clocks_mhz"], params["settings"]
    )
    made = power.settings(wishes, params["gpus"])
    module.exit_json(
        changed=False,
        persistence=[shown(knob) for knob in power.persistence(shipped(Host()))]
        if wishes.persistence
        else [],
        knobs=[shown(knob) for knob in made.knobs],
        units=[files.INSTANCE.format(uuid=uuid) for uuid in made.uuids],
        failures=[str(finding) for finding in made.findings],
    )


def shipped(host: Host) -> str:
    """The daemon's unit as its package brings it; empty before that."""
    paths = (f"{folder}/{files.PERSISTENCED}" for folder in UNIT_FOLDERS)
    return next((host.read(path) for path in paths if host.exists(path)), "")


def shown(knob: Knob) -> dict[str, str]:
    """As the module knobs takes them."""
    told = dataclasses.asdict(knob)
    told.pop("reason")
    return told


if __name__ == "__main__":
    main()
