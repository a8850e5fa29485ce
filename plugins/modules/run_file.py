"""Documentation of the action of the same name, which runs on the controller."""

DOCUMENTATION = """
module: run_file
short_description: Keeps what a host handed over in the run's folder
description:
  - Writes C(<folder>/<host>.json) on the controller, in the process that runs the task, so that it costs no connection.
  - The file is its owner's alone (0600), as is its folder where it is made (0700).
options:
  folder: {type: path, required: true, description: "Where it lies, such as C(runs/<run id>/drift)."}
  content: {type: dict, required: true, description: "What is kept, with a C(schema)."}
attributes:
  check_mode: {support: full, description: "Writes in either mode: a run's record is no state of a host."}
author: [hostproof maintainers]
"""

EXAMPLES = """
- name: Keep what was seen
  hostproof.core.run_file:
    folder: "{{ hostproof_run_dir }}/drift"
    content: {schema: hostproof.drift/1, rows: "{{ tuning_drift.rows }}"}
"""

RETURN = """
path: {description: The file., returned: success, type: str}
"""
