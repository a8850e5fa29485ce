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
  versions:
    description:
      - "Of those that must be of one version: name to version as dpkg writes it. Another one is changed to it, also down."
      - What stood there before is recorded, and C(absent) goes back to it. Configuration files that somebody edited stay.
    type: dict
    default: {}
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
    "versions": {"type": "dict", "default": {}},
    "owner": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "folder": {"type": "path", "default": "/var/lib/hostproof/packages"},
}
APT = ["apt-get", "--quiet", "--yes", "--option=DPkg::Lock::Timeout=120"]
KEEP_EDITED = ["--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold"]
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


def there(module: AnsibleModule) -> dict[str, str]:
    """Name to version."""
    _, listing, _ = module.run_command(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status} ${Version}\\n"], check_rc=True
    )
    return package_sets.versions(listing)


def install(module: AnsibleModule) -> NoReturn:
    before, wanted = there(module), {str(k): str(v) for k, v in module.params["versions"].items()}
    absent = package_sets.missing(module.params["names"], set(before))
    missing = [f"{name}={wanted[name]}" if name in wanted else name for name in absent]
    missing += package_sets.otherwise(wanted, before)
    if not missing or module.check_mode:
        shown = "".join(
            f"{one.partition('=')[0]} {before[one.partition('=')[0]]}\n" for one in missing[len(absent) :]
        )
        finish(module, missing, shown, "".join(f"{name.replace('=', ' ')}\n" for name in missing))
    command = [*APT, "install", "--no-install-recommends", *missing]
    if wanted:
        command += ["--allow-downgrades", *KEEP_EDITED]
    rc, _, _ = module.run_command(command)
    if rc != 0:
        module.run_command([*APT, "update"], check_rc=True)
        rc, out, err = module.run_command(command)
        if rc != 0:
            fail(module, f"{', '.join(missing)} could not be installed", out, err)
    after = there(module)
    came, moved = set(after) - set(before), {name: before[name] for name in wanted if name in before}
    remember(module, recorded(module) | came, moved)
    old = {name: version for name, version in moved.items() if after.get(name) != version}
    finish(
        module,
        sorted(came | set(old)),
        "".join(f"{name} {version}\n" for name, version in sorted(old.items())),
        "".join(f"{name}{' ' + after[name] if name in wanted else ''}\n" for name in sorted(came | set(old))),
    )


def take_back(module: AnsibleModule) -> NoReturn:
    put = recorded(module) & set(there(module))
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
    back = package_sets.otherwise(before(module), there(module))
    if back and not module.check_mode:
        rc, out, err = module.run_command([*APT, "install", "--allow-downgrades", *KEEP_EDITED, *back])
        if rc != 0:
            fail(module, f"{', '.join(back)}, which stood there before, could not be installed", out, err)
    if not module.check_mode:
        forget(module)
    gone = [*sorted(put), *back]
    finish(module, gone, "".join(f"{name}\n" for name in sorted(put)), "".join(f"{name}\n" for name in back))


def recorded(module: AnsibleModule) -> set[str]:
    return package_sets.parse(record(module))


def before(module: AnsibleModule) -> dict[str, str]:
    """Versions that stood there first."""
    return package_sets.parse_before(record(module))


def record(module: AnsibleModule) -> str:
    try:
        text = record_of(module).read_text(encoding="utf-8")
        package_sets.parse_before(text)
    except FileNotFoundError:
        return package_sets.render(set())
    except (ValueError, KeyError, TypeError) as error:
        module.fail_json(
            msg=f"The record of installed packages cannot be read: {error} ({record_of(module)}). "
            "Remove it if you no longer want to take those packages back."
        )
    return text


def remember(module: AnsibleModule, put: set[str], moved: dict[str, str]) -> None:
    """What was first stays first, and what came with this record has no version before it."""
    path, first = record_of(module), before(module)
    kept = {**{name: version for name, version in moved.items() if name not in put}, **first}
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(package_sets.render(put, kept), encoding="utf-8")
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
