"""Documentation of the action of the same name, which runs on the controller."""

DOCUMENTATION = """
module: verdict
short_description: Judges what a run measured, and fails unless everything is proven
description:
  - Runs on the controller and needs C(hostproof) there. Reads the Results in the run's folder, judges each against the thresholds of its
    hardware, setup and model, and writes C(verdict.json), C(report.html), C(report.md), C(report.json) and C(junit.xml) beside them.
  - A setup that was to be judged and has no Result is unmeasured, and so is a host without any. Nothing judged is nothing proven.
options:
  run_dir: {type: path, required: true, description: "The run's folder, with results/<host>/<setup>.json."}
  run_id: {type: str, required: true, description: The run.}
  hosts: {type: list, elements: str, required: true, description: "All hosts of the play, lost ones too."}
  expected:
    description: What was to be judged, as C(validation_plan) returned it.
    type: list
    elements: dict
    required: true
    suboptions:
      host: {type: str, required: true, description: The host.}
      setup: {type: str, required: true, description: The setup.}
      hardware: {type: str, required: true, description: The class of hardware.}
      model: {type: str, required: true, description: The model that is served.}
      title: {type: str, required: true, description: The setup as people call it.}
  problems: {type: dict, default: {}, description: "Why something was not measured, by C(host/setup)."}
  thresholds_dir: {type: path, required: true, description: Folder of thresholds.}
  show: {type: bool, default: false, description: Whether to print the tables too.}
attributes:
  check_mode: {support: full, description: "Judges nothing, and says so."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Judge what was measured
  hostproof.core.verdict:
    run_dir: runs/20261124T151800Z-validate-epyc01
    run_id: 20261124T151800Z-validate-epyc01
    hosts: "{{ ansible_play_hosts_all }}"
    expected: "{{ planned.expected }}"
    thresholds_dir: inventory/thresholds
  run_once: true
"""

RETURN = """
outcome: {description: "C(proven), C(below), C(inconclusive) or C(unmeasured).", returned: when judged, type: str}
files: {description: What was written., returned: when judged, type: list, elements: str}
"""
