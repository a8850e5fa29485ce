"""Works out which packages NVIDIA's driver is to be on a host, and everything that stands in the way."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.hostproof.core.plugins.module_utils import openpgp
from ansible_collections.hostproof.core.plugins.module_utils.facts import dpkg, gpu
from ansible_collections.hostproof.core.plugins.module_utils.facts.tree import Tree
from ansible_collections.hostproof.core.plugins.module_utils.families import DRIVER_SOURCE
from ansible_collections.hostproof.core.plugins.module_utils.host import CommandError, Host
from ansible_collections.hostproof.core.plugins.module_utils.nvidia import (
    apt_data,
    files,
    judge,
    package_set,
    private_apt,
    wanted,
)
from ansible_collections.hostproof.core.plugins.module_utils.nvidia.private_apt import Apt
from ansible_collections.hostproof.core.plugins.module_utils.preflight_types import Finding

DOCUMENTATION = """
module: driver_plan
short_description: Works out which packages NVIDIA's driver is to be, and what stands in the way
description:
  - Changes nothing of the host. Where packages have to move, apt is asked what it would do, with lists, cache and sources of its own
    (C(/run/hostproof/apt)); the host's own lists stay as they are. In check mode that folder is gone when the module ends.
  - Every finding comes at once, each with its mend (docs/nvidia-driver.md).
  - The answer is C(wanted), a value for M(hostproof.core.knobs) of the kind C(packages).
options:
  source:
    description: Ubuntu's archive (prebuilt, signed modules) or NVIDIA's repository.
    type: str
    choices: [archive, nvidia]
    default: archive
  branch: {type: str, required: true, description: "As Ubuntu names it: C(580-server)."}
  version: {type: str, default: "", description: "Upstream version; empty keeps what is there, else takes the newest."}
  open: {type: bool, default: true, description: The open kernel modules.}
  freeze: {type: bool, default: true, description: Whether all of the set is held.}
  replace: {type: bool, default: false, description: Whether packages of another branch may go.}
  sources:
    description: "Files of /etc/apt/sources.list.d to go by, without their ending; empty: all."
    type: list
    elements: str
    default: []
  packages: {type: list, elements: str, default: [], description: "Source C(nvidia): what is installed from it."}
  repository:
    description: "Source C(nvidia): uris, suites, components, key (URL) and fingerprint."
    type: dict
    default: {}
  skip: {type: dict, default: {}, description: "Findings that do not count here, each with the reason."}
  disk_reserve_bytes: {type: int, default: 1000000000, description: What must stay free.}
