"""What is compared: the settings that hostproof keeps on the lab host, and the same ones for the other tools. Pure.

The list is not written here: it is what `./inv drift --json` says of the host after one provision, so that all tools keep
the very same keys and values. hostproof keeps a family in one file; the others have a task a setting, as their users write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from hostproof.shared.registry import KINDS

SETTINGS: Final = 30
"""Issue and anchors count with 30."""
MARK: Final = "hostproof-speed"


@dataclass(frozen=True)
class Setting:
    """One setting as another tool keeps it: a sysctl key, or a drop-in file of its own."""

    name: str
    kind: str
    key: str
    wanted: str
    path: str
    content: str


def wishes(kind: str, users: int) -> Mapping[str, Any]:
    """Variables of the role tuning for a lab host of this kind; limits of so many users among them.

    A container has no kernel of its own, and hostproof leaves the machine's alone: there all are limits, which are read from files.
    A virtual machine has both: what group_vars/lab_vm wishes is the kernel's part.
    """
    limits = {
        "tuning_memlock": "unlimited",
        "tuning_memlock_users": [f"infer{number:02d}" for number in range(1, users + 1)],
    }
    return {"tuning_areas": ["limits"], **limits} if kind == "container" else limits


def setting(row: Mapping[str, Any]) -> Setting:
    """One row of drift for the other tools."""
    kind, key, wanted = row["kind"], row["key"], row["wanted"]
    family = KINDS[kind].family(key)
    name = f"{kind} {key}"
    if kind == "sysctl":
        return Setting(
            name, kind, key, wanted, str(PurePosixPath(family.path).with_name(f"60-{MARK}.conf")), ""
        )
    flat = "".join(letter if letter.isalnum() else "-" for letter in key).strip("-")
    # Where hostproof's own file still decides: the first file of tmpfiles.d does, the last of every other folder.
    place = "z" if family.name == "tmpfiles" else "60"
    path = PurePosixPath(family.path).with_name(f"{place}-{MARK}-{flat}{family.suffix}")
    section = [f"[{family.section}]"] if family.section else []
    return Setting(
        name, kind, key, wanted, str(path), "\n".join([*section, KINDS[kind].line(key, wanted), ""])
    )


def tasks(settings: Sequence[Setting]) -> list[Mapping[str, Any]]:
    """A playbook with a task a setting."""
    return [
        {
            "name": "Keep settings one by one",
            "hosts": "inference_hosts",
            "gather_facts": False,
            "become": True,
            "tasks": [_task(one) for one in settings],
        }
    ]


def _task(one: Setting) -> Mapping[str, Any]:
    if one.kind == "sysctl":
        arguments = {"name": one.key, "value": one.wanted, "sysctl_file": one.path, "sysctl_set": True}
        return {"name": one.name, "ansible.posix.sysctl": arguments}
    return {
        "name": one.name,
        "ansible.builtin.copy": {"content": one.content, "dest": one.path, "mode": "0644"},
    }


def plain(settings: Sequence[Setting]) -> list[Mapping[str, Any]]:
    """As deploy.py reads them."""
    return [asdict(one) for one in settings]


def pyinfra_inventory(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """An inventory of pyinfra for hosts with the variables that lab.up wrote."""
    rows = [(name, _connection(variables)) for name, variables in hosts.items()]
    return f"hosts = {rows!r}\n"


def _connection(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    options = dict(
        _option(part) for part in str(variables["ansible_ssh_common_args"]).split("-o ") if part.strip()
    )
    return {
        "ssh_hostname": variables["ansible_host"],
        "ssh_port": variables["ansible_port"],
        "ssh_user": variables["ansible_user"],
        "ssh_key": variables["ansible_ssh_private_key_file"],
        "ssh_known_hosts_file": options["UserKnownHostsFile"],
        "ssh_strict_host_key_checking": "yes",
        "_sudo": True,
    }


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.strip().strip("'").partition("=")
    return name, value.strip('"')
