"""The real parts that stand in for downloads where there is no registry and no model hub.

Each module makes one part in the cache and is run as `python -m lab.parts.<name> [--out DIR]`. What is known
of the parts is in docs/lab-parts.md. Nothing here runs on a host, and hostproof itself never imports it.
"""
