"""Has a container image on the host: pulled by digest, or loaded from an archive that was pushed."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: server_image
short_description: Has a container image on the host, pulled by digest or loaded from a pushed archive
description:
  - Never pulls what is there. An archive is loaded only if the host does not have the image with its id.
options:
  reference: {type: str, required: true, description: "The image's name, with its digest if it is to be pulled."}
  image_id: {type: str, default: "", description: "The id that it must have; needed with O(archive)."}
  archive:
    description: Where the archive comes to lie on the host; removed once it is loaded. Empty to pull.
    type: path
    default: ""
  state: {type: str, choices: [present, absent], default: present, description: "There, or removed."}
attributes:
  check_mode: {support: full, description: "Says what would be done; needs no podman."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Pull the image
  hostproof.core.server_image: {reference: "ghcr.io/ggml-org/llama.cpp@sha256:f911…"}
"""

RETURN = """
image_id: {description: The id of the image on the host; empty if it is not there yet., returned: always, type: str}
digest: {description: The digest of its manifest., returned: always, type: str}
push: {description: Whether the archive must be pushed first., returned: always, type: bool}
"""

ARGUMENTS = {
    "reference": {"type": "str", "required": True},
    "image_id": {"type": "str", "default": ""},
    "archive": {"type": "path", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
TAIL_LINES = 6


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    podman = module.get_bin_path("podman")
    if podman is None and not module.check_mode and module.params["state"] == "present":
        module.fail_json(
            msg="podman is not on this host. Provision with the role podman first (--tags podman)."
        )
    image = look(module) if podman and may_ask(module) else {}
    if module.params["state"] == "absent":
        remove(module, image)
    if is_right(module, image):
        clean_up(module)
        finish(module, image, changed=False)
    if module.check_mode:
        finish(module, {}, changed=True)
    archive = module.params["archive"]
    if archive and not Path(archive).exists():
        finish(module, {}, changed=True, push=True)
    fetch(module)
    image = look(module)
    if not is_right(module, image):
        module.fail_json(
            msg=f"{module.params['reference']} is not what was asked for: its id is {image.get('Id') or 'none'}, "
            f"not {module.params['image_id']}. The archive names another image by this name; make it again."
        )
    clean_up(module)
    finish(module, image, changed=True)


def may_ask(module: AnsibleModule) -> bool:
    """The first podman command on a host fills podman's store, which a dry run must not; an empty one has no image."""
    return not module.check_mode or any(store().glob("*-images/images.json"))


def store(settings: Path = Path("/etc/containers/storage.conf")) -> Path:
    """Where podman keeps root's images: containers-storage.conf(5)."""
    try:
        chosen = tomllib.loads(settings.read_text(encoding="utf-8"))
    except FileNotFoundError:
        chosen = {}
    return Path(chosen.get("storage", {}).get("graphroot") or "/var/lib/containers/storage")


def look(module: AnsibleModule) -> dict[str, Any]:
    rc, out, _ = module.run_command(["podman", "image", "inspect", module.params["reference"]])
    return json.loads(out)[0] if rc == 0 else {}


def is_right(module: AnsibleModule, image: dict[str, Any]) -> bool:
    return bool(image) and module.params["image_id"] in ("", image["Id"])


def fetch(module: AnsibleModule) -> None:
    reference, archive = module.params["reference"], module.params["archive"]
    if not archive:
        rc, out, err = module.run_command(["podman", "pull", "--quiet", reference])
        if rc != 0:
            module.fail_json(
                msg=f"{reference} could not be pulled. Without a way to its registry, save it elsewhere and set "
                f"llama_server_image_archive. podman said:\n{tail(out + err)}"
            )
        return
    rc, out, err = module.run_command(["podman", "load", "--quiet", "--input", archive])
    if rc != 0:
        Path(archive).unlink(missing_ok=True)
        module.fail_json(
            msg=f"The image archive could not be loaded ({archive}, removed). It is damaged, or the disk is full; "
            f"provision again, or make the archive again. podman said:\n{tail(out + err)}"
        )
    # An archive without a name of its own, or with another one.
    module.run_command(["podman", "tag", module.params["image_id"], reference], check_rc=True)


def clean_up(module: AnsibleModule) -> None:
    """The pushed copy, and its folder if nothing else is in it."""
    if not module.params["archive"] or module.check_mode:
        return
    archive = Path(module.params["archive"])
    archive.unlink(missing_ok=True)
    if archive.parent.is_dir() and not any(archive.parent.iterdir()):
        archive.parent.rmdir()


def remove(module: AnsibleModule, image: dict[str, Any]) -> NoReturn:
    if image and not module.check_mode:
        rc, out, err = module.run_command(["podman", "image", "rm", module.params["reference"]])
        if rc != 0:
            module.fail_json(
                msg=f"{module.params['reference']} could not be removed. podman said:\n{tail(out + err)}"
            )
    clean_up(module)
    finish(module, {}, changed=bool(image))


def tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-TAIL_LINES:])


def finish(module: AnsibleModule, image: dict[str, Any], *, changed: bool, push: bool = False) -> NoReturn:
    module.exit_json(
        changed=changed,
        image_id=image.get("Id", ""),
        digest=image.get("Digest", ""),
        push=push or (changed and module.check_mode and bool(module.params["archive"])),
    )


if __name__ == "__main__":
    main()
