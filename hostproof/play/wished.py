"""What a command says in place of the inventory, for one run: variables (`--set`) and parts of the playbook (`--tags`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from hostproof.errors import HostproofError
from hostproof.play.checkout import Checkout
from hostproof.play.inventory import listing, nearest

OWN = ("hostproof_", "provision_", "undo_", "facts_", "ansible_")
"""Prefixes that are the program's own."""
NAME = re.compile(r"[a-z][a-z0-9_]*")
TAGS = re.compile(r"^\s*tags: \[([^\]]+)\]", re.MULTILINE)


@dataclass(frozen=True)
class Wished:
    """Empty: as the inventory says, all of it."""

    values: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    """The words as they were given, for the record and for the command to resume."""


def parse(settings: Sequence[str], tags: Sequence[str] = (), known: Iterable[str] = ()) -> Wished:
    """`name=value`, the value as YAML reads it. Raises HostproofError for what is none, and for a tag that is not known."""
    parts = sorted(known)
    for tag in tags:
        if tag not in parts:
            # Ansible would run nothing, and call that a good run.
            mend = f"{nearest(tag, parts)} {listing('parts', parts)}".strip()
            raise HostproofError(f"there is no part {tag!r} of the playbook", where="--tags", mend=mend)
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        mend = "Write it as a role's README has it: --set nvidia_driver_version=580.173.02."
        if not equals or not NAME.fullmatch(name):
            raise HostproofError(f"{setting!r} is no name=value", where="--set", mend=mend)
        if name.startswith(OWN):
            raise HostproofError(f"{name} is not a role's variable", where="--set", mend=mend)
        values[name] = _value(name, text)
    return Wished(values, tuple(tags), tuple(settings))


def parts_of(checkout: Checkout) -> frozenset[str]:
    """Tags of provisioning: a role's name, or an area of tuning."""
    files = (checkout.playbook("provision"), checkout.root / "roles/tuning/tasks/main.yml")
    found = TAGS.findall("".join(file.read_text(encoding="utf-8") for file in files))
    return frozenset(tag.strip() for tags in found for tag in tags.split(",")) - {"always"}


def _value(name: str, text: str) -> object:
    """A version such as 580.95 stays a text: YAML would make a number of it."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise HostproofError(
            f"the value of {name} is no YAML", where=f"--set {name}={text}", mend="Put it into quotes."
        ) from error
    return text if isinstance(value, float) or value is None else value
