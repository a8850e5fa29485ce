"""Distribution packages that are put on a host if they are missing, and taken back exactly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import package_sets

DOCUMENTATION = """
module: packages
short_description: Puts packages on a host if they are missing, and takes back exactly those
description:
  - Records which packages came with it, dependencies included, so that C(absent) takes back those and no
    others. C(ansible.builtin.apt) keeps no such record, and in check mode fails where the package lists were
    never fetched.
  - Fetches the package lists only if an install fails without that.
options:
  names: {type: list, elements: str, required: true, description: Packages that are wanted.}
  owner: {type: str, required: true, description: Who wants them; names the record.}
  state: {type: str, choices: [present, absent], default: present, description: "Wanted, or taken back."}
  folder: {type: path, default: /var/lib/hostproof/packages, description: Where the records are.}
attributes:
  check_mode: {support: full, description: "Names what is missing, or what would go."}
  diff_mode: {support: full, description: One package a line.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Install podman
  hostproof.core.packages: {names: [podman, netavark], owner: podman}
- name: Take back what was installed with podman
  hostproof.core.packages: {names: [podman, netavark], owner: podman, state: absent}
"""

RETURN = """
names: {description: Packages that came or went., returned: always, type: list, elements: str}
"""

ARGUMENTS = {
    "names": {"type": "list", "elements": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "folder": {"type": "path", "default": "/var/lib/hostproof/packages"},
}
APT = ["apt-get", "--quiet", "--yes", "--option=DPkg::Lock::Timeout=120"]
TAIL_LINES = 8


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    # Never asks, never restarts services behind our back (needrestart on Ubuntu).
    module.run_command_environ_update = {
        "DEBIAN_FRONTEND": "noninteractive",
        "NEEDRESTART_SUSPEND": "1",
        "LC_ALL": "C.UTF-8",
    }
    if module.params["state"] == "present":
        install(module)
    take_back(module)


def record_of(module: AnsibleModule) -> Path:
    return Path(module.params["folder"]) / f"{module.params['owner']}.json"


def there(module: AnsibleModule) -> set[str]:
    _, listing, _ = module.run_command(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n"], check_rc=True
    )
    return package_sets.installed(listing)


def install(module: AnsibleModule) -> NoReturn:
    before = there(module)
    missing = package_sets.missing(module.params["names"], before)
    if not missing or module.check_mode:
        finish(module, missing, "", "".join(f"{name}\n" for name in missing))
    command = [*APT, "install", "--no-install-recommends", *missing]
    rc, _, _ = module.run_command(command)
    if rc != 0:
        module.run_command([*APT, "update"], check_rc=True)
        rc, out, err = module.run_command(command)
        if rc != 0:
            fail(module, f"{', '.join(missing)} could not be installed", out, err)
    came = there(module) - before
    remember(module, recorded(module) | came)
    finish(module, sorted(came), "", "".join(f"{name}\n" for name in sorted(came)))


def take_back(module: AnsibleModule) -> NoReturn:
    put = recorded(module) & there(module)
    if put:
        _, simulation, _ = module.run_command([*APT, "--simulate", "purge", *sorted(put)], check_rc=True)
        if others := package_sets.would_go(simulation) - put:
            module.fail_json(
                msg=f"Taking back what came with {module.params['owner']} would also remove "
                f"{', '.join(sorted(others))}, which came later. Remove that first, or keep the packages."
            )
    if put and not module.check_mode:
        rc, out, err = module.run_command([*APT, "purge", *sorted(put)])
        if rc != 0:
            fail(module, f"what came with {module.params['owner']} could not be removed", out, err)
    if not module.check_mode:
        forget(module)
    finish(module, sorted(put), "".join(f"{name}\n" for name in sorted(put)), "")


def recorded(module: AnsibleModule) -> set[str]:
    try:
        return package_sets.parse(record_of(module).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, TypeError) as error:
        module.fail_json(
            msg=f"The record of installed packages cannot be read: {error} ({record_of(module)}). "
            "Remove it if you no longer want to take those packages back."
        )


def remember(module: AnsibleModule, put: set[str]) -> None:
    path = record_of(module)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(package_sets.render(put), encoding="utf-8")
    temporary.replace(path)


def forget(module: AnsibleModule) -> None:
    path = record_of(module)
    path.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        if folder.is_dir() and not os.listdir(folder):  # noqa: PTH208 - only whether it is empty
            folder.rmdir()


def fail(module: AnsibleModule, what: str, out: str, err: str) -> NoReturn:
    tail = "\n".join((out + err).strip().splitlines()[-TAIL_LINES:])
    module.fail_json(msg=f"{what[0].upper()}{what[1:]} (apt-get). It said:\n{tail}")


def finish(module: AnsibleModule, names: list[str], before: str, after: str) -> NoReturn:
    diff = {"before_header": "packages", "after_header": "packages", "before": before, "after": after}
    module.exit_json(changed=bool(names), names=names, diff=diff)


if __name__ == "__main__":
    main()
