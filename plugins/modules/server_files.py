"""Places a server's text files with their folders, or takes them away with the folders that are empty then."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: server_files
short_description: Places a server's text files with their folders, or takes them away
description:
  - Several files in one step, each replaced at once. In check mode it also works where the folders are still missing,
    which C(ansible.builtin.template) refuses.
options:
  files:
    description: What is wanted.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {type: path, required: true, description: The file. A folder is only taken away.}
      content: {type: str, default: "", description: Its text.}
      mode: {type: str, default: "0644", description: Its permissions.}
      check:
        description: A command that must accept a file of this name; the file's folder is put for C({folder}), its path for C({file}).
        type: list
        elements: str
        default: []
      check_environment: {type: dict, default: {}, description: The command's environment; the same words are replaced.}
  stop_at: {type: path, default: /etc, description: Folders up to here stay when files are taken away.}
  state: {type: str, choices: [present, absent], default: present, description: "There, or taken away."}
attributes:
  check_mode: {support: full, description: "Writes nothing; checks no content."}
  diff_mode: {support: full, description: Before and after.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Place the unit
  hostproof.core.server_files:
    files: [{path: /etc/systemd/system/one.service, content: "[Service]"}]
"""

RETURN = """
paths: {description: Files that changed., returned: always, type: list, elements: str}
"""

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "default": ""},
    "mode": {"type": "str", "default": "0644"},
    "check": {"type": "list", "elements": "str", "default": []},
    "check_environment": {"type": "dict", "default": {}},
}
ARGUMENTS = {
    "files": {"type": "list", "elements": "dict", "options": FILE, "required": True},
    "stop_at": {"type": "path", "default": "/etc"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
TAIL_LINES = 8


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.params["state"] == "absent":
        take_away(module)
    stale = [file for file in module.params["files"] if not is_right(file)]
    diffs = [diff_of(file, file["content"]) for file in stale]
    if not module.check_mode:
        for file in stale:
            check(module, file)
        for file in stale:
            place(file)
    module.exit_json(changed=bool(stale), paths=[file["path"] for file in stale], diff=diffs)


def is_right(file: dict[str, Any]) -> bool:
    path = Path(file["path"])
    if path.is_symlink() or not path.is_file():
        return False
    return text_of(path) == file["content"] and path.stat().st_mode & 0o7777 == int(file["mode"], 8)


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, IsADirectoryError):
        return ""


def diff_of(file: dict[str, Any], after: str) -> dict[str, str]:
    path = Path(file["path"])
    return {"before_header": str(path), "after_header": str(path), "before": text_of(path), "after": after}


def check(module: AnsibleModule, file: dict[str, Any]) -> None:
    """The content under its own name in a folder of its own: generators and verifiers go by the name."""
    if not file["check"]:
        return
    with tempfile.TemporaryDirectory(prefix="hostproof-") as folder:
        trial = Path(folder) / Path(file["path"]).name
        trial.write_text(file["content"], encoding="utf-8")
        command = [filled(word, trial) for word in file["check"]]
        environment = {name: filled(value, trial) for name, value in file["check_environment"].items()}
        rc, out, err = module.run_command(command, environ_update=environment)
    if rc != 0:
        tail = "\n".join((out + err).strip().splitlines()[-TAIL_LINES:])
        module.fail_json(msg=f"{file['path']} was refused and not written ({command[0]}). It said:\n{tail}")


def filled(word: str, trial: Path) -> str:
    return word.replace("{file}", str(trial)).replace("{folder}", str(trial.parent))


def place(file: dict[str, Any]) -> None:
    path = Path(file["path"])
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(file["content"])
        os.fchmod(stream.fileno(), int(file["mode"], 8))
        os.fsync(stream.fileno())
    Path(name).replace(path)


def take_away(module: AnsibleModule) -> NoReturn:
    there = [file for file in module.params["files"] if os.path.lexists(file["path"])]
    diffs = [diff_of(file, "") for file in there if not is_secret(file)]
    if not module.check_mode:
        for file in there:
            path = Path(file["path"])
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for file in module.params["files"]:
            drop_empty(Path(file["path"]).parent, Path(module.params["stop_at"]))
    module.exit_json(changed=bool(there), paths=[file["path"] for file in there], diff=diffs)


def is_secret(file: dict[str, Any]) -> bool:
    """What only root may read is not shown either."""
    path = Path(file["path"])
    return path.is_dir() or not path.stat().st_mode & 0o044


def drop_empty(folder: Path, stop_at: Path) -> None:
    """Only folders of our own name: others may belong to a package."""
    while folder != stop_at and "hostproof" in folder.parts and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


if __name__ == "__main__":
    main()
