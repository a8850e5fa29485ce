"""Proves on which device and with which kernels a running server computes: one verdict, with what was seen and what was not."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import (
    control_group,
    llama_proof,
    nvfp4_proof,
    vllm_log,
)
from ansible_collections.hostproof.core.plugins.module_utils.facts.gpu_model import GpuProcess
from ansible_collections.hostproof.core.plugins.module_utils.proof_types import Proof

DOCUMENTATION = """
module: server_proof
short_description: Proves on which device and with which kernels a running server computes
description:
  - Reads the unit's log since its last start, and holds it against what is expected.
  - vLLM gets C(native), C(weight-only), C(emulated), C(cpu) or C(unproved); llama-server C(gpu), C(partial), C(cpu) or C(unproved).
  - C(native) and C(gpu) mean that everything was looked at. What was not is in RV(missing), what contradicts in RV(wrong).
options:
  server: {type: str, required: true, choices: [vllm_server, llama_server], description: Which server it is.}
  unit: {type: str, required: true, description: Its unit.}
  wanted:
    description:
      - Verdicts that are good. Any other one fails, but for an unproved one with nothing in RV(wrong).
      - Empty, nothing fails.
    type: list
    elements: str
    default: []
  complete: {type: bool, default: false, description: Whether what was not looked at fails too.}
  processes:
    description: "Processes on all GPUs, each with C(pid) and C(vram_bytes), as M(hostproof.core.gpu_facts) lists them, all cards together."
    type: list
    elements: dict
  checks:
    description: "What the instrument asked: C(checks) of a Result. Those called C(canary_…) count."
    type: list
    elements: dict
  version: {type: str, default: "", description: The version that is pinned.}
  commit: {type: str, default: "", description: "The commit that is pinned, of a nightly build."}
  weights_bytes: {type: int, default: 0, description: "What the weights take; 0: not known."}
  w4a4: {type: bool, description: Whether the checkpoint quantises activations too.}
  kv_tokens: {type: int, default: 0, description: The least that the KV cache must hold.}
  eager: {type: bool, default: false, description: Whether CUDA graphs are switched off on purpose.}
  compute_capability: {type: str, default: "", description: "The GPU's, such as 12.0."}
  environment: {type: dict, default: {}, description: The server's environment.}
  cpu_ceiling: {type: float, default: 0, description: "tok/s that the CPU's memory allows; 0: not known."}
attributes:
  check_mode: {support: full, description: Reads nothing and proves nothing.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Prove that vLLM computes in native NVFP4
  hostproof.core.server_proof:
    server: vllm_server
    unit: vllm-server.service
    wanted: [native]
    processes: "{{ gpus.gpus | map(attribute='processes') | flatten }}"
    weights_bytes: "{{ model.found.weights_bytes }}"
    w4a4: "{{ model.found.w4a4 }}"
    kv_tokens: "{{ model.found.kv_tokens }}"
"""

RETURN = """
verdict: {description: The one word., returned: always, type: str}
evidence: {description: "What was seen, a line each.", returned: always, type: list, elements: str}
wrong: {description: "What contradicts what is expected, with its mend.", returned: always, type: list, elements: str}
missing: {description: "What was not looked at, with how to.", returned: always, type: list, elements: str}
notes: {description: What decides nothing., returned: always, type: list, elements: str}
msg: {description: The verdict in a sentence., returned: always, type: str}
"""

ARGUMENTS = {
    "server": {"type": "str", "required": True, "choices": ["vllm_server", "llama_server"]},
    "unit": {"type": "str", "required": True},
    "wanted": {"type": "list", "elements": "str", "default": []},
    "complete": {"type": "bool", "default": False},
    "processes": {"type": "list", "elements": "dict"},
    "checks": {"type": "list", "elements": "dict"},
    "version": {"type": "str", "default": ""},
    "commit": {"type": "str", "default": ""},
    "weights_bytes": {"type": "int", "default": 0},
    "w4a4": {"type": "bool"},
    "kv_tokens": {"type": "int", "default": 0},
    "eager": {"type": "bool", "default": False},
    "compute_capability": {"type": "str", "default": ""},
    "environment": {"type": "dict", "default": {}},
    "cpu_ceiling": {"type": "float", "default": 0.0},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(
            changed=False,
            verdict="unproved",
            evidence=[],
            wrong=[],
            missing=[],
            notes=[],
            msg="not asked in check mode",
        )
    must_know(module)
    shown = show(module)
    log = journal(module, shown.get("InvocationID", ""))
    pids = control_group.processes(shown.get("ControlGroup", ""))
    prove = prove_vllm if module.params["server"] == "vllm_server" else prove_llama
    proof = prove(module, log, pids)
    told: dict[str, Any] = {
        "changed": False,
        "verdict": proof.verdict,
        "evidence": list(proof.evidence),
        "wrong": [str(each) for each in proof.wrong],
        "missing": [str(each) for each in proof.missing],
        "notes": [str(each) for each in proof.notes],
    }
    if fails(module, proof):
        reasons = told["wrong"] + (told["missing"] if module.params["complete"] else [])
        what = f"{module.params['unit']} is {proof.verdict}, and {' or '.join(module.params['wanted'])} is wanted."
        module.fail_json(msg="\n".join([what, *reasons]), **told)
    module.exit_json(msg=f"{module.params['unit']}: {proof.line}", **told)


def must_know(module: AnsibleModule) -> None:
    verdicts = nvfp4_proof.VERDICTS if module.params["server"] == "vllm_server" else llama_proof.VERDICTS
    unknown = [each for each in module.params["wanted"] if each not in verdicts]
    if unknown:
        module.fail_json(
            msg=f"wanted has {', '.join(unknown)}, which is no verdict. Known: {', '.join(verdicts)}."
        )


def fails(module: AnsibleModule, proof: Proof) -> bool:
    wanted = module.params["wanted"]
    if not wanted or proof.verdict in wanted:
        return False
    unlooked = proof.verdict == "unproved" and not proof.wrong
    return not unlooked or module.params["complete"]


def show(module: AnsibleModule) -> dict[str, str]:
    command = ["systemctl", "show", "--property=InvocationID,ControlGroup", module.params["unit"]]
    _, out, _ = module.run_command(command, check_rc=True)
    return dict(line.partition("=")[::2] for line in out.splitlines() if "=" in line)


def journal(module: AnsibleModule, invocation: str) -> str:
    """Of this start alone, where systemd knows which it is."""
    chosen = f"_SYSTEMD_INVOCATION_ID={invocation}" if invocation else f"--unit={module.params['unit']}"
    _, out, _ = module.run_command(
        ["journalctl", chosen, "--output=cat", "--no-pager", "--quiet"], check_rc=True
    )
    return str(out)


def gpu_processes(module: AnsibleModule) -> list[GpuProcess] | None:
    given = module.params["processes"]
    if given is None:
        return None
    try:
        return [
            GpuProcess(
                int(each["pid"]),
                str(each.get("name", "")),
                None if each.get("vram_bytes") is None else int(each["vram_bytes"]),
            )
            for each in given
        ]
    except (KeyError, TypeError, ValueError) as error:
        module.fail_json(msg=f"processes has an entry without a usable pid and vram_bytes: {error!r}.")


def canaries(module: AnsibleModule) -> list[nvfp4_proof.Canary] | None:
    given = module.params["checks"]
    if given is None:
        return None
    return [
        nvfp4_proof.Canary(str(each["name"]), bool(each.get("passed")), str(each.get("detail", "")))
        for each in given
        if str(each.get("name", "")).startswith("canary_")
    ]


def prove_vllm(module: AnsibleModule, log: str, pids: frozenset[int]) -> Proof:
    given = module.params
    seen = nvfp4_proof.Seen(vllm_log.parse(log), gpu_processes(module), pids, canaries(module))
    expected = nvfp4_proof.Expected(
        version=given["version"],
        commit=given["commit"],
        weights_bytes=given["weights_bytes"] or None,
        w4a4=given["w4a4"],
        kv_tokens=given["kv_tokens"],
        eager=given["eager"],
        compute_capability=given["compute_capability"],
        environment={str(name): str(value) for name, value in given["environment"].items()},
    )
    return nvfp4_proof.prove(seen, expected)


def prove_llama(module: AnsibleModule, log: str, pids: frozenset[int]) -> Proof:
    given = module.params
    seen = llama_proof.Seen(llama_proof.parse(log), processes=gpu_processes(module), pids=pids)
    expected = llama_proof.Expected(given["weights_bytes"] or None, given["cpu_ceiling"] or None)
    return llama_proof.prove(seen, expected)


if __name__ == "__main__":
    main()
