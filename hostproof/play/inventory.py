"""Hosts, groups and setups, as Ansible's own parser reads them; what is wrong there is one sentence."""

from __future__ import annotations

import atexit
import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hostproof.errors import HostproofError
from hostproof.play.checkout import Checkout

READ_LIMIT_SECONDS = 60
MACHINERY_GROUPS = ("all", "ungrouped")
SHOWN_NAMES = 12


@dataclass(frozen=True)
class Inventory:
    """What `ansible-inventory --list` said. Host variables are as written, templates unresolved."""

    source: str
    hostvars: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, tuple[str, ...]]
    """Group → its hosts, children's hosts included."""

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(sorted(self.hostvars))

    def setups(self, host: str) -> tuple[str, ...]:
        """Names in the host's `validation_setups`, in the order they are written."""
        wished = self.hostvars[host].get("validation_setups", {})
        return tuple(wished) if isinstance(wished, Mapping) else ()

    def servers(self, host: str, setups: Sequence[str] = ()) -> tuple[str, ...]:
        """Servers behind the named setups of a host, or behind all of them; each once."""
        wished = self.hostvars[host].get("validation_setups", {})
        names = [name for name in self.setups(host) if not setups or name in setups]
        found = (wished[name].get("server") for name in names if isinstance(wished[name], Mapping))
        return tuple(dict.fromkeys(server for server in found if isinstance(server, str)))

    def choose(self, names: Sequence[str]) -> tuple[str, ...]:
        """Hosts behind names of hosts and groups, each once. Raises for an unknown, empty or absent name."""
        if not names:
            raise self._refusal("no host was named", "Name one with --host.")
        chosen: dict[str, None] = {}
        for name in names:
            chosen.update(dict.fromkeys(self._one(name)))
        return tuple(chosen)

    def _one(self, name: str) -> tuple[str, ...]:
        if name in self.hostvars:
            return (name,)
        if self.groups.get(name):
            return self.groups[name]
        if name in self.groups:
            raise self._refusal(f"group {name!r} has no hosts", "Add hosts to it or name another.")
        if not name.strip():
            raise self._refusal("--host was given an empty name", "Name one with --host.")
        known = (*self.hosts, *self.groups)
        raise self._refusal(f"unknown host or group {name!r}", nearest(name, known))

    def check_setups(self, hosts: Iterable[str], names: Sequence[str]) -> None:
        """Raises for a setup that a host does not have."""
        for host in hosts:
            known = self.setups(host)
            for name in names:
                if name not in known:
                    raise HostproofError(
                        f"unknown setup {name!r}",
                        where=f"validation_setups of host {host}",
                        mend=f"{nearest(name, known)} {listing('setups', known)}".strip(),
                    )

    def _refusal(self, what: str, mend: str) -> HostproofError:
        groups = [group for group, hosts in self.groups.items() if hosts and group not in MACHINERY_GROUPS]
        known = " ".join(part for part in (listing("hosts", self.hosts), listing("groups", groups)) if part)
        return HostproofError(
            what,
            where=f"inventory {self.source}",
            mend=f"{mend} {known or 'The inventory has no hosts.'}".strip(),
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """'Did you mean …?' with the one or two names that are close, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=2, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def listing(kind: str, names: Iterable[str]) -> str:
    """'Known hosts: a, b.', cut when it is long, empty when there are none."""
    every = list(names)
    if not every:
        return ""
    more = f" and {len(every) - SHOWN_NAMES} more" if len(every) > SHOWN_NAMES else ""
    return f"Known {kind}: {', '.join(every[:SHOWN_NAMES])}{more}."


_ahead: dict[Path, subprocess.Popen[str]] = {}
"""Readings that were begun and not fetched yet, by checkout."""


def begin(checkout: Checkout) -> None:
    """Lets `read` find its answer ready: Ansible takes half a second, as long as this process takes to import what it needs."""
    reading = _ahead[checkout.root] = _listing(checkout)
    # Nobody may want it after all, such as when an option was misspelt.
    atexit.register(_abandon, reading)


def _abandon(reading: subprocess.Popen[str]) -> None:
    if reading.poll() is None:
        reading.kill()
        reading.wait()


def _listing(checkout: Checkout) -> subprocess.Popen[str]:
    ansible_inventory = str(Path(sys.executable).with_name("ansible-inventory"))
    return subprocess.Popen(
        [ansible_inventory, "--list", "--inventory", checkout.inventory()],
        cwd=checkout.root,
        env={**os.environ, "ANSIBLE_CONFIG": str(checkout.config), "ANSIBLE_NOCOLOR": "1"},
        # ssh may have left the terminal non-blocking, which Ansible refuses.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read(checkout: Checkout) -> Inventory:
    """Reads the inventory in a child process; raises with file, line and key if it is malformed."""
    source = checkout.inventory()
    with _ahead.pop(checkout.root, None) or _listing(checkout) as reading:
        try:
            listed, said = reading.communicate(timeout=READ_LIMIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise HostproofError(
                f"reading the inventory took longer than {READ_LIMIT_SECONDS} s",
                where=source,
                mend="Look for an inventory script or plugin that hangs.",
            ) from error
        finally:
            # Before the wait at the end of `with`: one that hangs, or was interrupted, would never come to its end.
            _abandon(reading)
    if reading.returncode != 0:
        raise malformed(source, said)
    if misspelt := unknown_key(source, said):
        raise misspelt
    return parse(checkout.short(source), listed)


def parse(source: str, listed: str) -> Inventory:
    """The pure half of `read`: the JSON of `ansible-inventory --list`."""
    raw = json.loads(listed)
    hostvars: dict[str, Mapping[str, Any]] = dict(raw.pop("_meta", {}).get("hostvars", {}))
    groups = {name: tuple(dict.fromkeys(_members(name, raw))) for name in raw}
    # A host without variables has no entry in hostvars.
    for hosts in groups.values():
        for host in hosts:
            hostvars.setdefault(host, {})
    return Inventory(source, hostvars, groups)


def _members(group: str, raw: Mapping[str, Any]) -> Iterable[str]:
    entry = raw.get(group, {})
    yield from entry.get("hosts", ())
    for child in entry.get("children", ()):
        yield from _members(child, raw)


def malformed(source: str, stderr: str) -> HostproofError:
    """The refusal of an inventory that ansible-inventory could not read."""
    yaml_error = _first_yaml_error(Path(source))
    says = yaml_error or _yaml_plugin_says(stderr)
    if not says and "Completely failed to parse" in stderr:
        return HostproofError(
            "the inventory is missing or has no hosts",
            where=f"inventory {source}",
            mend="Write your hosts into inventory/hosts.yml, or point ANSIBLE_INVENTORY at yours.",
        )
    return HostproofError(
        says or _last_error(stderr),
        where=f"inventory {source}",
        mend="Correct it, then run the same command again.",
    )


def unknown_key(source: str, stderr: str) -> HostproofError | None:
    """Ansible only warns of a misspelt `hosts:` and goes on without those hosts; here it is an error."""
    found = re.search(r"Skipping unexpected key \((\S+)\) in group \((\S+)\)", stderr)
    if not found:
        return None
    return HostproofError(
        f"unknown key {found[1]!r} in group {found[2]!r}",
        where=_place_of_key(Path(source), found[1]) or f"inventory {source}",
        mend="A group may have vars, children and hosts.",
    )


def _place_of_key(source: Path, key: str) -> str:
    pattern = re.compile(rf"^\s*(['\"]?){re.escape(key)}\1\s*:")
    for path in _yaml_files(source):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.match(line):
                return f"{path}:{number}"
    return ""


def _yaml_plugin_says(stderr: str) -> str:
    """What the YAML plugin (this project's format) said, out of the answers of all plugins that tried."""
    found = re.search(
        r"'yaml' plugin: (?P<says>.+?)\n.*?Origin: <inventory plugin 'yaml' with source '(?P<file>[^']+)'>",
        stderr,
        re.DOTALL,
    )
    if not found:
        return ""
    return f"{found['file']}: {_plain_types(found['says']).rstrip('.')}"


def _plain_types(text: str) -> str:
    return re.sub(r"(?:<class ')?[\w.]*_AnsibleTagged(\w+)(?:'>)?", lambda found: found[1].lower(), text)


def _last_error(stderr: str) -> str:
    errors = [line.removeprefix("[ERROR]: ") for line in stderr.splitlines() if line.startswith("[ERROR]: ")]
    return (
        _plain_types(errors[-1]).rstrip(".")
        if errors
        else stderr.strip()[-500:] or "ansible-inventory failed silently"
    )


def _first_yaml_error(source: Path) -> str:
    """file:line:column of the first file that is no YAML. Ansible names none if it is in group_vars."""
    for path in _yaml_files(source):
        try:
            yaml.compose(path.read_text(encoding="utf-8"))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
            return f"{place}: {error.problem or error.context}"
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            return f"{path}: {error}"
    return ""


def _yaml_files(source: Path) -> list[Path]:
    """The files of an inventory, with group_vars and host_vars beside it."""
    folders = [source] if source.is_dir() else [source.parent / "group_vars", source.parent / "host_vars"]
    found = [source] if source.is_file() else []
    return found + [
        p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix in {".yml", ".yaml"}
    ]
