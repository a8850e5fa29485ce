"""Makes a server's API key on the host, once. It never leaves the host and is never shown."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: server_key
short_description: Makes a server's API key on the host, once
description:
  - The key is random, root's alone, and returned by nothing. A key that is there is kept, so you may place your own.
options:
  path: {type: path, required: true, description: Where the key lies.}
  environment_file:
    description: The same key as an environment file for systemd; none if empty.
    type: path
    default: ""
  environment_name: {type: str, default: "", description: The variable's name in it.}
attributes:
  check_mode: {support: full, description: Says whether a key would be made.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Make a key
  hostproof.core.server_key: {path: /etc/hostproof/llama_server.key}
"""

RETURN = ""

BYTES = 32


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            # What it names is secret, not the name.
            "environment_file": {"type": "path", "default": "", "no_log": False},
            "environment_name": {"type": "str", "default": "", "no_log": False},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    changed = not path.exists()
    if changed and not module.check_mode:
        write(path, secrets.token_urlsafe(BYTES) + "\n")
    key = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if not key and not module.check_mode:
        module.fail_json(msg=f"{path} is empty. Put a key into it, or remove it and provision again.")
    changed |= loose(path) and tighten(path, module.check_mode)
    if module.params["environment_file"]:
        target = Path(module.params["environment_file"])
        text = f"{module.params['environment_name']}={key}\n"
        if not target.exists() or target.read_text(encoding="utf-8") != text or loose(target):
            changed = True
            if not module.check_mode:
                write(target, text)
    module.exit_json(changed=changed)


def loose(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def tighten(path: Path, check_mode: bool) -> bool:
    if not check_mode:
        path.chmod(0o600)
    return True


def write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        os.fsync(stream.fileno())
    new.replace(path)


if __name__ == "__main__":
    main()
