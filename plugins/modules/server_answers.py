"""Waits a while until a server answers a completion; gives up at once when its unit does."""

from __future__ import annotations

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import server_probe, unit_look

DOCUMENTATION = """
module: server_answers
short_description: Waits a while until a server answers a completion
description:
  - Not only C(/health), a completion has to come back. Call it in an C(until) loop that ends on RV(done); each try shows how far it is.
  - A server whose process ended, or that refuses its API key, fails at once with the last lines of its log.
options:
  unit: {type: str, required: true, description: The server's unit.}
  url: {type: str, required: true, description: Where it listens.}
  model: {type: str, required: true, description: The name that it serves.}
  api_key_file: {type: path, default: "", description: A file with the key that it wants.}
  seconds: {type: float, default: 10, description: How long one try lasts.}
attributes:
  check_mode: {support: full, description: Asks nothing.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Wait for an answer
  hostproof.core.server_answers: {unit: llama-server.service, url: "http://127.0.0.1:8081", model: small}
  register: answer
  until: answer.done
  retries: 60
  delay: 0
"""

RETURN = """
done: {description: Whether waiting is over., returned: always, type: bool}
stdout: {description: How far it is., returned: always, type: str}
"""

ARGUMENTS = {
    "unit": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "model": {"type": "str", "required": True},
    "api_key_file": {"type": "path", "default": "", "no_log": False},
    "seconds": {"type": "float", "default": 10.0},
}
PAUSE_SECONDS = 0.5
LOG_LINES = 30


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, done=True, stdout="not asked in check mode")
    key = read_key(module)
    until = time.monotonic() + module.params["seconds"]
    while True:
        reply = server_probe.ask(
            module.params["url"], module.params["model"], key, max(1.0, until - time.monotonic())
        )
        if reply.kind == "answers":
            module.exit_json(changed=False, done=True, stdout=f"{module.params['model']} answers")
        service = unit_look.show(module, module.params["unit"])
        if reply.kind == "never":
            give_up(module, reply.why)
        if not service.runs and (service.gave_up or service.active == "inactive"):
            give_up(module, f"it ended at start ({service.status})")
        if time.monotonic() > until:
            break
        time.sleep(PAUSE_SECONDS)
    # Should the limit of the loop be reached, this is what is shown.
    module.exit_json(
        changed=False,
        done=False,
        stdout=f"waiting: {reply.why}",
        msg=f"{module.params['unit']} did not answer within the time limit: {reply.why}. "
        f"Its log ends:\n{unit_look.log(module, module.params['unit'], LOG_LINES)}",
    )


def read_key(module: AnsibleModule) -> str:
    path = module.params["api_key_file"]
    return Path(path).read_text(encoding="utf-8").strip() if path else ""


def give_up(module: AnsibleModule, why: str) -> None:
    module.fail_json(
        msg=f"{module.params['unit']} does not serve: {why}. Its log ends:\n{unit_look.log(module, module.params['unit'], LOG_LINES)}",
        done=True,
        stdout=why,
    )


if __name__ == "__main__":
    main()
