"""Makes kernel settings be as wanted, journalled, read back and persisted; plans them in check mode."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostproof.core.plugins.module_utils import engine, knob_arguments
from ansible_collections.hostproof.core.plugins.module_utils.host import Host
from ansible_collections.hostproof.core.plugins.module_utils.knob import (
    STATES,
    Knob,
    KnobError,
    Outcome,
    Seen,
    brief,
)
from ansible_collections.hostproof.core.plugins.module_utils.knob_arguments import Wanted
from ansible_collections.hostproof.core.plugins.module_utils.registry import KINDS

DOCUMENTATION = """
module: knobs
short_description: Makes kernel settings be as wanted
description:
  - Takes the whole list in one call, since settings depend on each other and share one journal.
  - Notes what stood there first in C(/var/lib/hostproof/journal.jsonl), on the disk before the first write. Then each
    value is written, read back and persisted in sysctl.d, tmpfiles.d, grub.d, modprobe.d, systemd or limits.d.
  - Where nothing is to be done, nothing is written, not even the journal. docs/journal.md has what it promises.
  - Never reboots.
options:
  knobs:
    description: What is wanted. Knobs of earlier calls that are not named here stay as they are (orphans).
    type: list
    elements: dict
    suboptions:
      area: {type: str, required: true, description: "Who wants it, such as C(hugepages); undo goes by it."}
      kind: {type: str, required: true, description: "C(sysctl), C(sysfs), C(pool), C(cmdline), C(modprobe) or C(limit)."}
      key: {type: str, required: true, description: "As its kind names it, such as C(vm.swappiness) or C(node0/2048kB)."}
      wanted: {type: raw, required: true, description: "A text or a whole number; never a YAML truth value."}
      why: {type: str, default: "", description: What it is for.}
      source: {type: str, default: "", description: Where the value comes from.}
      risk: {type: str, default: "", description: What it may cost.}
      effect: {type: str, default: "", description: "How much it is worth, as far as measured."}
      group: {type: str, default: "", description: "Knobs of one group are applied in order and restored together."}
  wishes:
    description:
      - In place of O(knobs). Variables of the role C(tuning) by name, worked out on the host from its facts.
      - Wishes that contradict each other or the host fail the module before anything is written.
    type: dict
  areas:
    description: Works out these areas alone. Empty means all.
    type: list
    elements: str
    choices: [hugepages, numa, cpu_power, kernel_cmdline, limits]
    default: []
  evidence:
    description: Proof that nobody uses a setting, by C(kind:key). Such a knob is C(ignored-by-workload).
    type: dict
    default: {}
  tolerate:
    description: States that do not fail the task. Those with a detail become warnings.
    type: list
    elements: str
    default: [unsupported, needs-reboot, ignored-by-workload]
  force:
    description: Writes over drop-in files of ours that somebody else wrote or edited. What stood there is kept in the journal.
    type: bool
    default: false
  run_id: {type: str, default: "", description: "The run, as in the journal. Made up from time and process if empty."}
  root: {type: path, default: /, description: A made-up tree in place of the host. For tests.}
