"""Has the host's CDI specification be that of the loaded driver, the only one, and of a version that its podman reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import cdi_spec, unit_look

DOCUMENTATION = """
module: cdi_spec
short_description: Has the host's CDI specification be that of the loaded driver, and the only one
description:
  - Reads the specifications of C(nvidia.com/gpu) in C(/etc/cdi) and C(/var/run/cdi), and holds them against the loaded driver, the
    GPUs, podman and the paths that exist. C(nvidia-ctk cdi list) would not tell, since it reads what podman does not.
  - If something is wrong, systemd is told to forget that C(nvidia-cdi-refresh.service) failed, and to run it; then it is looked at again.
  - A second specification is moved to O(set_aside), and C(absent) puts it back.
options:
  uuids: {type: list, elements: str, default: [], description: "The GPUs that must be in it, by UUID."}
  podman: {type: str, default: podman, description: "The program whose version counts; one that is not there is not held against anything."}
  spec: {type: path, default: /var/run/cdi/nvidia.yaml, description: The specification that the unit writes.}
  unit: {type: str, default: nvidia-cdi-refresh.service, description: The unit that writes it.}
  refresh: {type: bool, default: false, description: "Whether to run the unit in any case: what it was told has changed."}
  set_aside: {type: path, default: /var/lib/hostproof/cdi, description: Where further specifications go.}
  state:
    description: "C(looked) changes nothing, and does not fail: RV(problems) tells. C(absent) takes back what C(present) did."
    type: str
    choices: [present, looked, absent]
    default: present
