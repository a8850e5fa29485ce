"""The instrument: load, scrape, telemetry. Runs on the host from one file, with nothing but the standard library
(psutil, pynvml and cpuinfo only where they are there). Must not import judge, report, play or any other package of hostproof."""
