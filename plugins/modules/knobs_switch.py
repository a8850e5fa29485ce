"""Switches settings to and fro, to see what they do, and puts them back as they were found."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import (
    knob_arguments,
    putting_back,
    service_arms,
    switching,
)
from ansible_collections.hostproof.core.plugins.module_utils.host import CommandError, Host
from ansible_collections.hostproof.core.plugins.module_utils.knob import KnobError
from ansible_collections.hostproof.core.plugins.module_utils.service_arms import Arms
from ansible_collections.hostproof.core.plugins.module_utils.switching import Note

DOCUMENTATION = """
module: knobs_switch
short_description: Switches settings to and fro, to see what they do
description:
  - C(begun) works out what is switched, notes what was found under C(/run/hostproof), and changes nothing. C(a) sets what stood there
    before hostproof, C(b) what is wanted, each through the journal and read back. C(given_back) ends a comparison,
    the measuring run and the servers stop, what was found is set and read again, and the servers that ran start. Fails if anything differs.
  - Live values alone, and drop-ins of one service under C(/run); what is persisted is never touched, so a boot ends it too. The
    journal keeps what it knew, and forgets what it did not know before.
  - What a comparison that was cut short left is put back by C(begun) and C(given_back), and by the host itself after O(guard_seconds).
    Otherwise servers are the caller's to stop and start (M(hostproof.core.server_turns)).
options:
  state: {type: str, required: true, choices: [begun, a, b, given_back], description: What is to be done.}
  wishes: {type: dict, default: {}, description: "For C(begun): variables of the role C(tuning) by name."}
  only: {type: list, elements: str, default: [], description: "For C(begun): areas, families, keys, or parts of a service."}
  server: {type: str, default: "", description: "For C(begun): the server that is measured, as its placement names it."}
  unit: {type: str, default: "", description: "For C(begun): its unit."}
  guard_seconds:
    description: "With C(a) and C(b): after so long the host itself puts everything back, by C(/run/hostproof/ab-back.pyz). 0: never."
    type: int
    default: 0
  wait: {type: bool, default: true, description: "With C(given_back): whether the start of a server is waited for."}
  run_id: {type: str, default: "", description: "The run, as in the journal. Made up from time and process if empty."}
  root: {type: path, default: /, description: A made-up tree in place of the host. For tests.}
attributes:
  check_mode: {support: full, description: "C(begun) reads only; the others do nothing."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See what is compared
  hostproof.core.knobs_switch: {state: begun, wishes: "{{ wishes }}", only: [hugepages], server: llama_server, unit: llama-server.service}
- name: Put everything back
  hostproof.core.knobs_switch: {state: given_back}
"""

RETURN = """
places: {description: "Files of the kernel with a, b and found.", returned: when begun, type: list, elements: dict}
parts: {description: "Parts of the service, both ways.", returned: when begun, type: list, elements: dict}
left: {description: "What is not compared, name and why.", returned: when begun, type: list, elements: dict}
readings: {description: "Path, wanted and got of each place.", returned: always, type: list, elements: dict}
under_way: {description: Whether a comparison was under way., returned: when given_back, type: bool}
started: {description: Servers that were started again., returned: when given_back, type: list, elements: str}
"""

ARGUMENTS = {
    "state": {"type": "str", "required": True, "choices": ["begun", "a", "b", "given_back"]},
    "wishes": {"type": "dict", "default": {}},
    "only": {"type": "list", "elements": "str", "default": []},
    "server": {"type": "str", "default": ""},
    "unit": {"type": "str", "default": ""},
    "guard_seconds": {"type": "int", "default": 0},
    "wait": {"type": "bool", "default": True},
    "run_id": {"type": "str", "default": ""},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    host, state = Host(module.params["root"]), module.params["state"]
    try:
        if state == "begun":
            result = begun(module, host)
        elif module.check_mode:
            result = {"changed": False, "readings": []}
        elif state == "given_back":
            result = given_back(host, wait=module.params["wait"])
        else:
            result = switched(host, state, module.params["guard_seconds"])
    except KnobError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def begun(module: AnsibleModule, host: Host) -> dict[str, Any]:
    params = module.params
    changed = not module.check_mode and putting_back.put_back(host).under_way
    wanted = knob_arguments.wanted({**params, "knobs": None, "areas": []})
    parts = service_arms.chosen(params["only"])
    words = service_arms.PARTS if params["unit"] else ()
    knobs = switching.choose(wanted.knobs, params["only"], words)
    comparison = switching.look(host, knobs)
    placements = {placement.server: dataclasses.asdict(placement) for placement in wanted.placements}
    arms = service(host, params["unit"], placements.get(params["server"], {}), parts)
    left = [*map(dataclasses.asdict, comparison.left)]
    left += [{"name": part, "why": why} for part, why in arms.left.items()]
    if not comparison.places and not arms.parts:
        told = "; ".join(f"{one['name']}: {one['why']}" for one in left)
        raise KnobError(
            f"nothing can be compared: {told or 'no knob was chosen'}",
            where=f"--knobs {','.join(params['only'])}",
            mend="Choose knobs that act at once and differ from what stood there first; ./inv drift lists all of them.",
        )
    run = params["run_id"] or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-by-hand-{os.getpid()}"
    units = (params["unit"],) if arms.parts else ()
    texts = {params["unit"]: {"a": arms.a, "b": arms.b}} if units else {}
    if not module.check_mode:
        switching.begin(host, Note(run, host.boot_id(), comparison.places, units, texts))
    return {
        "changed": changed,
        "places": [dataclasses.asdict(place) for place in comparison.places],
        "parts": [dataclasses.asdict(part) for part in arms.parts],
        "left": left,
        "readings": [],
    }


def service(host: Host, unit: str, placement: Mapping[str, Any], parts: tuple[str, ...]) -> Arms:
    """The unit as systemd reads it, without a drop-in of ours: that has been given back by now."""
    if not parts or not unit:
        return Arms()
    try:
        text = host.ask(["systemctl", "cat", unit])
    except CommandError as error:
        return Arms(left=dict.fromkeys(parts, str(error)))
    return service_arms.arms(text, placement, parts)


def switched(host: Host, arm: switching.Arm, guard_seconds: int) -> dict[str, Any]:
    note = switching.read_note(host)
    if note is None:
        raise KnobError("no comparison is under way", where=switching.PATH, mend="Begin one: ./inv ab.")
    if guard_seconds:
        putting_back.arm(host, guard_seconds)
    readings = switching.switch(host, note, arm)
    switching.place_drop_ins(host, note, arm)
    return {"changed": True, "readings": shown(readings)}


def given_back(host: Host, *, wait: bool) -> dict[str, Any]:
    back = putting_back.put_back(host, wait=wait)
    return {
        "changed": back.under_way,
        "under_way": back.under_way,
        "readings": shown(back.readings),
        "started": list(back.started),
    }


def shown(readings: tuple[switching.Reading, ...]) -> list[dict[str, Any]]:
    return [{**dataclasses.asdict(one), "as_wanted": one.as_wanted} for one in readings]


if __name__ == "__main__":
    main()
