"""The inventory of the lab's hosts, written anew from the records each time."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from hostproof.errors import HostproofError
from lab.records import VM, Record, replace_file

HEADER: Final = "# Written by lab.up, rewritten by lab.up and lab.down: edits are lost.\n"


def write(path: Path, records: Sequence[Record]) -> None:
    """The file goes when the last host does."""
    if not is_ours(path):
        mend = "Name another file with --inventory, or move this one away."
        raise HostproofError("the file was not written by the lab", where=str(path), mend=mend)
    if records:
        replace_file(path, text(records))
    else:
        path.unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Also where there is none yet."""
    try:
        return path.read_text(encoding="utf-8").startswith(HEADER)
    except FileNotFoundError:
        return True


def text(records: Sequence[Record]) -> str:
    """Virtual hosts are in a group of their own below `lab`, so that what is said for it wins."""
    hosts = {record.name: host(record) for record in sorted(records, key=lambda record: record.name)}
    virtual = {record.name for record in records if record.kind == VM}
    lab: dict[str, Any] = {"hosts": {name: told for name, told in hosts.items() if name not in virtual}}
    if virtual:
        lab["children"] = {"lab_vm": {"hosts": {name: hosts[name] for name in hosts if name in virtual}}}
    gpus: dict[str, Any] = {record.name: {} for record in records if record.gpu}
    if gpus:
        # Named again, for variables that count where there is a GPU.
        lab["children"] = {**lab.get("children", {}), "lab_gpu": {"hosts": gpus}}
    tree = {"all": {"children": {"inference_hosts": {"children": {"lab": lab}}}}}
    return HEADER + "---\n" + yaml.safe_dump(tree, sort_keys=False, width=1000)


def host(record: Record) -> dict[str, Any]:
    """No `ansible_become`: a role that needs root has to ask for it, here as on a real host."""
    return {
        "ansible_host": "127.0.0.1",
        "ansible_port": record.port,
        "ansible_user": "lab",
        "ansible_ssh_private_key_file": record.key,
        "ansible_ssh_common_args": shlex.join(trust(record)),
        "ansible_python_interpreter": "/usr/bin/python3",
        # An emulated processor takes seconds for a key exchange.
        **({"ansible_timeout": 30} if record.kind == VM else {}),
        # A container's kernel is the machine's: roles change kernel settings only when told that they may.
        "hostproof_lab_container": record.kind != VM,
        # The interpreter that a wheelhouse for this host is made for.
        "hostproof_lab_python": record.python,
        **({"hostproof_lab_gpu": record.gpu, "hostproof_lab_gpu_key": record.gpu_key} if record.gpu else {}),
    }


def trust(record: Record) -> list[str]:
    """This host's own keys and no others. ssh splits the value at spaces, hence the inner quotes."""
    return [
        *["-o", f'UserKnownHostsFile="{record.known_hosts}"', "-o", "GlobalKnownHostsFile=/dev/null"],
        *["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"],
    ]


def ssh_argv(record: Record, command: Sequence[str]) -> list[str]:
    """One word of command is a shell line, as with ssh itself; several are quoted and stay several."""
    line = command[0] if len(command) == 1 else shlex.join(command)
    return [
        *["ssh", "-F", "/dev/null", "-i", record.key, "-p", str(record.port), *trust(record)],
        *["lab@127.0.0.1", *([line] if command else [])],
    ]