attributes:
  check_mode: {support: full, description: Says what is wrong and would be made anew.}
  diff_mode: {support: full, description: What was wrong.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Have the specification fit
  hostproof.core.cdi_spec:
    uuids: "{{ gpus.gpus | map(attribute='uuid') }}"
"""

RETURN = """
problems: {description: "What was wrong, a sentence each.", returned: always, type: list, elements: str}
version: {description: The specification's version., returned: always, type: str}
driver: {description: The driver that it was made for., returned: always, type: str}
podman: {description: "podman's version; empty without one.", returned: always, type: str}
others: {description: "Further specifications that were found.", returned: always, type: list, elements: str}
"""

ARGUMENTS = {
    "uuids": {"type": "list", "elements": "str", "default": []},
    "podman": {"type": "str", "default": "podman"},
    "spec": {"type": "path", "default": cdi_spec.SPEC},
    "unit": {"type": "str", "default": "nvidia-cdi-refresh.service"},
    "refresh": {"type": "bool", "default": False},
    "set_aside": {"type": "path", "default": "/var/lib/hostproof/cdi"},
    "state": {"type": "str", "choices": ["present", "looked", "absent"], "default": "present"},
}
LOADED = Path("/sys/module/nvidia/version")
NOTE = "moved.json"
LOG_LINES = 12


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.params["state"] == "absent":
        take_back(module)
    specs = read_all(module)
    found = problems(module, specs)
    if module.params["state"] == "looked" or not (found or module.params["refresh"]):
        finish(module, specs, found, changed=False)
    if module.check_mode:
        finish(module, specs, found, changed=bool(found))
    before = Path(module.params["spec"]).read_bytes() if Path(module.params["spec"]).exists() else b""
    set_aside(module, cdi_spec.others(specs, module.params["spec"]))
    said = refresh(module)
    after = read_all(module)
    left = problems(module, after)
    if left:
        module.fail_json(msg="\n".join([*left, f"{module.params['unit']} was run for it. {said}".strip()]))
    finish(module, after, found, changed=bool(found) or Path(module.params["spec"]).read_bytes() != before)


def read_all(module: AnsibleModule) -> dict[str, cdi_spec.Spec]:
    """By path. /var/run is /run: a link is read once, under the name by which the toolkit writes it."""
    folders = dict.fromkeys([*cdi_spec.FOLDERS, str(Path(module.params["spec"]).parent)])
    files = [
        path
        for folder in folders
        for path in sorted(Path(folder).glob("*"))
        if path.suffix in (".yaml", ".json")
    ]
    return {
        str(path): cdi_spec.read(path.read_text(encoding="utf-8", errors="replace"))
        for path in files
        if path.is_file()
    }


def problems(module: AnsibleModule, specs: dict[str, cdi_spec.Spec]) -> list[str]:
    path = module.params["spec"]
    host = cdi_spec.Host(driver(), podman(module), module.params["uuids"])
    spec = specs.get(path)
    named = spec.nodes | spec.host_paths if spec else frozenset()
    there = [each for each in named if Path(each).exists()]
    found = [str(each) for each in cdi_spec.complaints(specs, host, there, path)]
    if Path(path).is_file() and not Path(path).stat().st_mode & 0o004:
        found.append(
            f"{path} cannot be read by everybody, so rootless containers get no GPU. Restart {module.params['unit']}."
        )
    found += [
        f"{each} describes {cdi_spec.KIND} too: after a boot it is what containers get, however old it is."
        for each in cdi_spec.others(specs, path)
    ]
    return found


def driver() -> str:
    try:
        return LOADED.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def podman(module: AnsibleModule) -> str:
    program = module.get_bin_path(module.params["podman"])
    if not program:
        return ""
    _, out, _ = module.run_command([program, "--version"], check_rc=True)
    return str(out).split()[-1]


def refresh(module: AnsibleModule) -> str:
    """What the unit said, if it failed. It may have failed when the toolkit was installed, and then is not started again by itself."""
    unit = module.params["unit"]
    if not unit_look.show(module, unit).there:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    if not unit_look.show(module, unit).there:
        return f"There is no {unit} on this host."
    module.run_command(["systemctl", "reset-failed", unit])
    rc, _, _ = module.run_command(["systemctl", "restart", unit])
    return (
        f"Its log ends:\n{unit_look.log(module, unit, LOG_LINES)}"
        if rc or not Path(module.params["spec"]).exists()
        else ""
    )


def set_aside(module: AnsibleModule, paths: list[str]) -> None:
    folder = Path(module.params["set_aside"])
    if not paths:
        return
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    moved = moved_before(folder)
    for path in paths:
        kept = folder / path.strip("/").replace("/", "-")
        shutil.copy2(path, kept)
        moved[str(kept)] = path
    # What is where is written down before anything is gone from its place.
    note = folder / f".{NOTE}"
    note.write_text(json.dumps(moved, indent=1) + "\n", encoding="utf-8")
    note.replace(folder / NOTE)
    for path in paths:
        Path(path).unlink()


def moved_before(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {str(kept): str(path) for kept, path in found.items()}


def take_back(module: AnsibleModule) -> NoReturn:
    """The toolkit's specification goes with it, and what was set aside comes back."""
    folder, spec = Path(module.params["set_aside"]), Path(module.params["spec"])
    moved = moved_before(folder)
    orphan = spec.exists() and not module.get_bin_path("nvidia-ctk")
    before = [str(spec)] if orphan else []
    if not module.check_mode:
        if orphan:
            spec.unlink()
        for kept, path in moved.items():
            if not Path(path).exists():
                Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                shutil.copy2(kept, path)
        if folder.exists():
            shutil.rmtree(folder)
    diff = {
        "before": "".join(f"{each}\n" for each in before),
        "after": "".join(f"{each}\n" for each in moved.values()),
    }
    changed = bool(before or moved)
    module.exit_json(changed=changed, problems=[], version="", driver="", podman="", others=[], diff=diff)


def finish(
    module: AnsibleModule, specs: dict[str, cdi_spec.Spec], found: list[str], *, changed: bool
) -> NoReturn:
    path = module.params["spec"]
    spec = specs.get(path)
    told: dict[str, Any] = {
        "problems": found,
        "version": spec.version if spec else "",
        "driver": ", ".join(sorted(spec.drivers)) if spec else "",
        "podman": podman(module),
        "others": cdi_spec.others(specs, path),
    }
    before = "".join(f"{each}\n" for each in found)
    diff = {"before_header": path, "after_header": path, "before": before if changed else "", "after": ""}
    module.exit_json(changed=changed, diff=diff, **told)


if __name__ == "__main__":
    main()
