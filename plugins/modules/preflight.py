"""Looks at a host and says everything that stands in the way, before anything is touched."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import (
    preflight_judge,
    preflight_look,
    runlock,
)
from ansible_collections.hostproof.core.plugins.module_utils.preflight_types import Finding, Server, Wishes

DOCUMENTATION = """
module: preflight
short_description: Says everything that stands in the way of provisioning a host
description:
  - Gathers facts and judges them against what is wanted. Reads only, in check mode and out of it.
  - Never fails because of a finding; the caller decides. docs/preflight.md describes each one.
options:
  servers:
    description: Servers that are wanted; those without a model are left out.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {type: str, required: true, description: Its role.}
      model: {type: str, required: true, description: "Name in the catalogue, or empty."}
      port: {type: int, required: true, description: Where it listens.}
      unit: {type: str, required: true, description: Its systemd unit.}
      threads: {type: int, default: 0, description: "Threads it is told to use, 0 if it chooses itself."}
      install_bytes: {type: int, default: 0, description: What its image or release takes on disk.}
      install_path: {type: path, default: /, description: Where that comes to lie.}
      installed: {type: path, default: "", description: A path that exists once it is there.}
  catalogue:
    description: Entries of the wanted models, or more.
    type: dict
    required: true
  model_root:
    description: The model store's folder.
    type: path
    required: true
  systems:
    description: Supported distributions, each with its versions.
    type: dict
    required: true
  owners:
    description: Units that write the same kernel settings.
    type: list
    elements: str
    required: true
  skip:
    description: Findings that do not count here, each with the reason.
    type: dict
    default: {}
  memory_reserve_bytes: {type: int, required: true, description: Memory wanted beside the models.}
  disk_reserve_bytes: {type: int, required: true, description: What must stay free.}
  clock_limit_seconds: {type: float, required: true, description: How far the clocks may be apart.}
  controller_epoch: {type: float, required: true, description: The controller's clock.}
  sudo_problem:
    description: Why becoming root failed, if it did.
    type: str
    default: ""
  run_id: {type: str, default: "", description: "This run, as in run_lock."}
  controller_id: {type: str, default: "", description: "This controller, as in run_lock."}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Look at the host
  hostproof.core.preflight:
    servers: "{{ preflight_servers }}"
    catalogue: "{{ model_store_catalogue }}"
    model_root: /var/lib/hostproof/models
    systems: {ubuntu: ["24.04"]}
    owners: [tuned]
    memory_reserve_bytes: 2000000000
    disk_reserve_bytes: 1000000000
    clock_limit_seconds: 60
    controller_epoch: "{{ now(utc=true).timestamp() }}"
"""

RETURN = """
findings:
  description: What was found, failures first. Each has id, severity (fail or warn), what, where and fix.
  returned: always
  type: list
  elements: dict
failures:
  description: The findings that stand in the way, a sentence each.
  returned: always
  type: list
  elements: str
facts:
  description: What was seen.
  returned: always
  type: dict
"""

SERVER = {
    "name": {"type": "str", "required": True},
    "model": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "unit": {"type": "str", "required": True},
    "threads": {"type": "int", "default": 0},
    "install_bytes": {"type": "int", "default": 0},
    "install_path": {"type": "path", "default": "/"},
    "installed": {"type": "path", "default": ""},
}
ARGUMENTS = {
    "servers": {"type": "list", "elements": "dict", "required": True, "options": SERVER},
    "catalogue": {"type": "dict", "required": True},
    "model_root": {"type": "path", "required": True},
    "systems": {"type": "dict", "required": True},
    "owners": {"type": "list", "elements": "str", "required": True},
    "skip": {"type": "dict", "default": {}},
    "memory_reserve_bytes": {"type": "int", "required": True},
    "disk_reserve_bytes": {"type": "int", "required": True},
    "clock_limit_seconds": {"type": "float", "required": True},
    "controller_epoch": {"type": "float", "required": True},
    "sudo_problem": {"type": "str", "default": ""},
    "run_id": {"type": "str", "default": ""},
    "controller_id": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    # First of all, so that the look itself does not count as a slow clock.
    offset = preflight_look.clock_offset(module.params["controller_epoch"])
    wishes = dataclasses.replace(wishes_of(module.params), reads_only=module.check_mode)
    asking = runlock.describe_me(module.params["run_id"], module.params["controller_id"], "")
    facts = dataclasses.replace(preflight_look.look(wishes, asking, Path("/")), clock_offset=offset)
    findings = preflight_judge.judge(facts, wishes, module.params["sudo_problem"])
    for finding in findings:
        if finding.severity == "warn":
            module.warn(str(finding))
    module.exit_json(
        changed=False,
        findings=[dataclasses.asdict(finding) for finding in findings],
        failures=[str(finding) for finding in preflight_judge.failures(findings)],
        facts=dataclasses.asdict(facts),
        msg=summary(findings),
    )


def wishes_of(params: dict[str, Any]) -> Wishes:
    return Wishes(
        servers=tuple(Server(**server) for server in params["servers"] if server["model"]),
        catalogue=params["catalogue"],
        model_root=params["model_root"],
        systems={name: tuple(map(str, versions)) for name, versions in params["systems"].items()},
        owners=tuple(params["owners"]),
        skip={name: str(reason or "") for name, reason in params["skip"].items()},
        memory_reserve_bytes=params["memory_reserve_bytes"],
        disk_reserve_bytes=params["disk_reserve_bytes"],
        clock_limit_seconds=params["clock_limit_seconds"],
    )


def summary(findings: list[Finding]) -> str:
    fails = len(preflight_judge.failures(findings))
    return f"{fails} in the way, {len(findings) - fails} to know of"


if __name__ == "__main__":
    main()
