"""A GPU that is not there: what a lab host has in place of NVIDIA's card, kernel module, packages and repositories.

Profiles are JSON (`profiles/`), what is compiled lies in `source/`, what runs on the host in `host/`. Nothing here knows a role.
"""
