"""Tells which image an archive on the controller holds, without loading it."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import image_archive

DOCUMENTATION = """
module: image_archive
short_description: Tells which image an archive holds
description:
  - Reads the index of an archive made by C(podman save) or C(docker save). Delegate it to the controller.
  - With the image's id, a host can tell whether it has the image before anything is copied.
options:
  path: {type: path, required: true, description: The archive.}
  reference:
    description: The name that the image is wanted under; the archive's own if empty.
    type: str
    default: ""
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Look into the archive
  hostproof.core.image_archive: {path: /srv/images/llama-server.tar}
  delegate_to: localhost
"""

RETURN = """
image_id: {description: The image's id., returned: always, type: str}
reference: {description: The image's name., returned: always, type: str}
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "reference": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    try:
        found = image_archive.read(path)
    except image_archive.ArchiveError as error:
        module.fail_json(
            msg=f"The image archive cannot be used: {error} ({path}, on the controller). "
            "Make it again (`podman save --output FILE IMAGE`), or leave llama_server_image_archive empty to pull."
        )
    reference = module.params["reference"] or next(iter(found.references), "")
    if not reference:
        module.fail_json(msg=f"The image in {path} has no name. Give it one: llama_server_image.")
    module.exit_json(changed=False, image_id=found.image_id, reference=reference)


if __name__ == "__main__":
    main()
