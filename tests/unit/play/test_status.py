"""How `status` sums up what the hosts handed over."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hostproof.errors import HostproofError
from hostproof.exits import ExitStatus
from hostproof.play import kept, status
from hostproof.play.ending import Ending

DRIVER = {"state": "ok", "why": "", "loaded": "580.95.05"}
ROW = {
    "server": "llama_server",
    "unit": "llama-server.service",
    "active": "active",
    "since": "2026-11-25T07:00:00+00:00",
    "model": "m",
    "release": "sha256:" + "f" * 64,
    "url": "http://127.0.0.1:8081",
    "device": "GPU (X, 1.0 GiB)",
    "vram_bytes": 1024**3,
    "verdict": "gpu",
    "proved": "gpu",
    "proved_at": "",
    "state": "as proved",
    "why": [],
}


def seen(*rows: dict[str, Any], driver: dict[str, str] = DRIVER, cdi: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"schema": status.SCHEMA, "servers": list(rows), "driver": driver, "cdi": list(cdi)}


def test_everything_as_proved_is_a_yes() -> None:
    assert status.of_status({"h1": seen(ROW), "h2": seen(ROW)}) == Ending(
        ExitStatus.YES, "2 of 2 servers run as they were proved."
    )


def test_one_that_differs_is_a_no() -> None:
    ended = status.of_status({"h1": seen(ROW, {**ROW, "state": "differs"})})
    assert ended == Ending(ExitStatus.NO, "1 of 2 servers run as they were proved.")


def test_a_stale_specification_and_a_driver_that_waits_for_a_boot_are_a_no_too() -> None:
    waiting = {
        "state": "reboot-required",
        "why": "580.95.05 is loaded; the libraries on disk: 580.173.02",
        "loaded": "580.95.05",
    }
    ended = status.of_status({"h1": seen(ROW, driver=waiting, cdi=("It was made for driver 570.",))})
    assert ended == Ending(ExitStatus.NO, "1 of 1 servers run as they were proved, and 2 more to see to.")


def test_a_host_without_servers_or_without_a_driver_is_no_trouble() -> None:
    none = {"state": "not-installed", "why": "no NVIDIA driver is installed", "loaded": ""}
    assert status.of_status({"h1": seen(driver=none)}).status is ExitStatus.YES


def test_off_a_terminal_it_is_a_line_a_server_with_what_is_wrong_below() -> None:
    console = Console(file=io.StringIO(), width=300)
    status.draw(
        console,
        "h1",
        seen({**ROW, "state": "differs", "why": ["it is cpu, and gpu was proved"]}, cdi=("stale",)),
    )
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "h1 llama_server: model m, on GPU (X, 1.0 GiB), build sha256:ffffffffffffffff…, since 2026-11-25T07:00:00+00:00, "
        "computes gpu, state differs",
        "llama_server: it is cpu, and gpu was proved",
        "containers: stale",
    ]


def test_on_a_terminal_it_is_a_table() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    status.draw(console, "h1", seen(ROW))
    assert isinstance(console.file, io.StringIO)
    assert "as proved" in console.file.getvalue()


def test_json_is_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    ended = status.tell(Console(stderr=True), {"h1": seen(ROW)}, as_json=True)
    assert ended == Ending(ExitStatus.YES, "")
    assert json.loads(capsys.readouterr().out)["hosts"]["h1"]["servers"] == [ROW]


def test_what_is_no_status_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h1.json"
    with pytest.raises(HostproofError, match="handed nothing over"):
        kept.whole(path, status.SCHEMA)
    path.write_text('{"schema": "other/1"}')
    with pytest.raises(HostproofError, match="cannot be read"):
        kept.whole(path, status.SCHEMA)
