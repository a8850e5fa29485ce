"""Has a server's unit run with what its files say now."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import preflight_look, service_state, unit_look

DOCUMENTATION = """
module: server_unit
short_description: Has a server's unit run with what its files say now
description:
  - Starts it if it does not run, restarts it if one of its files changed after it was started, else does nothing. So a run
    that was cut short between writing a file and restarting the server is made good by the next one.
  - Says who has the port before the server would fail over it.
options:
  unit: {type: str, required: true, description: The unit.}
  state: {type: str, choices: [started, stopped], default: started, description: "Running, or not."}
  files: {type: list, elements: path, default: [], description: Files that it reads when it starts.}
  port: {type: int, default: 0, description: "The port that it listens on, 0 if that is not to be checked."}
  enabled:
    description: Whether it starts with the host. Leave it out for quadlets, which say so themselves.
    type: bool
attributes:
  check_mode: {support: full, description: Says what would be done.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Run the server
  hostproof.core.server_unit:
    unit: llama-server.service
    files: [/etc/containers/systemd/llama-server.container]
    port: 8081
"""

RETURN = """
action: {description: "What was done: none, start, restart or stop.", returned: always, type: str}
"""

ARGUMENTS = {
    "unit": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
    "files": {"type": "list", "elements": "path", "default": []},
    "port": {"type": "int", "default": 0},
    "enabled": {"type": "bool"},
}
LOG_LINES = 20


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    service = unit_look.show(module, module.params["unit"])
    stale = service.needs_reload or not service.there
    if stale and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
        service = unit_look.show(module, module.params["unit"])
    action = wanted_action(module, service, stale)
    toggled = toggle(module) if module.params["state"] == "stopped" else False
    if action == "none" or module.check_mode:
        toggled |= toggle(module) if module.params["state"] == "started" else False
        finish(module, action, toggled)
    if action != "stop":
        check_port(module)
        module.run_command(["systemctl", "reset-failed", module.params["unit"]])
    rc, out, err = module.run_command(["systemctl", action, module.params["unit"]])
    if rc != 0:
        module.fail_json(
            msg=f"systemctl {action} {module.params['unit']} failed: {(out + err).strip()}\n{log(module)}"
        )
    if action == "stop":
        # One that had failed would stay listed as failed.
        module.run_command(["systemctl", "reset-failed", module.params["unit"]])
    toggled |= toggle(module) if module.params["state"] == "started" else False
    finish(module, action, toggled)


def wanted_action(module: AnsibleModule, service: service_state.Service, stale: bool) -> str:
    wanted = module.params["state"]
    if not service.there:
        if wanted == "stopped":
            return "none"
        if module.check_mode:
            return "start"
        module.fail_json(
            msg=f"There is no {module.params['unit']} on this host, although its files are.\n{log(module)}"
        )
    # A running unit whose file changed under it has to be restarted, however old the file claims to be.
    newest = float("inf") if stale else newest_change(module.params["files"])
    return service_state.action(service, wanted, newest)


def newest_change(paths: list[str]) -> float:
    """The change time: unlike the modification time it also tells of a file moved into place or a new owner."""
    return max((Path(path).lstat().st_ctime for path in paths if Path(path).exists()), default=0.0)


def check_port(module: AnsibleModule) -> None:
    port, unit = module.params["port"], module.params["unit"]
    for found in preflight_look.listeners(Path("/proc"), {port} if port else set()):
        if unit not in found.units:
            who = f"{found.program or 'a program'} (pid {found.pid or '?'}{', ' if found.units else ''}{', '.join(found.units)})"
            module.fail_json(
                msg=f"Port {port} is taken by {who}. Stop that, or give {unit} another port.", action="none"
            )


def toggle(module: AnsibleModule) -> bool:
    enabled, unit = module.params["enabled"], module.params["unit"]
    if enabled is None:
        return False
    _, out, _ = module.run_command(["systemctl", "is-enabled", unit])
    if (out.strip() == "enabled") == enabled or (not enabled and out.strip() != "enabled"):
        return False
    if not module.check_mode:
        module.run_command(["systemctl", "enable" if enabled else "disable", unit], check_rc=True)
    return True


def log(module: AnsibleModule) -> str:
    return unit_look.log(module, module.params["unit"], LOG_LINES)


def finish(module: AnsibleModule, action: str, toggled: bool) -> NoReturn:
    module.exit_json(changed=toggled or action != "none", action=action)


if __name__ == "__main__":
    main()
