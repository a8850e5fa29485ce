"""Has chosen servers run and the others rest, and puts all back as they were found."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import server_turns, unit_look

DOCUMENTATION = """
module: server_turns
short_description: Has chosen servers run and the others rest, and puts all back
description:
  - C(taken) notes which units run, once, then stops those that are not wanted and starts those that are.
  - C(given_back) starts and stops until all are as they were noted, and forgets. A run that was cut short before that is made
    good by the next one, since the first note stays.
  - The note is under C(/run); after a boot there is nothing to give back.
options:
  state: {type: str, choices: [taken, given_back], default: taken, description: "One's turn, or everybody's own."}
  units: {type: list, elements: str, default: [], description: All units that are servers.}
  running: {type: list, elements: str, default: [], description: Those that shall run.}
  wait: {type: bool, default: true, description: Whether to wait until a start has succeeded.}
  path: {type: path, default: /run/hostproof/servers-found.json, description: The note.}
attributes:
  check_mode: {support: full, description: Says what would be started and stopped.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Let one server run alone
  hostproof.core.server_turns:
    units: [llama-server.service, vllm-server.service]
    running: [vllm-server.service]
- name: Put the servers back as they were found
  hostproof.core.server_turns: {state: given_back}
"""

RETURN = """
started: {description: Units that were started., returned: always, type: list, elements: str}
stopped: {description: Units that were stopped., returned: always, type: list, elements: str}
"""

ARGUMENTS = {
    "state": {"type": "str", "choices": ["taken", "given_back"], "default": "taken"},
    "units": {"type": "list", "elements": "str", "default": []},
    "running": {"type": "list", "elements": "str", "default": []},
    "wait": {"type": "bool", "default": True},
    "path": {"type": "path", "default": server_turns.PATH},
}
LOG_LINES = 20


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    path = Path(module.params["path"])
    noted = read(module, path)
    if module.params["state"] == "taken":
        wanted = server_turns.turn(module.params["units"], module.params["running"])
        now = look(module, wanted)
        if not module.check_mode:
            write(path, server_turns.remember(noted, now))
    else:
        wanted = noted or {}
        now = look(module, wanted)
        # One that was taken off the host since has nothing to go back to.
        wanted = {unit: ran for unit, ran in wanted.items() if unit in now}
    stop, start = server_turns.steps(wanted, now)
    if not module.check_mode:
        carry_out(module, stop, start)
        if module.params["state"] == "given_back":
            path.unlink(missing_ok=True)
    module.exit_json(changed=bool(stop or start), stopped=stop, started=start)


def read(module: AnsibleModule, path: Path) -> server_turns.Found | None:
    try:
        return server_turns.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except server_turns.UnreadableError as error:
        module.fail_json(
            msg=f"The note of how the servers were found cannot be read: {error} ({path}). "
            "Start and stop them as you want them, and remove it."
        )


def write(path: Path, found: server_turns.Found) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(server_turns.render(found), encoding="utf-8")
    beside.replace(path)


def look(module: AnsibleModule, units: Iterable[str]) -> server_turns.Found:
    """Whether each unit runs; units that the host does not have are left out."""
    found = {}
    for unit in units:
        service = unit_look.show(module, unit)
        if service.there:
            found[unit] = server_turns.runs(service.active)
    return found


def carry_out(module: AnsibleModule, stop: list[str], start: list[str]) -> None:
    for unit in stop:
        systemctl(module, "stop", unit)
        # One that had failed would stay listed as failed, and could not be started as often as it may.
        module.run_command(["systemctl", "reset-failed", unit])
    for unit in start:
        module.run_command(["systemctl", "reset-failed", unit])
        systemctl(module, "start", unit)


def systemctl(module: AnsibleModule, verb: str, unit: str) -> None:
    options = [] if module.params["wait"] else ["--no-block"]
    rc, out, err = module.run_command(["systemctl", *options, verb, unit])
    if rc != 0:
        said = " ".join((out + err).split())
        module.fail_json(
            msg=f"{unit} does not {verb}: {said} Its log ends:\n{unit_look.log(module, unit, LOG_LINES)}"
        )


if __name__ == "__main__":
    main()
