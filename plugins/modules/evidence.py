"""Collects what a host says of its GPUs and servers, as it says it: for whoever has no such host."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import proof_look

DOCUMENTATION = """
module: evidence
short_description: Collects what a host says of its GPUs and servers, as it says it
description:
  - Each server's log since its last start, its proof, the CDI specifications, C(nvidia-smi -q), and the kernel's lines of NVIDIA's driver.
  - Changes nothing. Keys are not among it; names of models and paths are.
options:
  endpoints: {type: path, default: /etc/hostproof/servers, description: Where the servers are told.}
  proofs: {type: path, default: /var/lib/hostproof/proofs, description: Where what was proved is kept.}
  most_bytes: {type: int, default: 2000000, description: "Of one log; a longer one is cut in the middle."}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Collect what a card's host says
  hostproof.core.evidence:
  become: true
"""

RETURN = """
texts: {description: "Name of a file to text.", returned: success, type: dict}
xids: {description: "Lines of the kernel in which the driver reports an error of the card.", returned: success, type: list, elements: str}
"""

ARGUMENTS = {
    "endpoints": {"type": "path", "default": "/etc/hostproof/servers"},
    "proofs": {"type": "path", "default": "/var/lib/hostproof/proofs"},
    "most_bytes": {"type": "int", "default": 2_000_000},
}
SPECS = ("/etc/cdi", "/var/run/cdi")
XID = re.compile(r"NVRM: Xid|RmInitAdapter failed")


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    kernel = [line for line in journal(module, "--dmesg").splitlines() if "NVRM" in line or "nvidia" in line]
    texts = {
        "kernel-nvidia.log": "\n".join([*kernel, ""]),
        **said(module, ["nvidia-smi", "-q"], "nvidia-smi-q.txt"),
    }
    for folder in SPECS:
        for path in sorted(Path(folder).glob("*")):
            texts[f"cdi{str(path).replace('/', '-')}"] = path.read_text(encoding="utf-8", errors="replace")
    for path in sorted(Path(module.params["proofs"]).glob("*.json")):
        texts[f"proof-{path.name}"] = path.read_text(encoding="utf-8")
    for path in sorted(Path(module.params["endpoints"]).glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        start = proof_look.start(module, told["unit"])
        log = proof_look.journal(module, told["unit"], start.invocation)
        texts[f"{told['server']}.log"] = cut(log, module.params["most_bytes"])
    module.exit_json(changed=False, texts=texts, xids=[line for line in kernel if XID.search(line)])


def journal(module: AnsibleModule, *words: str) -> str:
    """Without a journal, as in a container that sees none of the kernel's, there are no lines: that is what is told."""
    _, out, _ = module.run_command(
        ["journalctl", "--boot", "--no-pager", "--quiet", "--output=short-monotonic", *words]
    )
    return str(out)


def said(module: AnsibleModule, command: list[str], name: str) -> dict[str, str]:
    if not module.get_bin_path(command[0]):
        return {}
    rc, out, err = module.run_command(command)
    return {name: f"{out}{err}\n(status {rc})\n"}


def cut(text: str, most: int) -> str:
    """The beginning has what a start tells, the end what happened last."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - most} characters left out …\n{text[-half:]}"


if __name__ == "__main__":
    main()