attributes:
  check_mode: {support: full, description: Leaves no trace at all.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Plan the driver
  hostproof.core.driver_plan: {branch: 580-server}
  register: plan
"""

RETURN = """
failures: {description: "What stands in the way, a sentence each.", returned: always, type: list, elements: str}
findings: {description: "All of it, with id, severity, what, where, fix.", returned: always, type: list, elements: dict}
wanted: {description: "The set of packages as it shall be, a line each.", returned: always, type: str}
version: {description: Its upstream version., returned: always, type: str}
pending: {description: Whether a package would move., returned: always, type: bool}
source_text: {description: "Source C(nvidia): the deb822 source with its key in it.", returned: always, type: str}
"""

ARGUMENTS: dict[str, Any] = {
    "source": {"type": "str", "choices": [wanted.ARCHIVE, wanted.NVIDIA], "default": wanted.ARCHIVE},
    "branch": {"type": "str", "required": True},
    "version": {"type": "str", "default": ""},
    "open": {"type": "bool", "default": True},
    "freeze": {"type": "bool", "default": True},
    "replace": {"type": "bool", "default": False},
    "sources": {"type": "list", "elements": "str", "default": []},
    "packages": {"type": "list", "elements": "str", "default": []},
    "repository": {"type": "dict", "default": {}},
    "skip": {"type": "dict", "default": {}},
    "disk_reserve_bytes": {"type": "int", "default": 1_000_000_000},
}
KEY_BYTES = 1_000_000
KEY_SECONDS = 30
NOT_ASKED = {"state": "not-asked"}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    wishes = wanted.Wishes(
        params["source"],
        params["branch"],
        params["version"],
        open_modules=params["open"],
        freeze=params["freeze"],
        replace=params["replace"],
        packages=tuple(params["packages"]),
        skip={str(name): str(reason or "") for name, reason in params["skip"].items()},
        disk_reserve_bytes=params["disk_reserve_bytes"],
    )
    host = Host()
    here = look()
    findings = judge.of_host(wishes, here)
    found = Found(wanted=package_set.render(here.now))
    source, more = source_of(module, wishes, host)
    findings += more
    settled = wanted.settled(wishes, here)
    if settled is not None:
        found = Found(package_set.render(settled), version_of(wishes, here, settled))
    elif not any(f.severity == "fail" and f.id in ("gpu", "half_installed", "key") for f in findings):
        folder = private_folder(module)
        try:
            found, more = ask_apt(module, host, folder, (wishes, here), source)
            findings += more
        finally:
            if module.check_mode:
                shutil.rmtree(folder)
    findings = judge.with_skips(findings, wishes.skip)
    for finding in findings:
        if finding.severity == "warn":
            module.warn(str(finding))
    failures = [str(finding) for finding in findings if finding.severity == "fail"]
    if failures and not module.check_mode:
        private_apt.remove(host, private_apt.FOLDER)
    module.exit_json(
        changed=False,
        findings=[dataclasses.asdict(finding) for finding in findings],
        failures=failures,
        wanted=found.wanted,
        version=found.version,
        pending=found.wanted != package_set.render(here.now),
        moves=package_set.step(here.now, package_set.parse(found.wanted)).moves,
        source_text=source,
    )


@dataclasses.dataclass(frozen=True)
class Found:
    wanted: str
    version: str = ""


def look() -> wanted.Here:
    tree = Tree(Path("/"))
    seen = gpu.look(tree, gpu.Ask(lambda: NOT_ASKED))
    packages = dpkg.parse(tree.text(dpkg.STATUS, distil=dpkg.distil))
    return wanted.Here(seen.gpus, seen.driver, packages, os.uname().release)


def version_of(wishes: wanted.Wishes, here: wanted.Here, settled: package_set.PackageSet) -> str:
    asked = wanted.names(wishes, here).user_space
    return next((apt_data.upstream(settled[name].version) for name in asked if name in settled), "")


def private_folder(module: AnsibleModule) -> str:
    """Where apt keeps what it needs to know: for a plan that will be carried out a place that the writer knows."""
    return tempfile.mkdtemp(prefix="hostproof-apt-") if module.check_mode else private_apt.FOLDER


def source_of(module: AnsibleModule, wishes: wanted.Wishes, host: Host) -> tuple[str, list[Finding]]:
    """The deb822 source of NVIDIA's repository, its key verified."""
    if wishes.source != wanted.NVIDIA:
        return "", []
    said = {
        "uris": "",
        "suites": "",
        "components": "",
        "key": "",
        "fingerprint": "",
        **module.params["repository"],
    }
    there = host.read(DRIVER_SOURCE.path) if host.exists(DRIVER_SOURCE.path) else ""
    try:
        # A key that is there already and is the right one need not be fetched again.
        key = key_in(there, said["fingerprint"]) or fetched(said["key"])
        fingerprints = openpgp.fingerprints(key)
    except (OSError, ValueError) as error:
        fix = "Check nvidia_driver_repository.key and the way there (proxy, mirror)."
        return "", [wanted.fail("key", f"the repository's key cannot be had: {error}", said["key"], fix)]
    text = files.source(said["uris"], said["suites"], said["components"], openpgp.binary(key))
    return text, judge.of_key(fingerprints, said["fingerprint"], said["key"])


def key_in(source: str, fingerprint: str) -> bytes:
    """The key of a source of ours, if it is the one that is declared."""
    lines = source.partition("Signed-By:")[2].strip("\n").splitlines()
    data = "\n".join("" if line.strip() == "." else line.strip() for line in lines).encode()
    try:
        return data if data and openpgp.fingerprints(data) == ["".join(fingerprint.split()).upper()] else b""
    except ValueError:
        return b""


def fetched(url: str) -> bytes:
    """Raises OSError; for an address that is none, ValueError."""
    if url.startswith("file://"):
        return Path(url.removeprefix("file://")).read_bytes()
    data: bytes = open_url(url, timeout=KEY_SECONDS).read(KEY_BYTES)
    return data


def ask_apt(
    module: AnsibleModule, host: Host, folder: str, asked_for: tuple[wanted.Wishes, wanted.Here], source: str
) -> tuple[Found, list[Finding]]:
    """What apt offers and would do, with nothing of the host's touched."""
    wishes, here = asked_for
    ours = (Path(DRIVER_SOURCE.path).name, "hostproof-nvidia")
    try:
        private_apt.prepare(host, folder, only=module.params["sources"], extra_source=source, leave_out=ours)
    except OSError as error:
        module.fail_json(msg=f"apt's own place could not be made: {error.strerror} ({folder}).")
    apt = Apt(host, folder)
    said = apt.update()
    asked = wanted.names(wishes, here)
    offer = apt_data.parse_show(
        apt.show(tuple(dict.fromkeys([*asked.every, *package_set.versions(here.now)])))
    )
    branches = [name.removeprefix("nvidia-utils-") for name in apt.names("nvidia-utils-")]
    choice = wanted.choose(wishes, here, offer, branches)
    # Where no branch at all is known since the sources failed, their failure is what there is to say.
    findings = [f for f in choice.findings if branches or not said or f.id != "branch"]
    missing = any(f.severity == "fail" for f in choice.findings)
    findings += judge.of_update(said, needed=missing)
    if wishes.source == wanted.NVIDIA:
        findings += judge.of_headers(here, here.packages, apt.names("linux-headers-"))
    if missing:
        return Found(package_set.render(here.now), choice.version), findings
    # What the chosen ones need is to be of the same version.
    private_apt.set_pins(
        host, folder, f"Package: *nvidia*\nPin: version {choice.version}-*\nPin-Priority: 1001"
    )
    try:
        simulation = apt.simulate(choice.packages)
    except CommandError as error:
        fix = "Mend what apt names (a hold, a pin, a package from elsewhere), or choose another version."
        why = apt_data.unmet(error.said or str(error)).rstrip(".")
        findings.append(
            wanted.fail("conflict", f"apt cannot install driver {choice.version}: {why}", "apt-get", fix)
        )
        return Found(package_set.render(here.now), choice.version), findings
    coming = apt_data.would_come(simulation)
    sizes = apt_data.sizes(apt_data.parse_show(apt.show(tuple(coming))), coming)
    findings += judge.of_disk(wishes, *sizes, free(host))
    return Found(
        package_set.render(wanted.after(here, simulation, choice.version, wishes)), choice.version
    ), findings


def free(host: Host) -> dict[str, int]:
    """Bytes by path, of what is a file system of its own or the root's."""
    return {path: shutil.disk_usage(host.at(path)).free for path in ("/", "/boot") if host.exists(path)}


if __name__ == "__main__":
    main()
