"""On the controller: which build a vLLM nightly is, and whether there is a newer one. Installs nothing."""

from __future__ import annotations

import json
import urllib.error

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.hostproof.core.plugins.module_utils import vllm_index
from ansible_collections.hostproof.core.plugins.module_utils.vllm_index import Wheel, WheelIndexError

DOCUMENTATION = """
module: vllm_nightly
short_description: Says which build a vLLM nightly is, and whether there is a newer one
description:
  - Asks wheels.vllm.ai (or a mirror of it) for its C(metadata.json). Installs nothing, and downloads no wheel.
  - A rolling index is only ever asked what it points at; what comes back names the commit in full and the index that stays.
options:
  commit: {type: str, default: "", description: "All 40 digits; empty: the newest build."}
  variant: {type: str, default: cu130, description: "CUDA variant; empty: the index's default."}
  machine: {type: str, default: x86_64, description: The host's architecture.}
  pinned: {type: str, default: "", description: "The version that is pinned, to compare with."}
  index: {type: str, default: "https://wheels.vllm.ai", description: The index or a mirror of it.}
  limit_seconds: {type: int, default: 30, description: How long the index may take to answer.}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Look what is newer than the pinned build
  hostproof.core.vllm_nightly: {variant: cu130, pinned: 0.33.0}
  delegate_to: localhost
"""

RETURN = """
version: {description: The build's version., returned: success, type: str}
commit: {description: Its commit in full., returned: success, type: str}
url: {description: The wheel's address., returned: success, type: str}
index: {description: "The index that stays, for vllm_server_indexes.", returned: success, type: str}
newer: {description: Whether it is later than O(pinned)., returned: success, type: bool}
msg: {description: All of it in a sentence., returned: always, type: str}
"""

ARGUMENTS = {
    "commit": {"type": "str", "default": ""},
    "variant": {"type": "str", "default": "cu130"},
    "machine": {"type": "str", "default": "x86_64"},
    "pinned": {"type": "str", "default": ""},
    "index": {"type": "str", "default": vllm_index.BASE},
    "limit_seconds": {"type": "int", "default": 30},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    try:
        where = vllm_index.metadata_url(
            given["commit"] or vllm_index.ROLLING, given["variant"], given["index"]
        )
        found = vllm_index.wheels(fetch(module, where), where)
        wheel = vllm_index.choose(found, variant=given["variant"], machine=given["machine"], where=where)
        later = bool(given["pinned"] and vllm_index.newer(given["pinned"], [wheel]))
        index = vllm_index.pinned_index(wheel.commit, given["variant"], given["index"])
    except WheelIndexError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        version=wheel.version,
        commit=wheel.commit,
        url=wheel.url,
        index=index,
        newer=later,
        msg=sentence(wheel, given["pinned"], later),
    )


def fetch(module: AnsibleModule, where: str) -> object:
    try:
        answer = open_url(where, timeout=module.params["limit_seconds"])
        return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        gone = "It has no such build (any more): see the commit and the variant." if error.code == 404 else ""
        raise WheelIndexError(f"{where} answers {error.code}. {gone}".strip()) from error
    except ValueError as error:
        raise WheelIndexError(f"{where} is no JSON ({error}). Is that vLLM's index?") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise WheelIndexError(
            f"{where} cannot be reached ({reason}). A pinned lock or a wheelhouse needs no index (docs/vllm-server.md)."
        ) from error


def sentence(wheel: Wheel, pinned: str, later: bool) -> str:
    if not pinned:
        return f"vLLM {wheel.version}, commit {wheel.commit}."
    if later:
        return f"vLLM {wheel.version} (commit {wheel.commit}) is newer than the pinned {pinned}. Nothing was installed."
    return f"Nothing is newer than the pinned {pinned}: the index has vLLM {wheel.version}."


if __name__ == "__main__":
    main()
