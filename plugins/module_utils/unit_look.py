"""Asks systemd and its journal about one unit, for the modules that run servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import service_state

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def show(module: AnsibleModule, unit: str) -> service_state.Service:
    """Its state now; systemd answers for a unit that does not exist, too."""
    _, out, _ = module.run_command([*service_state.SHOW, unit], check_rc=True)
    return service_state.parse(out)


def log(module: AnsibleModule, unit: str, lines: int) -> str:
    """The last lines of its log. Without a journal there is none, and that is not what failed."""
    _, out, _ = module.run_command(
        ["journalctl", f"--unit={unit}", f"--lines={lines}", "--output=cat", "--no-pager"]
    )
    return service_state.log_tail(out, lines)
