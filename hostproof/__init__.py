"""hostproof: takes a bare host to a proven LLM inference host.

`play` drives Ansible, `measure` runs on the host as one file, `judge` decides, `report` shows. Nothing flows
back up: measure never imports judge, judge never imports report, and Ansible modules never import this package.
"""

__version__ = "0.1.0"
