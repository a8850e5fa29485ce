"""Proves on which device and with which kernels a running server computes: one verdict, with what was seen and what was not."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import (
    llama_proof,
    nvfp4_proof,
    proof_look,
    proof_record,
)
from ansible_collections.hostproof.core.plugins.module_utils.proof_record import ProofRecord, ProofRecordError

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
  record:
    description:
      - Where what was proved is kept on the host, such as C(/var/lib/hostproof/proofs/vllm_server.json); empty, nowhere.
      - It is written if nothing fails, and only if it says something else than before.
    type: path
    default: ""
  again:
    description: Take what is wanted and expected from O(record), in place of the options. Without a record nothing is expected.
    type: bool
    default: false
  report_only: {type: bool, default: false, description: "Never fail for the verdict: somebody else judges it."}
  circumstances:
    description: "What the record should name beside what the host tells: C(model), C(release), C(cards)."
    type: dict
    default: {}
  figures:
    description: "What the checkpoint says of its costs, kept in the record for reports: as RV(hostproof.core.checkpoint#module:found)."
    type: dict
    default: {}
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
  listed: {type: str, description: "What C(llama-server --list-devices) printed inside the container."}
attributes:
  check_mode: {support: full, description: "Reads nothing, proves nothing, writes nothing."}
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
record: {description: "All of it as it is kept, C(hostproof.proof/1).", returned: success, type: dict}
"""

ARGUMENTS = {
    "server": {"type": "str", "required": True, "choices": ["vllm_server", "llama_server"]},
    "unit": {"type": "str", "required": True},
    "record": {"type": "path", "default": ""},
    "again": {"type": "bool", "default": False},
    "report_only": {"type": "bool", "default": False},
    "circumstances": {"type": "dict", "default": {}},
    "figures": {"type": "dict", "default": {}},
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
    "listed": {"type": "str"},
}
EXPECTED = (
    "version",
    "commit",
    "weights_bytes",
    "w4a4",
    "kv_tokens",
    "eager",
    "compute_capability",
    "environment",
    "cpu_ceiling",
    "figures",
)
"""Options that say what the server should be: kept, so that it can be asked again."""


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
            record={},
            msg="not asked in check mode",
        )
    must_know(module)
    kept = read(module)
    found = look(module, kept if module.params["again"] else None)
    told = {
        key: proof_record.to_dict(found)[key] for key in ("verdict", "evidence", "wrong", "missing", "notes")
    }
    if fails(module, found):
        reasons = [*found.wrong, *(found.missing if module.params["complete"] else ())]
        what = f"{found.unit} is {found.verdict}, and {' or '.join(found.wanted)} is wanted."
        module.fail_json(msg="\n".join([what, *reasons]), **told)
    changed = keep(module, kept, found)
    reason = (found.reasons or found.evidence or ("nothing was seen.",))[0]
    module.exit_json(
        changed=changed,
        msg=f"{found.unit}: {found.verdict}: {reason}",
        record=proof_record.to_dict(found),
        **told,
    )


def must_know(module: AnsibleModule) -> None:
    verdicts = nvfp4_proof.VERDICTS if module.params["server"] == "vllm_server" else llama_proof.VERDICTS
    unknown = [each for each in module.params["wanted"] if each not in verdicts]
    if unknown:
        module.fail_json(
            msg=f"wanted has {', '.join(unknown)}, which is no verdict. Known: {', '.join(verdicts)}."
        )


def read(module: AnsibleModule) -> ProofRecord | None:
    """What was proved before. One that cannot be read is no reason to prove nothing: it is written anew."""
    path = module.params["record"]
    if not path:
        return None
    try:
        return proof_record.parse(json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, ProofRecordError) as error:
        module.warn(f"{path} cannot be read ({error}), and is written anew.")
        return None


def look(module: AnsibleModule, before: ProofRecord | None) -> ProofRecord:
    given = module.params
    expected = dict(before.expected) if before else {key: given[key] for key in EXPECTED}
    wanted = before.wanted if before else tuple(given["wanted"])
    start = proof_look.start(module, given["unit"])
    try:
        running = proof_look.processes(given["processes"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    proof = proof_look.prove(
        given["server"],
        proof_look.journal(module, given["unit"], start.invocation),
        start.pids,
        expected,
        running=running,
        asked=proof_look.canaries(given["checks"]),
        listed=given["listed"],
    )
    about = {**(before.circumstances if before else {}), **proof_look.circumstances(start)}
    return proof_record.of(
        given["server"],
        given["unit"],
        proof,
        wanted=wanted,
        expected=expected,
        circumstances={**about, **{key: str(value) for key, value in given["circumstances"].items()}},
        proved_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def fails(module: AnsibleModule, found: ProofRecord) -> bool:
    if module.params["report_only"] or found.stands:
        return False
    return not found.unlooked or module.params["complete"]


def keep(module: AnsibleModule, kept: ProofRecord | None, found: ProofRecord) -> bool:
    """What does not stand is told and not kept: the record is of what was proved."""
    path = module.params["record"]
    if not path or not (found.stands or found.unlooked) or not proof_record.replaces(found, kept):
        return False
    if kept is None and module.params["again"]:
        return False
    target = Path(path)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(proof_record.to_dict(found), file, indent=1, sort_keys=True)
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    Path(name).replace(target)
    return True


if __name__ == "__main__":
    main()
