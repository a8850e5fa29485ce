"""Runs the instrument on the host as a transient unit, and watches it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import measuring

DOCUMENTATION = """
module: measurement
short_description: Runs the instrument on the host as a transient unit, and watches it
description:
  - C(started) writes the configuration and starts C(hostproof-measure.service). The unit outlives the connection and can be stopped
    by name. One that an earlier run left behind is ended first, so the caller holds the run lock.
  - C(watched) lasts some seconds. Call it in an C(until) loop that ends on RV(done); each try shows the last line of progress.
  - C(absent) ends the unit and removes its folder.
options:
  state: {type: str, choices: [started, watched, absent], default: started, description: "Begin, look, or clean up."}
  program: {type: path, default: /opt/hostproof/hostproof.pyz, description: The instrument.}
  config: {type: dict, default: {}, description: "Its configuration (docs/contracts.md). A key's file is named, never the key."}
  seconds: {type: float, default: 10, description: How long one look lasts at most.}
  folder: {type: path, default: /run/hostproof/measure, description: "Where configuration, log and Result are meanwhile."}
attributes:
  check_mode: {support: full, description: "Starts nothing, and watching ends at once."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Start measuring
  hostproof.core.measurement: {config: "{{ config }}"}
- name: Measure
  hostproof.core.measurement: {state: watched}
  register: measurement
  until: measurement.done
  retries: 720
  delay: 0
"""

RETURN = """
done: {description: Whether it has ended well., returned: when watched, type: bool}
stdout: {description: Its last line of progress., returned: when watched, type: str}
result: {description: Where the Result lies on the host., returned: always, type: str}
telemetry: {description: "Where all that was seen of the host lies, as gzipped lines of JSON.", returned: always, type: str}
chunks: {description: "Where every event of every answer lies with its time, as gzipped lines of JSON.", returned: always, type: str}
"""

ARGUMENTS = {
    "state": {"type": "str", "choices": ["started", "watched", "absent"], "default": "started"},
    "program": {"type": "path", "default": "/opt/hostproof/hostproof.pyz"},
    "config": {"type": "dict", "default": {}},
    "seconds": {"type": "float", "default": 10.0},
    "folder": {"type": "path", "default": measuring.FOLDER},
}
SHOW = ["systemctl", "show", "--property=LoadState,ActiveState,SubState,Result", measuring.UNIT]
PAUSE_SECONDS = 0.5


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    folder = Path(module.params["folder"])
    if module.params["state"] == "watched":
        watch(module, folder)
    changed = module.params["state"] == "started" or folder.exists()
    if not module.check_mode:
        clean(module, folder)
        if module.params["state"] == "started":
            start(module, folder)
    finish(module, folder, changed=changed)


def clean(module: AnsibleModule, folder: Path) -> None:
    """The folder is made before the unit and removed after it: without one there is no unit of ours either."""
    if not folder.exists():
        return
    if look(module).kind != "gone":
        module.run_command(["systemctl", "stop", measuring.UNIT], check_rc=True)
    # Only one that failed is still known after that.
    module.run_command(["systemctl", "reset-failed", measuring.UNIT])
    shutil.rmtree(folder)


def start(module: AnsibleModule, folder: Path) -> None:
    config = module.params["config"]
    folder.mkdir(mode=0o700, parents=True)
    (folder / measuring.CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    command = measuring.command(
        sys.executable, module.params["program"], str(folder), float(config["deadline_seconds"])
    )
    rc, out, err = module.run_command(command)
    if rc != 0:
        module.fail_json(msg=f"the instrument could not be started: {' '.join((out + err).split())}")


def watch(module: AnsibleModule, folder: Path) -> NoReturn:
    if module.check_mode:
        finish(module, folder, changed=False, done=True, stdout="not measured in check mode")
    until = time.monotonic() + module.params["seconds"]
    while (state := look(module)).kind == "runs" and time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
    progress = measuring.last_line(read(folder / measuring.LOG))
    if state.kind in ("failed", "gone"):
        why = measuring.last_line(read(folder / measuring.ERRORS)).removeprefix("hostproof: ") or state.why
        after = f" It had come to: {progress}" if progress else ""
        module.fail_json(msg=f"measuring failed: {why}.{after}", done=True, stdout=why)
    finish(
        module,
        folder,
        changed=False,
        done=state.kind == "done",
        stdout=progress or "waiting for the server's first answer",
    )


def look(module: AnsibleModule) -> measuring.State:
    _, out, _ = module.run_command(SHOW, check_rc=True)
    return measuring.state(measuring.pairs(out))


def read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def finish(module: AnsibleModule, folder: Path, **more: object) -> NoReturn:
    module.exit_json(
        result=str(folder / measuring.RESULT),
        telemetry=str(folder / measuring.TELEMETRY),
        chunks=str(folder / measuring.CHUNKS),
        **more,
    )


if __name__ == "__main__":
    main()
