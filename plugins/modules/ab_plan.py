"""Documentation of the action of the same name, which runs on the controller."""

DOCUMENTATION = """
module: ab_plan
short_description: Works out what a comparison measures, and in which order
description:
  - Runs on the controller and needs C(hostproof) there. Checks setup, server and workload against each other before a server is touched.
    What is wrong comes as one sentence.
  - Builds the instrument, and the program that ends a comparison.
options:
  run_id: {type: str, required: true, description: The run. The order of the visits comes from it.}
  host: {type: str, required: true, description: The host.}
  hardware: {type: str, default: "", description: "Its class of hardware, for the Results."}
  setups: {type: dict, required: true, description: "Setups by name, see docs/contracts.md."}
  setup: {type: str, default: "", description: "The one that is measured; empty for the first whose server is on the host."}
  servers: {type: dict, required: true, description: "Endpoint files of the host, path and text."}
  workloads_dir: {type: path, required: true, description: Folder of workloads.}
  workload: {type: str, required: true, description: The workload of each visit.}
  rounds: {type: int, required: true, description: "Rounds, each with A, B and A once more."}
  deadline_seconds: {type: float, required: true, description: How long measuring in one visit may take.}
  instrument: {type: path, required: true, description: Where the instrument is built to.}
attributes:
  check_mode: {support: full, description: Touches no host in either mode.}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: See what is compared
  hostproof.core.ab_plan:
    run_id: 20261125T064500Z-ab-epyc01
    host: epyc01
    setups: {cpu: {title: "A: CPU", server: llama_server, workload: seed}}
    servers: {/etc/hostproof/servers/llama_server.json: "{{ text }}"}
    workloads_dir: inventory/workloads
    workload: ab
    rounds: 9
    deadline_seconds: 1800
    instrument: ~/.cache/hostproof/hostproof.pyz
  register: planned
"""

RETURN = """
setup: {description: Name of the setup., returned: success, type: str}
title: {description: Its title., returned: success, type: str}
server: {description: Its endpoint file., returned: success, type: dict}
config: {description: The instrument's configuration., returned: success, type: dict}
visits: {description: "Number, of, round, arm, state and file of each visit.", returned: success, type: list, elements: dict}
instrument: {description: Where the instrument lies on the controller., returned: success, type: str}
put_back: {description: "Where the program lies that ends a comparison, for a timer on the host.", returned: success, type: str}
"""
