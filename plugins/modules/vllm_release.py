"""Builds a vLLM release beside the others, from a lock with hashes. Never touches one that is whole."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import vllm_releases
from ansible_collections.hostproof.core.plugins.module_utils.vllm_releases import BusyError, Stamp

DOCUMENTATION = """
module: vllm_release
short_description: Builds a vLLM release beside the others, from a lock with hashes
description:
  - Called without O(requirements), it only looks. Called with them, it builds.
  - A release is whole or it is not there; one that was cut short is made anew, with what its cache still has.
options:
  root: {type: path, default: /opt/vllm, description: Where releases lie.}
  release: {type: str, default: "", description: Name of its folder.}
  version: {type: str, default: "", description: "vLLM's version, as its metadata has it."}
  requirements: {type: str, default: "", description: "The lock, each line with its version and sha256."}
  python: {type: str, default: /usr/bin/python3, description: "The interpreter that it is made for, a path or a version."}
  uv: {type: path, default: /opt/hostproof/bin/uv, description: The uv that makes it.}
  wheelhouse: {type: bool, default: false, description: "Take wheels from what was pushed, and from nowhere else."}
  indexes: {type: list, elements: str, default: [], description: Indexes that are asked before PyPI.}
  needs_bytes: {type: int, default: 0, description: What must be free before it begins.}
  limit_seconds: {type: int, default: 3600, description: How long building may take.}
  state:
    description: C(prepared) makes the folder that wheels are pushed to, C(absent) takes all releases away, and uv.
    type: str
    choices: [present, prepared, absent]
    default: present
