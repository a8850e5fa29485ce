"""Makes a server's command line and holds it against the server's own --help."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import server_flags

DOCUMENTATION = """
module: server_command
short_description: Makes a server's command line and holds it against the server's own help
description:
  - Fails, before anything is changed, for each flag that the program does not have, with the nearest that it has,
    and for each file that is not there.
  - The help is asked for once for each O(version) and kept.
options:
  flags:
    description: Flag and value, in order. Empty and false are left out, true is the flag alone.
    type: dict
    required: true
  extra: {type: list, elements: str, default: [], description: Words that come last.}
  auto_threads:
    description: Flags for which 0 means all cores but two.
    type: list
    elements: str
    default: []
  files: {type: list, elements: path, default: [], description: Files that must be there.}
  help_command: {type: list, elements: str, required: true, description: What prints the help.}
  version:
    description: Names the program's version; empty if it is not there yet, then nothing can be checked.
    type: str
    required: true
  cache: {type: path, required: true, description: Folder for help texts.}
attributes:
  check_mode: {support: full, description: "Keeps no help text, and takes missing files for yet to come."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Check the command line
  hostproof.core.server_command:
    flags: {--threads: 0, --jinja: true}
    auto_threads: [--threads]
    help_command: [podman, run, --rm, localhost/llama-server, --help]
    version: "1"
    cache: /var/cache/hostproof/help
"""

RETURN = """
arguments: {description: The words of the command line., returned: always, type: list, elements: str}
flags: {description: The same as flag and value., returned: always, type: dict}
"""

ARGUMENTS = {
    "flags": {"type": "dict", "required": True},
    "extra": {"type": "list", "elements": "str", "default": []},
    "auto_threads": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "path", "default": []},
    "help_command": {"type": "list", "elements": "str", "required": True},
    "version": {"type": "str", "required": True},
    "cache": {"type": "path", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    missing = [path for path in module.params["files"] if not Path(path).exists()]
    if missing and not module.check_mode:
        module.fail_json(
            msg=f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there. "
            "Bring the model first (--tags model_store)."
        )
    flags = with_threads(module.params["flags"], module.params["auto_threads"])
    arguments = server_flags.arguments(flags, module.params["extra"])
    if module.params["version"]:
        check(module, arguments)
    module.exit_json(changed=False, arguments=arguments, flags=server_flags.as_mapping(arguments))


def with_threads(flags: dict[str, Any], names: list[str]) -> dict[str, Any]:
    if not any(flags.get(name) in (0, "0") for name in names):
        return flags
    threads = server_flags.threads(server_flags.cores(Path("/proc/cpuinfo").read_text(encoding="utf-8")))
    return {name: threads if name in names and value in (0, "0") else value for name, value in flags.items()}


def check(module: AnsibleModule, arguments: list[str]) -> None:
    known = server_flags.known(help_text(module))
    if not known:
        module.fail_json(msg=f"No flag was found in what {' '.join(module.params['help_command'])} prints.")
    if unknown := server_flags.unknown(arguments, known):
        module.fail_json(
            msg=f"The server ({module.params['version']}) has no flag {'; '.join(map(str, unknown))}. "
            "The server was left as it is. Take it out of the variables, or use a version that has it."
        )


def help_text(module: AnsibleModule) -> str:
    name = hashlib.sha256(module.params["version"].encode()).hexdigest()[:16]
    kept = Path(module.params["cache"]) / f"{name}.txt"
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    rc, out, err = module.run_command(module.params["help_command"])
    if rc != 0:
        tail = "\n".join((out + err).strip().splitlines()[-8:])
        module.fail_json(msg=f"{' '.join(module.params['help_command'])} failed ({rc}). It said:\n{tail}")
    if not module.check_mode:
        kept.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = kept.with_suffix(".new")
        new.write_text(out + err, encoding="utf-8")
        new.replace(kept)
    return out + err


if __name__ == "__main__":
    main()
