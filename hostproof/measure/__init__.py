"""The instrument: load, scrape, telemetry. Runs on the host from one file, on the standard library alone
(pynvml and cpuinfo only where they are there). Must not import judge, report, play or any other package.
"""
