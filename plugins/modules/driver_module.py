"""Brings NVIDIA's module in memory in line with the one on disk, or says that only a boot can."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils.facts import gpu
from ansible_collections.hostproof.core.plugins.module_utils.facts.tree import Tree
from ansible_collections.hostproof.core.plugins.module_utils.nvidia import loading

DOCUMENTATION = """
module: driver_module
short_description: Brings NVIDIA's kernel module in line with the one on disk
description:
  - Loads it where none is loaded, loads it anew where another version is, takes it out where none is on disk any more.
  - A module that is in use stays, and C(reboot_required) says so; nothing is forced. Stop the servers before.
options:
  reload: {type: bool, default: true, description: "Whether a loaded module may be taken out; else only a boot changes it."}
attributes:
  check_mode: {support: full, description: Says what would be done.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Load what is on disk
  hostproof.core.driver_module:
"""

RETURN = """
reboot_required: {description: Whether only a boot brings it about., returned: always, type: bool}
version: {description: "What is in memory then; empty: none.", returned: always, type: str}
row: {description: "As a line of drift, as it was found.", returned: always, type: dict}
why: {description: "What was done, or why nothing was.", returned: always, type: str}
"""

ARGUMENTS = {"reload": {"type": "bool", "default": True}}
DAEMON = "nvidia-persistenced.service"
TAIL_LINES = 5


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    state = look()
    deed = loading.decide(state, may_reload=module.params["reload"])
    if deed.what in ("nothing", "boot"):
        module.exit_json(
            changed=False,
            reboot_required=deed.what == "boot",
            why=deed.why,
            version=state.loaded,
            row=loading.row(state),
        )
    if module.check_mode:
        module.exit_json(
            changed=True,
            reboot_required=False,
            why=deed.why,
            version=deed.target,
            row=loading.row(state),
            diff=diff(state, deed),
        )
    if deed.unload:
        # Its clients are the caller's affair; the daemon is ours, and starts again with the module.
        module.run_command(["systemctl", "stop", DAEMON])
        rc, out, err = module.run_command(["modprobe", "--remove", *loading.MODULES])
        if rc != 0:
            put_back(module, deed)
            module.exit_json(
                changed=False,
                reboot_required=True,
                row=loading.row(state),
                version=state.loaded,
                why=f"{state.loaded} stays in memory, since it is in use ({tail(out + err)})",
            )
    if deed.load:
        rc, out, err = module.run_command(["modprobe", "nvidia"])
        if rc != 0:
            module.fail_json(msg=refused(state, tail(out + err)))
        for name in ("nvidia-modeset", "nvidia-uvm"):
            module.run_command(["modprobe", name], check_rc=True)
    now = look()
    if now.loaded != deed.target:
        module.fail_json(
            msg=f"The module in memory is {now.loaded or 'none'} after all, not {deed.target or 'none'}."
        )
    module.exit_json(
        changed=True, reboot_required=False, why=deed.why, version=deed.target, diff=diff(state, deed)
    )


def look() -> loading.Loaded:
    tree = Tree(Path("/"))
    seen = gpu.look(tree, gpu.Ask(lambda: {"state": "not-asked"})).driver
    running = next((one for one in seen.modules if one.running), None)
    return loading.Loaded(
        loaded=seen.loaded,
        flavour=seen.flavour if seen.loaded else "",
        on_disk=running.version if running else "",
        disk_flavour=running.flavour if running else "",
        nouveau=seen.nouveau,
        kernel=os.uname().release,
        secure_boot=bool(seen.secure_boot),
    )


def put_back(module: AnsibleModule, deed: loading.Deed) -> None:
    """What modprobe did take out before it found one in use."""
    if deed.load:
        for name in ("nvidia-modeset", "nvidia-uvm"):
            module.run_command(["modprobe", name])


def refused(state: loading.Loaded, said: str) -> str:
    hint = (
        " Secure Boot is on: is the module signed with a key that the firmware knows?"
        if state.secure_boot
        else ""
    )
    return (
        f"Module nvidia {state.on_disk} does not load under {state.kernel}: {said}.{hint} "
        "The kernel's log says more: journalctl -k -b -g NVRM."
    )


def tail(said: str) -> str:
    return " / ".join(said.strip().splitlines()[-TAIL_LINES:]).rstrip(".")


def diff(state: loading.Loaded, deed: loading.Deed) -> dict[str, str]:
    heads = {"before_header": "module nvidia in memory", "after_header": "module nvidia in memory"}
    return {**heads, "before": f"{state.loaded or 'none'}\n", "after": f"{deed.target or 'none'}\n"}


if __name__ == "__main__":
    main()