attributes:
  check_mode: {support: full, description: "Reads only; no trace, no lock. The diff gives each pending knob its reasons."}
  diff_mode: {support: full, description: "Live values in one diff, each drop-in file in its own."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Set what the NUMA placement needs
  hostproof.core.knobs:
    knobs:
      - {area: numa, kind: sysctl, key: kernel.numa_balancing, wanted: 0, why: Pages stay where they are.}
      - {area: hugepages, kind: pool, key: node0/2048kB, wanted: 13600}
"""

RETURN = """
knobs:
  description: Each knob with its state, detail, and live, persisted and booted value as read back.
  returned: always
  type: list
  elements: dict
reboot_required: {description: Whether a wanted value waits for a boot., returned: always, type: bool}
orphans: {description: "C(kind:key) of what earlier calls set and nobody wants any more.", returned: always, type: list, elements: str}
placements:
  description: With wishes, by server, the threads, cpus, nodes, policy, load_mode and environment that it should get, and why.
  returned: always
  type: dict
"""

ARGUMENTS = {
    **knob_arguments.OPTIONS,
    "evidence": {"type": "dict", "default": {}},
    "tolerate": {
        "type": "list",
        "elements": "str",
        "default": ["unsupported", "needs-reboot", "ignored-by-workload"],
    },
    "force": {"type": "bool", "default": False},
    "run_id": {"type": "str", "default": ""},
}
GOOD = ("ok", "changed", "pending")


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=knob_arguments.EITHER,
        mutually_exclusive=knob_arguments.EITHER,
    )
    params = module.params
    try:
        tolerated = states_of(params["tolerate"])
        wanted = knob_arguments.wanted(params)
        knobs = wanted.knobs
        host, options = Host(params["root"]), {"force": params["force"], "evidence": params["evidence"]}
        if module.check_mode:
            report = engine.check(host, knobs, **options)
        else:
            run_id = params["run_id"] or f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-by-hand-{os.getpid()}"
            report = engine.apply(host, knobs, run_id, **options)
    except KnobError as error:
        module.fail_json(msg=str(error))
    end(module, report, tolerated, wanted)


def states_of(names: list[str]) -> set[str]:
    for name in names:
        if name not in STATES:
            raise KnobError(f"unknown state {name!r}", where="tolerate", mend=f"Known: {', '.join(STATES)}.")
    return {*names, *GOOD}


def end(module: AnsibleModule, report: engine.Report, tolerated: set[str], wanted: Wanted) -> None:
    for note in (*wanted.findings, *report.notes):
        module.warn(f"{note}.")
    bad = [said(outcome) for outcome in report.outcomes if outcome.state not in tolerated]
    for outcome in report.outcomes:
        if outcome.state not in GOOD and (outcome.state in tolerated or module.check_mode):
            module.warn(said(outcome))
    pending = [outcome for outcome in report.outcomes if outcome.changed]
    reasons = (
        [{"prepared": "\n".join([*map(explained, pending), ""])}] if pending and module.check_mode else []
    )
    result = {
        "changed": report.changed,
        "diff": [*reasons, *report.diffs],
        "knobs": [shown(outcome) for outcome in report.outcomes],
        "reboot_required": any(outcome.state == "needs-reboot" for outcome in report.outcomes),
        "orphans": list(report.orphans),
        "placements": {placement.server: dataclasses.asdict(placement) for placement in wanted.placements},
    }
    if bad and not module.check_mode:
        module.fail_json(msg="\n".join(bad), **result)
    module.exit_json(**result)


def said(outcome: Outcome) -> str:
    return f"{outcome.state}: {outcome.knob.name} = {brief(outcome.knob.wanted)}: {outcome.detail or 'no more is known'}"


def explained(outcome: Outcome) -> str:
    """A knob of a plan: what is there, what is wanted, and why anybody would."""
    knob = outcome.knob
    boot = " (needs a reboot)" if outcome.state == "needs-reboot" else ""
    values = ", ".join(f"{layer} {beside(knob, seen)}" for layer, seen in outcome.seen.items())
    needs = KINDS[knob.kind].family(knob.key).needs
    told = {"why": knob.why, "effect": knob.effect, "source": knob.source, "risk": knob.risk}
    told["takes effect"] = f"after {needs}" if needs else "at once"
    head = f"{knob.area}: {knob.kind} {knob.key}{boot}: {values}"
    return "\n".join([head, *(f"  {name}: {text}" for name, text in told.items() if text)])


def beside(knob: Knob, seen: Seen) -> str:
    wanted = brief(knob.wanted) or "the bare word"
    same = KINDS[knob.kind].same(knob.wanted, seen)
    return f"{wanted}, as wanted" if same else f"{brief(str(seen))} → {wanted}"


def shown(outcome: Outcome) -> dict[str, Any]:
    knob = outcome.knob
    return {
        **{"area": knob.area, "kind": knob.kind, "key": knob.key, "wanted": knob.wanted, "why": knob.why},
        **{"source": knob.source, "risk": knob.risk, "effect": knob.effect},
        **{layer: str(outcome.seen.get(layer, "")) for layer in ("live", "persisted", "booted")},
        **{"state": outcome.state, "detail": outcome.detail, "changed": outcome.changed},
    }


if __name__ == "__main__":
    main()
