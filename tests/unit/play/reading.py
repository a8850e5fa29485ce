"""Reads the recorded runs beside it (events as a run record keeps them, ansible-core 2.19)."""

from __future__ import annotations

import json
from pathlib import Path

from hostproof.play.events import Event, Progress, fold

FOLDER = Path(__file__).parent / "events"


def events(name: str) -> list[Event]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines, f"{name}.jsonl is empty"
    return [json.loads(line) for line in lines]


def progress(name: str) -> Progress:
    return fold(events(name))
