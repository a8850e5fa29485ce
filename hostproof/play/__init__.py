"""The controller: inventory, ansible-runner, events, screen, run records.

Uses report; never imported by measure or judge.
"""