attributes:
  check_mode: {support: full, description: Says whether one would be built.}
  diff_mode: {support: full, description: The release that comes.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Look for the release
  hostproof.core.vllm_release: {release: 0.33.0}
  register: found
- name: Build it
  hostproof.core.vllm_release:
    release: 0.33.0
    version: 0.33.0
    requirements: "{{ lookup('ansible.builtin.file', 'vllm.lock') }}"
  when: not found.there
"""

RETURN = """
there: {description: Whether the release is there and whole., returned: always, type: bool}
folder: {description: Where it is., returned: always, type: str}
incoming: {description: Where wheels are pushed to., returned: always, type: str}
lock_sha256: {description: sha256 of the requirements that it was made from., returned: always, type: str}
"""

ARGUMENTS = {
    "root": {"type": "path", "default": "/opt/vllm"},
    "release": {"type": "str", "default": ""},
    "version": {"type": "str", "default": ""},
    "requirements": {"type": "str", "default": ""},
    "python": {"type": "str", "default": "/usr/bin/python3"},
    "uv": {"type": "path", "default": "/opt/hostproof/bin/uv"},
    "wheelhouse": {"type": "bool", "default": False},
    "indexes": {"type": "list", "elements": "str", "default": []},
    "needs_bytes": {"type": "int", "default": 0},
    "limit_seconds": {"type": "int", "default": 3600},
    "state": {"type": "str", "choices": ["present", "prepared", "absent"], "default": "present"},
}
WAIT_SECONDS = 1800
TAIL_LINES = 12
ASK_VERSION = "import importlib.metadata as m; print(m.version('vllm'))"


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    # Everybody may read a release: the server runs as a user of its own.
    os.umask(0o022)
    root = Path(module.params["root"])
    try:
        if module.params["state"] == "absent":
            take_away(module, root)
        have(module, root)
    except BusyError as error:
        module.fail_json(msg=str(error))


def have(module: AnsibleModule, root: Path) -> NoReturn:
    stamp = look(module, root)
    if stamp is not None:
        finish(module, stamp, changed=False)
    if module.check_mode:
        finish(module, None, changed=True)
    if module.params["state"] == "prepared":
        vllm_releases.prepare_incoming(root, int(os.environ.get("SUDO_UID", os.geteuid())))
    elif module.params["requirements"]:
        with vllm_releases.alone(root, WAIT_SECONDS) as lock:
            stamp = build(module, root, lock)
            vllm_releases.tidy(root)
        finish(module, stamp, changed=True)
    finish(module, None, changed=False)


def look(module: AnsibleModule, root: Path) -> Stamp | None:
    release = vllm_releases.folder(root, module.params["release"])
    stamp = vllm_releases.read_stamp(release)
    if stamp is None and (root / vllm_releases.LOCK).exists() and not module.check_mode:
        # A run that was cut short may have left a uv at work: it is waited for, and may have made the release.
        with vllm_releases.alone(root, WAIT_SECONDS):
            stamp = vllm_releases.read_stamp(release)
            if stamp is not None:
                vllm_releases.tidy(root)
    return stamp


def build(module: AnsibleModule, root: Path, lock: int) -> Stamp:
    release = vllm_releases.folder(root, module.params["release"])
    must_have_room(module, root)
    shutil.rmtree(release, ignore_errors=True)
    release.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    uv, python = module.params["uv"], str(release / "bin" / "python")
    run(module, root, lock, [uv, "venv", "--python", module.params["python"], str(release)])
    text = module.params["requirements"]
    wanted = release / "requirements.txt"
    wanted.write_text(text, encoding="utf-8")
    command = [
        uv,
        "pip",
        "install",
        "--python",
        python,
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    if module.params["wheelhouse"]:
        command += ["--no-index", "--find-links", str(root / vllm_releases.INCOMING)]
    for index in module.params["indexes"]:
        command += ["--index", index]
    # Byte code now: the server's user may not write it later, and would pay for it at every start.
    run(module, root, lock, [*command, "--compile-bytecode", "--requirements", str(wanted)])
    said = run(module, root, lock, [python, "-c", ASK_VERSION]).strip()
    if said != module.params["version"]:
        module.fail_json(
            msg=f"The lock gives vLLM {said}, and vllm_server_version is {module.params['version']}. Set it to what is meant."
        )
    digest = hashlib.sha256(text.encode()).hexdigest()
    made = datetime.now(UTC).isoformat(timespec="seconds")
    # uv's own, open to everybody.
    (release / ".lock").unlink(missing_ok=True)
    stamp = Stamp(said, digest, module.params["python"], made)
    vllm_releases.write_stamp(release, stamp)
    return stamp


def must_have_room(module: AnsibleModule, root: Path) -> None:
    free, needed = shutil.disk_usage(root).free, module.params["needs_bytes"]
    if free < needed:
        module.fail_json(
            msg=f"{root} has {free / 1e9:.1f} GB free, a release takes {needed / 1e9:.1f} GB (vllm_server_release_size_bytes). "
            "Free some space there, or mount a larger disk. Nothing was changed."
        )


def run(module: AnsibleModule, root: Path, lock: int, command: list[str]) -> str:
    # The child holds the lock too: it may outlive a run that is cut short, and the next one has to wait for it.
    rc, out, err = module.run_command(
        ["timeout", "--signal=INT", "--kill-after=30", str(module.params["limit_seconds"]), *command],
        pass_fds=[lock],
        environ_update={
            "UV_CACHE_DIR": str(root / vllm_releases.CACHE),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_LINK_MODE": "hardlink",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    if rc != 0:
        give_up(module, root, command, rc, out + err)
    return out


def give_up(module: AnsibleModule, root: Path, command: list[str], rc: int, said: str) -> NoReturn:
    tail = "\n".join(said.strip().splitlines()[-TAIL_LINES:])
    step = " ".join([Path(command[0]).name, *command[1:3]])
    how = f"not within {module.params['limit_seconds']} s" if rc == 124 else f"status {rc}"
    why = f"Release {module.params['release']} could not be built ({step}, {how})."
    if re.search("hash mismatch", said, re.IGNORECASE):
        why += " A wheel is not the one that the lock names: replace the wheel, or make the lock again if it is the right one."
    # A full disk must not stay full. What was downloaded is kept for the next try, what was pushed can be pushed again.
    shutil.rmtree(vllm_releases.folder(root, module.params["release"]), ignore_errors=True)
    vllm_releases.tidy(root, keep_cache=not module.params["wheelhouse"])
    module.fail_json(msg=f"{why} What serves now was not touched. It said:\n{tail}")


def take_away(module: AnsibleModule, root: Path) -> NoReturn:
    uv = Path(module.params["uv"])
    gone = [path for path in (root, uv) if path.exists()]
    if root in gone and not module.check_mode:
        with vllm_releases.alone(root, WAIT_SECONDS):
            shutil.rmtree(root)
    if uv in gone and not module.check_mode:
        uv.unlink()
        drop_empty(uv.parent)
    diff = {"before": "".join(f"{path}\n" for path in gone), "after": ""}
    module.exit_json(changed=bool(gone), there=False, folder="", incoming="", lock_sha256="", diff=diff)


def drop_empty(folder: Path) -> None:
    """Only folders of our own name."""
    while "hostproof" in folder.parts and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def finish(module: AnsibleModule, stamp: Stamp | None, *, changed: bool) -> NoReturn:
    root = Path(module.params["root"])
    release = vllm_releases.folder(root, module.params["release"])
    module.exit_json(
        changed=changed,
        there=stamp is not None,
        folder=str(release),
        incoming=str(root / vllm_releases.INCOMING),
        lock_sha256=stamp.lock if stamp else "",
        diff=[{"before": "", "after": f"{release}\n"}] if changed else [],
    )


if __name__ == "__main__":
    main()
