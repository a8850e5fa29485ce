"""A repository of packages with its key, by the key's fingerprint: there and readable, or not there at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.hostproof.core.plugins.module_utils import openpgp
from ansible_collections.hostproof.core.plugins.module_utils.openpgp import KeyringError

DOCUMENTATION = """
module: apt_source
short_description: Adds a repository of packages by the fingerprint of its key, or takes it away
description:
  - The key is fetched once, and is put on the host only if its fingerprint is the one that is named and it brings no other key along.
    C(ansible.builtin.deb822_repository) takes whatever key the address gives.
  - The lists of this repository alone are fetched. If it cannot be reached, or is not signed by that key, nothing of it stays.
options:
  name: {type: str, required: true, description: "Names the files, C(<name>.sources) and C(/etc/apt/keyrings/<name>.gpg)."}
  uri: {type: str, default: "", description: Where it is.}
  suites: {type: str, default: /, description: "Its suite, C(/) for a flat one."}
  components: {type: str, default: "", description: "Its component; none for a flat one."}
  key: {type: str, default: "", description: "Where its key is: an C(https) address, or a C(file) one on the host."}
  fingerprint: {type: str, default: "", description: All 40 digits.}
  limit_seconds: {type: int, default: 30, description: How long the key may take.}
  state: {type: str, choices: [present, absent], default: present, description: "There, or taken away."}
attributes:
  check_mode: {support: full, description: Fetches and writes nothing.}
  diff_mode: {support: full, description: The source's text.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Add NVIDIA's container toolkit
  hostproof.core.apt_source:
    name: nvidia-container-toolkit
    uri: https://nvidia.github.io/libnvidia-container/stable/deb/amd64
    key: https://nvidia.github.io/libnvidia-container/gpgkey
    fingerprint: C95B321B61E88C1809C4F759DDCAE044F796ECB0
"""

RETURN = """
source: {description: The source's file., returned: always, type: str}
"""

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "uri": {"type": "str", "default": ""},
    "suites": {"type": "str", "default": "/"},
    "components": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": False},
    "fingerprint": {"type": "str", "default": ""},
    "limit_seconds": {"type": "int", "default": 30},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
SOURCES, KEYRINGS = Path("/etc/apt/sources.list.d"), Path("/etc/apt/keyrings")
TAIL_LINES = 6


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name = module.params["name"]
    source, keyring = SOURCES / f"{name}.sources", KEYRINGS / f"{name}.gpg"
    if module.params["state"] == "absent":
        take_away(module, source, keyring)
    must_be_named(module)
    text = wanted(module, keyring)
    before = source.read_text(encoding="utf-8") if source.exists() else ""
    trusted = keyring.exists() and is_right(module, keyring.read_bytes())
    diff = {"before_header": str(source), "after_header": str(source), "before": before, "after": text}
    if before == text and trusted:
        module.exit_json(changed=False, source=str(source), diff=diff)
    if module.check_mode:
        module.exit_json(changed=True, source=str(source), diff=diff)
    kept = keyring.read_bytes() if keyring.exists() else None
    place(keyring, openpgp.binary(checked(module, fetch(module))))
    place(source, text.encode())
    try_it(module, source, before, keyring, kept)
    module.exit_json(changed=True, source=str(source), diff=diff)


def must_be_named(module: AnsibleModule) -> None:
    given = module.params
    if len(given["fingerprint"]) != 40 or set(given["fingerprint"].upper()) - set("0123456789ABCDEF"):
        module.fail_json(
            msg=f"The fingerprint of {given['name']} is {given['fingerprint'] or 'empty'}: write all of its 40 digits, without spaces."
        )
    if not given["key"].startswith(("https://", "file:///")):
        module.fail_json(
            msg=f"The key of {given['name']} is {given['key'] or 'empty'}: give an https:// or file:/// address."
        )
    if not given["uri"].startswith(("https://", "http://", "file:")):
        module.fail_json(
            msg=f"The address of {given['name']} is {given['uri'] or 'empty'}: give one of https://, http:// or file:."
        )


def wanted(module: AnsibleModule, keyring: Path) -> str:
    given = module.params
    lines = [
        "# Written by hostproof. Changes here are lost.",
        "Types: deb",
        f"URIs: {given['uri']}",
        f"Suites: {given['suites']}",
    ]
    lines += [f"Components: {given['components']}"] if given["components"] else []
    return "\n".join([*lines, f"Signed-By: {keyring}", ""])


def is_right(module: AnsibleModule, data: bytes) -> bool:
    try:
        return openpgp.fingerprints(data) == [module.params["fingerprint"].upper()]
    except KeyringError:
        return False


def fetch(module: AnsibleModule) -> bytes:
    where = module.params["key"]
    try:
        if where.startswith("file://"):
            return Path(where.removeprefix("file://")).read_bytes()
        data: bytes = open_url(where, timeout=module.params["limit_seconds"]).read()
    except OSError as error:
        reason = getattr(error, "reason", error)
        module.fail_json(
            msg=f"The key of {module.params['name']} cannot be fetched from {where}: {reason}. Nothing was changed."
        )
    return data


def checked(module: AnsibleModule, data: bytes) -> bytes:
    """One key, and the right one: every other key in the file would be trusted as much."""
    where, expected = module.params["key"], module.params["fingerprint"].upper()
    try:
        found = openpgp.fingerprints(data)
    except KeyringError as error:
        module.fail_json(msg=f"{where} is no key of a repository: {error}. Nothing was changed.")
    if found != [expected]:
        module.fail_json(
            msg=f"{where} has the key {', '.join(found)}, and {expected} is expected. If the repository has a new key, look up its "
            "fingerprint where its owner publishes it, and set that. Nothing was changed."
        )
    return data


def try_it(module: AnsibleModule, source: Path, before: str, keyring: Path, kept: bytes | None) -> None:
    """Its own lists alone: the others are none of ours, and take a minute."""
    rc, out, err = module.run_command(
        [
            "apt-get",
            "--quiet",
            "update",
            f"--option=Dir::Etc::SourceList={source}",
            "--option=Dir::Etc::SourceParts=-",
            "--option=APT::Get::List-Cleanup=0",
            "--option=APT::Update::Error-Mode=any",
            "--option=DPkg::Lock::Timeout=120",
        ],
        environ_update={"LC_ALL": "C.UTF-8"},
    )
    if rc == 0:
        return
    put_back(source, before.encode() if before else None)
    put_back(keyring, kept)
    said = "\n".join((out + err).strip().splitlines()[-TAIL_LINES:])
    signed = "is not signed by that key" if "igned" in said or "signature" in said else "cannot be read"
    module.fail_json(
        msg=f"The repository {module.params['uri']} {signed}. Nothing of it stays. apt-get update said:\n{said}"
    )


def put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        place(path, content)


def place(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    Path(name).replace(path)


def take_away(module: AnsibleModule, source: Path, keyring: Path) -> NoReturn:
    text = source.read_text(encoding="utf-8") if source.exists() else ""
    there = [path for path in (source, keyring) if path.exists()]
    if not module.check_mode:
        for path in there:
            path.unlink()
    diff = {"before_header": str(source), "after_header": str(source), "before": text, "after": ""}
    module.exit_json(changed=bool(there), source=str(source), diff=diff)


if __name__ == "__main__":
    main()
