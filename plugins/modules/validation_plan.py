"""Documentation of the action of the same name, which runs on the controller."""

DOCUMENTATION = """
module: validation_plan
short_description: Puts together what a validation will measure and judge
description:
  - Runs on the controller and needs C(hostproof) there. Reads thresholds and workloads and checks them against each other, the setups
    and the servers, before a server is touched. What is wrong comes as one sentence with file, line and key.
  - Builds the instrument.
options:
  run_id: {type: str, required: true, description: The run.}
  host: {type: str, required: true, description: The host.}
  hardware: {type: str, required: true, description: "Its class of hardware, as in the thresholds' files."}
  setups: {type: dict, required: true, description: "Setups by name, see docs/contracts.md."}
  only: {type: list, elements: str, default: [], description: "Those that are chosen; empty for all."}
  servers: {type: dict, required: true, description: "Endpoint files of the host, path and text."}
  thresholds_dir: {type: path, required: true, description: Folder of thresholds.}
  workloads_dir: {type: path, required: true, description: Folder of workloads.}
  deadline_seconds: {type: float, required: true, description: How long measuring one setup may take.}
  more_runs_seconds:
    type: float
    default: 0.0
    description: What runs beyond the workload's own may take in one setup, where a verdict is not settled.
  instrument: {type: path, required: true, description: Where the instrument is built to.}
attributes:
  check_mode: {support: full, description: Touches no host in either mode.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See what is to be measured and judged
  hostproof.core.validation_plan:
    run_id: 20261124T151800Z-validate-epyc01
    host: epyc01
    hardware: epyc-9175f-rtx-pro-6000-max-q
    setups: {gpu: {title: "B: GPU nvfp4", server: vllm_server, workload: seed}}
    servers: {/etc/hostproof/servers/vllm_server.json: "{{ text }}"}
    thresholds_dir: inventory/thresholds
    workloads_dir: inventory/workloads
    deadline_seconds: 3600
    instrument: ~/.cache/hostproof/hostproof.pyz
  register: planned
"""

RETURN = """
setups:
  description: What each setup needs on the host, its name, title, server and the instrument's configuration.
  returned: success
  type: list
  elements: dict
expected: {description: What the action C(verdict) has to judge., returned: success, type: list, elements: dict}
instrument: {description: Where the instrument lies on the controller., returned: success, type: str}
"""
