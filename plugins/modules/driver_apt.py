"""Readies apt for taking the driver back to what stood there first, where that has to be fetched."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import journal, journal_file
from ansible_collections.hostproof.core.plugins.module_utils.host import Host
from ansible_collections.hostproof.core.plugins.module_utils.journal import Subject
from ansible_collections.hostproof.core.plugins.module_utils.kinds import packages
from ansible_collections.hostproof.core.plugins.module_utils.nvidia import apt_data, package_set, private_apt

DOCUMENTATION = """
module: driver_apt
short_description: Readies apt for taking NVIDIA's driver back
description:
  - Undo has to install what stood there first. For that apt gets lists of its own under C(/run/hostproof/apt), from the same
    sources as the role. Where undo only removes, nothing is fetched.
options:
  state: {type: str, choices: [present, absent], default: present, description: "Ready, or cleared away."}
  sources: {type: list, elements: str, default: [], description: "As of the role: files of sources.list.d; empty: all."}
attributes:
  check_mode: {support: full, description: Does nothing.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Ready apt for the way back
  hostproof.core.driver_apt: {sources: [ubuntu]}
"""

RETURN = """
fetched: {description: Whether lists had to be fetched., returned: always, type: bool}
"""

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "sources": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    host = Host()
    if module.params["state"] == "absent":
        if not module.check_mode:
            private_apt.remove(host, private_apt.FOLDER)
        # Scratch of a run: no state of the host.
        module.exit_json(changed=False, fetched=False)
    if module.check_mode or not must_install(host):
        module.exit_json(changed=False, fetched=False)
    private_apt.prepare(host, private_apt.FOLDER, only=module.params["sources"])
    if said := private_apt.Apt(host, private_apt.FOLDER).update():
        # What answered may be enough; if not, apt says what is missing.
        for complaint in apt_data.complaints(said):
            module.warn(f"apt: {complaint}")
    module.exit_json(changed=False, fetched=True)


def must_install(host: Host) -> bool:
    """Whether what stood there first has packages that are not there now."""
    entries = journal.ledger(journal_file.read(host).records)
    entry = entries.get(Subject("live", packages.PLACE))
    if entry is None or entry.first is None or not entry.touched:
        return False
    first = package_set.parse(entry.first.seen.text)
    return bool(package_set.step(packages.installed(host), first).install)


if __name__ == "__main__":
    main()
