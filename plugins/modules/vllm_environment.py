"""Refuses environment variables that a vLLM release does not read."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import vllm_pins

DOCUMENTATION = """
module: vllm_environment
short_description: Refuses environment variables that a vLLM release does not read
description:
  - vLLM itself only warns of a name that it does not know, and then runs without what was meant. The names are read from the
    release's own vllm/envs.py, which is not run.
options:
  names: {type: list, elements: str, required: true, description: Names that are wanted.}
  folder: {type: path, required: true, description: The release.}
  version: {type: str, required: true, description: vLLM's version in it.}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Check the names
  hostproof.core.vllm_environment: {names: [VLLM_LOGGING_LEVEL], folder: /opt/vllm/releases/0.33.0, version: 0.33.0}
"""

RETURN = ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["folder"])
    files = sorted(folder.glob("lib/python*/site-packages/vllm/envs.py"))
    known = vllm_pins.known_names(files[0].read_text(encoding="utf-8")) if files else frozenset()
    if folder.exists() and not known:
        module.fail_json(
            msg=f"No names of environment variables were found in {folder} (vllm/envs.py). Is that vLLM?"
        )
    complaints = list(
        vllm_pins.environment_complaints(module.params["names"], module.params["version"], known)
    )
    if complaints:
        module.fail_json(msg="\n".join(complaints))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
