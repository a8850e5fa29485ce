"""A /proc of a few processes."""

from __future__ import annotations

from pathlib import Path

BOOT = "11111111-2222-3333-4444-555555555555"


def process(proc: Path, pid: int, parent: int, name: str, started: int = 100) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True, exist_ok=True)
    # Fields 3 to 22 of proc_pid_stat(5): state, parent, 17 others, start time; two more follow.
    rest = ["S", str(parent), *["0"] * 17, str(started), "0", "0"]
    (folder / "stat").write_text(f"{pid} ({name}) {' '.join(rest)}\n", encoding="utf-8")
    (folder / "comm").write_text(f"{name}\n", encoding="utf-8")


def boot_id(proc: Path, value: str = BOOT) -> None:
    folder = proc / "sys/kernel/random"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "boot_id").write_text(f"{value}\n", encoding="utf-8")
