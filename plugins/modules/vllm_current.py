"""Says which vLLM release serves, and switches to the one that has answered."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import vllm_releases
from ansible_collections.hostproof.core.plugins.module_utils.vllm_releases import BusyError, Links

DOCUMENTATION = """
module: vllm_current
short_description: Says which vLLM release serves, and switches to the one that has answered
description:
  - Called without O(release), it only looks. With one, C(current) points at it, C(previous) at what C(current) was, and
    older releases go, with their caches.
options:
  root: {type: path, default: /opt/vllm, description: Where releases lie.}
  release: {type: str, default: "", description: The release that has answered; empty to look.}
  keep: {type: int, default: 2, description: "Releases that stay, these two included."}
  caches: {type: path, default: "", description: "Folder with a cache a release, of the same name."}
attributes:
  check_mode: {support: full, description: Says what would be switched.}
  diff_mode: {support: full, description: "The links, and what goes."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Switch to the release that has answered
  hostproof.core.vllm_current: {release: 0.33.0}
"""

RETURN = """
current: {description: "The release that serves, empty for none.", returned: always, type: str}
previous: {description: "The one before it, empty for none.", returned: always, type: str}
current_version: {description: vLLM's version in it., returned: always, type: str}
previous_version: {description: vLLM's version in it., returned: always, type: str}
pruned: {description: Releases that went., returned: always, type: list, elements: str}
"""

ARGUMENTS = {
    "root": {"type": "path", "default": "/opt/vllm"},
    "release": {"type": "str", "default": ""},
    "keep": {"type": "int", "default": 2},
    "caches": {"type": "path", "default": ""},
}
WAIT_SECONDS = 600


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    root, release = Path(module.params["root"]), module.params["release"]
    before = vllm_releases.read_links(root)
    found = vllm_releases.stamps(root)
    after, gone = before, []
    if release:
        if not module.check_mode and not found.get(release):
            module.fail_json(
                msg=f"{vllm_releases.folder(root, release)} is not whole: it cannot be made current."
            )
        after = vllm_releases.switched(before, release)
        gone = vllm_releases.to_prune({**found, release: found.get(release)}, after, module.params["keep"])
    if (after, gone) != (before, []) and not module.check_mode:
        try:
            with vllm_releases.alone(root, WAIT_SECONDS):
                vllm_releases.write_links(root, after)
                prune(root, gone, module.params["caches"])
        except BusyError as error:
            module.fail_json(msg=str(error))
    versions = {name: stamp.version for name, stamp in found.items() if stamp}
    module.exit_json(
        changed=(after, gone) != (before, []),
        current=after.current,
        previous=after.previous,
        current_version=versions.get(after.current, ""),
        previous_version=versions.get(after.previous, ""),
        pruned=gone,
        diff={
            "before": listing(before, [*found]),
            "after": listing(after, [n for n in found if n not in gone]),
        },
    )


def prune(root: Path, gone: list[str], caches: str) -> None:
    for name in gone:
        release = vllm_releases.folder(root, name)
        # Without its stamp it is no release any more, wherever this is cut short.
        (release / vllm_releases.STAMP).unlink(missing_ok=True)
        shutil.rmtree(release)
        if caches:
            shutil.rmtree(Path(caches) / name, ignore_errors=True)


def listing(links: Links, releases: list[str]) -> str:
    lines = [
        f"current -> {links.current}" if links.current else "",
        f"previous -> {links.previous}" if links.previous else "",
    ]
    return "".join(
        f"{line}\n" for line in [*lines, *(f"release {name}" for name in sorted(releases))] if line
    )


if __name__ == "__main__":
    main()
