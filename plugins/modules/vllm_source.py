"""On the controller: what a vLLM release is to be made of, or one sentence about what is not pinned."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import vllm_pins

DOCUMENTATION = """
module: vllm_source
short_description: Reads what a vLLM release is to be made of, and refuses what is not pinned
description:
  - Runs on the controller. Everything about version, commit, indexes and lock that is wrong is said before the host is touched.
options:
  release: {type: str, required: true, description: Name of the release.}
  version: {type: str, required: true, description: vLLM's version.}
  commit: {type: str, default: "", description: The commit of a nightly build.}
  indexes: {type: list, elements: str, default: [], description: Indexes that are asked before PyPI.}
  lock: {type: str, default: "", description: "A file with the requirements, each with its sha256."}
  wheelhouse: {type: str, default: "", description: "A folder of wheels with their requirements.txt, in place of O(lock)."}
  made_from:
    description: sha256 of the lock that the host's release was made from; empty if it has none. With one, a wheelhouse may be gone.
    type: str
    default: ""
  environment: {type: list, elements: str, default: [], description: Names of the server's environment.}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Read the lock
  hostproof.core.vllm_source: {release: 0.33.0, version: 0.33.0, lock: /srv/vllm-0.33.0.lock}
  delegate_to: localhost
"""

RETURN = """
requirements: {description: "The lock, if the host needs it.", returned: always, type: str}
"""

ARGUMENTS = {
    "release": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "commit": {"type": "str", "default": ""},
    "indexes": {"type": "list", "elements": "str", "default": []},
    "lock": {"type": "str", "default": ""},
    "wheelhouse": {"type": "str", "default": ""},
    "made_from": {"type": "str", "default": ""},
    "environment": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    path = lock_path(module)
    pins = vllm_pins.Pins(
        release=module.params["release"],
        version=module.params["version"],
        commit=module.params["commit"],
        indexes=() if module.params["wheelhouse"] else tuple(module.params["indexes"]),
        lock_path=str(path),
    )
    refuse(
        module,
        [
            *vllm_pins.complaints(pins),
            *vllm_pins.environment_complaints(module.params["environment"], pins.version),
        ],
    )
    if module.params["wheelhouse"] and module.params["made_from"] and not path.is_file():
        module.exit_json(changed=False, requirements="")
    text = read(module, path, pins)
    refuse(module, list(vllm_pins.lock_complaints(text, pins)))
    if module.params["wheelhouse"] and not module.params["made_from"]:
        must_have_wheels(module, path.parent, text)
    must_be_the_same(module, text)
    module.exit_json(
        changed=False,
        requirements="" if module.params["made_from"] else text,
    )


def refuse(module: AnsibleModule, complaints: list[str]) -> None:
    if complaints:
        module.fail_json(msg="\n".join(complaints))


def lock_path(module: AnsibleModule) -> Path:
    if module.params["wheelhouse"]:
        return Path(module.params["wheelhouse"]).expanduser() / "requirements.txt"
    path = Path(module.params["lock"]).expanduser()
    if not path.is_absolute():
        module.fail_json(
            msg=f"vllm_server_lock is {module.params['lock'] or 'empty'}. Give the whole path on the controller, such as "
            f"{{{{ inventory_dir }}}}/vllm.lock."
        )
    return path


def read(module: AnsibleModule, path: Path, pins: vllm_pins.Pins) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if module.params["wheelhouse"]:
            module.fail_json(
                msg=f"There is no wheelhouse on the controller: {path} is missing. Make it (docs/vllm-server.md), or set "
                'vllm_server_wheelhouse: "" to install from PyPI.'
            )
        module.fail_json(msg=f"{path} (vllm_server_lock) is not on the controller. {vllm_pins.remade(pins)}")


def must_be_the_same(module: AnsibleModule, text: str) -> None:
    made_from, digest = module.params["made_from"], hashlib.sha256(text.encode()).hexdigest()
    if made_from not in ("", digest):
        module.fail_json(
            msg=f"Release {module.params['release']} is on the host, made from another lock (sha256 {made_from[:12]}…, now "
            f"{digest[:12]}…). A release never changes: give this one a name of its own, such as "
            f"vllm_server_release: {module.params['release']}-2."
        )


def must_have_wheels(module: AnsibleModule, folder: Path, text: str) -> None:
    """By name alone: uv checks the hashes where it counts, on the host."""
    have = len(list(folder.glob("*.whl")))
    wanted = len(list(vllm_pins.requirements(text)))
    if have < wanted:
        module.fail_json(
            msg=f"{folder} has {have} wheels for the {wanted} lines of its requirements.txt. Make the wheelhouse again."
        )


if __name__ == "__main__":
    main()
